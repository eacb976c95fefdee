/**
 * Content exchange by SHA-256 over direct streams: the receiver asks for pieces, verifies the whole, and tries every
 * source it knows.
 *
 * A question is `hash (32) | u32 offset | u32 length`, an answer `u8 status | u32 total | bytes`, both big-endian and
 * length-prefixed (unsigned varint). The receiver keeps at most {@link PIECE_WINDOW} pieces in flight, because WebRTC
 * streams have no read back-pressure: a sender that pushes is aborted at 4 MiB unread. Limited (relayed) connections
 * are refused on both sides, so no blob byte can go through the relay.
 */
import { messageOf } from '../protocol/errors.ts';
import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { lpStream } from '@libp2p/utils';
import { bytesEqual, sha256, toHex } from '../protocol/bytes.ts';
import { HASH_BYTES, MAX_BLOB_BYTES } from '../protocol/limits.ts';
import { systemClock } from '../protocol/timer.ts';
import { isUsable, pathOf } from './addresses.ts';
import { ByteRoom } from './byte-room.ts';
import * as limits from './limits.ts';
import type { Meter } from './meter.ts';
import { raceSources } from './race-sources.ts';
import { RateLimit } from './rate-limit.ts';
import { TokenBucket } from './token-bucket.ts';
import { BlobUnavailableError, type FetchOptions } from './types.ts';

export const BLOB_PROTOCOL = '/tabswarm/blob/1';

const QUESTION_BYTES = HASH_BYTES + 8;
const ANSWER_HEADER_BYTES = 5;
const HERE = 0;
const NOT_HERE = 1;
const NEVER = new AbortController().signal;
/** Sockets know no other time than this machine's. */
const CLOCK = systemClock();

export type SourceFault = 'missing' | 'unreachable' | 'stalled' | 'malformed' | 'wrong-bytes';

/** Why one source did not deliver. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
  readonly fault: SourceFault;
  constructor(fault: SourceFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

export interface BlobExchangeOptions {
  readonly node: Libp2p;
  readonly meter: Meter;
  /** Called when a peer sent wrong bytes or nonsense too often. */
  readonly onAbuse: (peer: string, reason: string) => void;
  /** What the volunteer allows; default no limit. */
  readonly limit?: RateLimit;
  /** The clock of the patience with a source; default real time. */
  readonly patience?: Patience;
  /** On whose account a peer is served: the host's, by address. Default: each peer on its own. */
  readonly accountOf?: (peer: string) => string;
}

/** Waits for sources, by real time or by a test's. */
export interface Patience {
  /** Milliseconds until a silent source gets a competitor. */
  readonly hedgeDelay: number;
  /** A signal that aborts with a `TimeoutError` when a source has had `ms` milliseconds for `what`. */
  timeout(ms: number, what: 'first piece' | 'piece'): AbortSignal;
}

const REAL_TIME: Patience = {
  hedgeDelay: limits.HEDGE_DELAY,
  timeout: (ms) => AbortSignal.timeout(ms),
};

/** A blob we serve, and how many of its bytes each peer had. */
interface Served {
  readonly bytes: Uint8Array;
  readonly downloads: Map<string, number>;
}

/** Peers to ask for a blob, worked out when their turn comes. Must not reject. */
export type SourceStage = () => readonly string[] | Promise<readonly string[]>;

/** The usable connection to a peer, the direct one first. */
export function usableConnection(node: Libp2p, peer: string): Connection | null {
  const open = node.getConnections(peerIdFromString(peer)).filter(isUsable);
  return open.find((connection) => pathOf(connection) === 'direct') ?? open[0] ?? null;
}

export class BlobExchange {
  readonly #node: Libp2p;
  readonly #meter: Meter;
  readonly #onAbuse: (peer: string, reason: string) => void;
  readonly #limit: RateLimit;
  readonly #patience: Patience;
  readonly #store = new Map<string, Served>();
  /** By account. */
  readonly #budgets = new Map<string, TokenBucket>();
  readonly #accountOf: (peer: string) => string;
  readonly #room = new ByteRoom(limits.MAX_SERVING, limits.MAX_SERVING_SHARE);
  readonly #faults = new Map<string, number>();
  /** When a peer last stalled. */
  readonly #stalls = new Map<string, number>();

  constructor(options: BlobExchangeOptions) {
    this.#node = options.node;
    this.#meter = options.meter;
    this.#onAbuse = options.onAbuse;
    this.#limit = options.limit ?? new RateLimit();
    this.#patience = options.patience ?? REAL_TIME;
    this.#accountOf = options.accountOf ?? ((peer) => peer);
  }

  async start(): Promise<void> {
    await this.#node.handle(BLOB_PROTOCOL, (stream, connection) => this.#answer(stream, connection), {
      maxInboundStreams: limits.MAX_BLOB_STREAMS_IN,
      maxOutboundStreams: limits.MAX_BLOB_STREAMS_OUT,
      runOnLimitedConnection: false,
    });
  }

  serve(hash: Uint8Array, bytes: Uint8Array): void {
    if (hash.byteLength !== HASH_BYTES)
      throw new RangeError(`a blob's hash has ${HASH_BYTES} bytes, got ${hash.byteLength}`);
    if (bytes.byteLength === 0 || bytes.byteLength > MAX_BLOB_BYTES)
      throw new RangeError(`a blob has 1 to ${MAX_BLOB_BYTES} bytes, got ${bytes.byteLength}`);
    const name = toHex(hash);
    if (!this.#store.has(name)) this.#store.set(name, { bytes, downloads: new Map() });
  }

  forget(hash: Uint8Array): void {
    this.#store.delete(toHex(hash));
  }

  /** Drops what is remembered of a peer that is gone. */
  forgetPeer(peer: string): void {
    this.#budgets.delete(peer);
    this.#stalls.delete(peer);
    this.#faults.delete(peer);
    for (const { downloads } of this.#store.values()) downloads.delete(peer);
  }

  /** Bytes of answers that are on their way out. */
  get bytesInFlight(): number {
    return this.#room.bytes;
  }

  /**
   * Fetches and verifies a blob. A stage names peers in the order to ask, and is looked up only when all before it
   * failed. Throws {@link BlobUnavailableError} with what each source did, or the signal's reason.
   */
  async fetch(
    hash: Uint8Array,
    stages: readonly SourceStage[],
    options: FetchOptions,
  ): Promise<Uint8Array<ArrayBuffer>> {
    options.signal?.throwIfAborted();
    const name = toHex(hash);
    const own = this.#store.get(name)?.bytes;
    if (own !== undefined && own.byteLength === options.size) return new Uint8Array(own);
    if (!Number.isInteger(options.size) || options.size < 1 || options.size > MAX_BLOB_BYTES)
      throw new BlobUnavailableError(
        `blob ${name.slice(0, 12)}: a size of ${options.size} bytes is not allowed`,
      );

    const failures: string[] = [];
    for (const stage of stages) {
      const sources = this.#order(await stage());
      await this.#limit.ready('in', options.signal ?? NEVER);
      const result = await raceSources<string, Uint8Array<ArrayBuffer>>({
        clock: CLOCK,
        sources,
        attempt: (peer, signal, started) => this.#pull(peer, hash, options.size, signal, started),
        // Waiting for our own limit is no fault of the source.
        hedgeDelay: this.#patience.hedgeDelay + this.#limit.delay('in', pieceLength(0, options.size)),
        maxParallel: limits.MAX_PARALLEL_SOURCES,
        onFailure: (peer, error) => failures.push(this.#judge(peer, error)),
        signal: options.signal,
      });
      if (result !== null) return result;
    }
    const why = failures.length === 0 ? 'no peer is connected' : failures.join('; ');
    throw new BlobUnavailableError(`nobody serves blob ${name.slice(0, 12)} (${options.size} bytes): ${why}`);
  }

  /** Recently stalled sources last, duplicates out. */
  #order(sources: readonly string[]): string[] {
    const since = Date.now() - limits.STALL_MEMORY;
    const stalled = (peer: string): number => ((this.#stalls.get(peer) ?? 0) > since ? 1 : 0);
    return [...new Set(sources)]
      .sort((a, b) => stalled(a) - stalled(b)) // stable
      .slice(0, limits.MAX_SOURCES);
  }

  /** Keeps account of a source's failure and says it in words. */
  #judge(peer: string, error: unknown): string {
    const fault = error instanceof SourceError ? error.fault : 'unreachable';
    if (fault === 'stalled') this.#stalls.set(peer, Date.now());
    if (fault === 'malformed' || fault === 'wrong-bytes') {
      const count = (this.#faults.get(peer) ?? 0) + 1;
      this.#faults.set(peer, count);
      if (count >= limits.MAX_BLOB_FAULTS) {
        this.#faults.delete(peer);
        this.#onAbuse(
          peer,
          `served ${fault === 'malformed' ? 'malformed' : 'wrong'} blob bytes ${count} times`,
        );
      }
    }
    const detail = messageOf(error);
    return `…${peer.slice(-6)} ${fault}${fault === 'missing' ? '' : ` (${detail.slice(0, 80)})`}`;
  }

  /** Pulls the whole blob from one peer. `started` is called at the first piece. */
  async #pull(
    peer: string,
    hash: Uint8Array,
    size: number,
    cancelled: AbortSignal,
    started: () => void,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const connection = usableConnection(this.#node, peer);
    if (connection === null) throw new SourceError('unreachable', 'no direct connection');
    const path = pathOf(connection);
    const begin = performance.now();
    let deadline = begin + limits.PIECE_TIMEOUT + (size / limits.MIN_SOURCE_RATE) * 1000;
    const within = (what: 'first piece' | 'piece'): AbortSignal => {
      const most = what === 'piece' ? limits.PIECE_TIMEOUT : limits.FIRST_PIECE_TIMEOUT;
      const ms = Math.max(1, Math.ceil(Math.min(most, deadline - performance.now())));
      return AbortSignal.any([cancelled, this.#patience.timeout(ms, what)]);
    };

    // A limited line is paid for piece by piece, so only one is under way; time spent waiting for it is not the source's.
    const window = this.#limit.limited('in') ? 1 : limits.PIECE_WINDOW;
    let reserved = 0;
    const reserve = async (index: number): Promise<void> => {
      reserved += pieceLength(index, size);
      deadline += await this.#limit.take('in', pieceLength(index, size), cancelled);
      cancelled.throwIfAborted();
    };

    let stream: Stream | undefined;
    try {
      await reserve(0);
      const first = within('first piece');
      stream = await connection.newStream(BLOB_PROTOCOL, { signal: first });
      const lp = lpStream(stream, { maxDataLength: limits.PIECE_BYTES + ANSWER_HEADER_BYTES });
      const pieces = Math.ceil(size / limits.PIECE_BYTES);
      const ask = async (index: number, signal: AbortSignal): Promise<void> => {
        const question = encodeQuestion(hash, index * limits.PIECE_BYTES, pieceLength(index, size));
        await lp.write(question, { signal });
        this.#meter.count(peer, path, 'blob', 'out', question.byteLength);
      };
      let asked = 0;
      while (asked < Math.min(pieces, window)) {
        if (asked > 0) await reserve(asked);
        await ask(asked++, first);
      }
      let out: Uint8Array<ArrayBuffer> | undefined;
      for (let index = 0; index < pieces; index++) {
        const signal = index === 0 ? first : within('piece');
        const answer = (await lp.read({ signal })).subarray();
        this.#meter.count(peer, path, 'blob', 'in', answer.byteLength);
        reserved -= Math.min(reserved, answer.byteLength - ANSWER_HEADER_BYTES);
        const piece = readAnswer(answer, size, pieceLength(index, size));
        out ??= new Uint8Array(size); // only once a source has shown a piece of the right shape
        out.set(piece, index * limits.PIECE_BYTES);
        if (index === 0) started();
        if (asked < pieces) {
          await reserve(asked);
          await ask(asked++, within('piece'));
        }
      }
      stream.close({ signal: AbortSignal.timeout(limits.PIECE_TIMEOUT) }).catch(() => {});
      const whole = out as Uint8Array<ArrayBuffer>;
      if (!bytesEqual(await sha256(whole), hash))
        throw new SourceError('wrong-bytes', 'the bytes do not have this hash');
      return whole;
    } catch (error) {
      stream?.abort(error as Error);
      if (cancelled.aborted) throw cancelled.reason;
      throw toSourceError(error);
    } finally {
      this.#limit.spend('in', -reserved);
    }
  }

  /** Serves one stream until the asker is done, idle or misbehaves. Never throws. */
  async #answer(stream: Stream, connection: Connection): Promise<void> {
    const peer = connection.remotePeer.toString();
    try {
      const path = pathOf(connection);
      if (path === 'relayed') throw new Error('blobs do not go through the relay');
      const account = this.#accountOf(peer);
      const budget = this.#budgetOf(account);
      // A whole window of questions may wait; whoever sends more without reading is cut off.
      const lp = lpStream(stream, {
        maxDataLength: QUESTION_BYTES,
        maxBufferSize: 4 * limits.PIECE_WINDOW * (QUESTION_BYTES + 1),
      });
      for (;;) {
        const idle = AbortSignal.timeout(limits.BLOB_IDLE);
        const question = (await lp.read({ signal: idle })).subarray();
        this.#meter.count(peer, path, 'blob', 'in', question.byteLength);
        // Room first: an answer that nobody reads yet must not be made.
        const room = limits.PIECE_BYTES;
        await this.#room.take(account, room, AbortSignal.timeout(limits.BLOB_IDLE));
        let answer: Uint8Array;
        try {
          answer = this.#lookUp(question, peer);
          const missed = answer[0] === NOT_HERE;
          const wait = budget.owe(missed ? limits.MISS_COST : answer.byteLength);
          if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
          await this.#limit.take('out', answer.byteLength, NEVER);
          await lp.write(answer, { signal: AbortSignal.timeout(limits.BLOB_IDLE) });
        } finally {
          this.#room.give(account, room);
        }
        this.#meter.count(peer, path, 'blob', 'out', answer.byteLength);
      }
    } catch (error) {
      if (error instanceof SourceError) this.#judge(peer, error);
      // The usual end: the asker closed its side, and the next read met the end of the stream.
      if ((error as Error).name === 'UnexpectedEOFError' && stream.status === 'open')
        stream.close({ signal: AbortSignal.timeout(limits.PIECE_TIMEOUT) }).catch(() => {});
      else stream.abort(error as Error);
    }
  }

  #budgetOf(account: string): TokenBucket {
    let budget = this.#budgets.get(account);
    if (budget === undefined) {
      budget = new TokenBucket(limits.SERVE_RATE, limits.SERVE_BURST);
      this.#budgets.set(account, budget);
      for (const oldest of this.#budgets.keys()) {
        if (this.#budgets.size <= limits.MAX_SHARES) break;
        this.#budgets.delete(oldest);
      }
    }
    return budget;
  }

  #lookUp(question: Uint8Array, peer: string): Uint8Array {
    if (question.byteLength !== QUESTION_BYTES)
      throw new SourceError('malformed', `a question of ${question.byteLength} bytes`);
    const view = new DataView(question.buffer, question.byteOffset, question.byteLength);
    const offset = view.getUint32(HASH_BYTES);
    const length = Math.min(view.getUint32(HASH_BYTES + 4), limits.PIECE_BYTES);
    const served = this.#store.get(toHex(question.subarray(0, HASH_BYTES)));
    if (served === undefined) return encodeAnswer(NOT_HERE, 0, new Uint8Array(0));
    const { bytes, downloads } = served;
    if (offset >= bytes.byteLength) throw new SourceError('malformed', `offset ${offset} is past the end`);
    const piece = bytes.subarray(offset, offset + length);
    const had = (downloads.get(peer) ?? 0) + piece.byteLength;
    if (had > limits.MAX_DOWNLOADS * bytes.byteLength) return encodeAnswer(NOT_HERE, 0, new Uint8Array(0));
    if (downloads.size >= limits.MAX_DOWNLOADERS) downloads.clear();
    downloads.set(peer, had);
    return encodeAnswer(HERE, bytes.byteLength, piece);
  }
}

const pieceLength = (index: number, size: number): number =>
  Math.min(limits.PIECE_BYTES, size - index * limits.PIECE_BYTES);

export function encodeQuestion(hash: Uint8Array, offset: number, length: number): Uint8Array {
  const out = new Uint8Array(QUESTION_BYTES);
  out.set(hash);
  const view = new DataView(out.buffer);
  view.setUint32(HASH_BYTES, offset);
  view.setUint32(HASH_BYTES + 4, length);
  return out;
}

export function encodeAnswer(status: number, total: number, piece: Uint8Array): Uint8Array {
  const out = new Uint8Array(ANSWER_HEADER_BYTES + piece.byteLength);
  out[0] = status;
  new DataView(out.buffer).setUint32(1, total);
  out.set(piece, ANSWER_HEADER_BYTES);
  return out;
}

/** The piece in an answer, checked against the size and length that were asked for. */
function readAnswer(answer: Uint8Array, size: number, length: number): Uint8Array {
  if (answer.byteLength < ANSWER_HEADER_BYTES)
    throw new SourceError('malformed', `an answer of ${answer.byteLength} bytes`);
  if (answer[0] === NOT_HERE) throw new SourceError('missing', 'not here');
  if (answer[0] !== HERE) throw new SourceError('malformed', `status ${answer[0]}`);
  const total = new DataView(answer.buffer, answer.byteOffset).getUint32(1);
  if (total !== size) throw new SourceError('wrong-bytes', `has ${total} bytes under this hash, not ${size}`);
  const piece = answer.subarray(ANSWER_HEADER_BYTES);
  if (piece.byteLength !== length)
    throw new SourceError('malformed', `a piece of ${piece.byteLength} bytes, ${length} were asked for`);
  return piece;
}

function toSourceError(error: unknown): SourceError {
  if (error instanceof SourceError) return error;
  const name = error instanceof Error ? error.name : '';
  const message = messageOf(error);
  if (name === 'TimeoutError' || name === 'AbortError')
    return new SourceError('stalled', 'no answer in time');
  if (/^Invalid(DataLength|MessageLength)|^StreamBuffer/.test(name))
    return new SourceError('malformed', message);
  return new SourceError('unreachable', message);
}
