/**
 * The doorman of the host's port: bounds what strangers hold of its sockets, WebSockets, unfinished answers and bytes.
 *
 * Each has a share for an address (an IPv6 /64) and a cap in all. At its share an address loses its own oldest idle
 * connection to a new one. At the cap, the address that holds most loses something to one that holds less, so that no
 * number of addresses keeps a newcomer out by being there first. One connection has one answer in progress, since
 * HTTP/1.1 sends answers in order anyway; whoever does not read its answer is cut off.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { addressShare, clientAddress, plainAddress } from '../swarm/address-share.ts';
import type { UpgradeSource } from '../swarm/host-node.ts';
import { cameByHttps, isOwnOrigin, type OwnAddress } from './asked-address.ts';
import { type DoorLimits, LOOK_MS, QUIET_MS, STALL_MS } from './door-limits.ts';
import type { HostReport, ShareOf } from './events.ts';
import { Holdings } from './holdings.ts';

export interface DoormanOptions {
  readonly server: Server;
  readonly own: OwnAddress;
  readonly limits: DoorLimits;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  readonly report: HostReport;
  /** Milliseconds that only go forward. */
  readonly now?: () => number;
}

/** What strangers hold now, for metrics. */
export interface DoorFigures {
  readonly sockets: number;
  readonly upgrades: number;
  /** Answers in progress, requests that wait for their turn, and bytes of answers that were made and are not sent. */
  readonly answers: number;
  readonly waiting: number;
  readonly bytes: number;
  /** What was turned away or cut off since start, by what it had too much of. */
  readonly refused: ReadonlyMap<ShareOf, number>;
}

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** One connection. */
interface Held {
  readonly socket: Socket;
  readonly key: string;
  readonly share: string;
  /** Requests without a finished answer; the first one is in progress or waits for its share. */
  readonly asked: Asked[];
  upgraded: boolean;
}

/** One request. */
interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly held: Held;
  readonly share: string;
  state: 'queued' | 'waiting' | 'answering' | 'over';
  /** Bytes of its answer that were made before they could be sent. */
  bytes: number;
  /** Bytes that left, and when their number last changed. */
  sent: number;
  movedAt: number;
}

export class Doorman implements UpgradeSource {
  readonly #o: DoormanOptions;
  readonly #now: () => number;
  readonly #sockets = new Holdings<Held>();
  readonly #upgrades = new Holdings<Held>();
  readonly #answers = new Holdings<Asked>();
  readonly #waiting = new Holdings<Asked>();
  readonly #bytes = new Map<string, number>();
  readonly #connections = new Map<string, Held>();
  readonly #requests = new WeakMap<IncomingMessage, Asked>();
  /** Shares of trusted proxies that brought a client's request: they serve many. */
  readonly #proxies = new Set<string>();
  readonly #listeners = new Set<UpgradeListener>();
  readonly #refused = new Map<ShareOf, number>();
  readonly #told = new Map<string, number>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(options: DoormanOptions) {
    this.#o = options;
    this.#now = options.now ?? (() => performance.now());
    const { server } = options;
    server.on('connection', (socket) => this.#connected(socket));
    server.on('request', (request, response) => this.#asked(request, response));
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    // Past maxRequestsPerSocket, after an answer with "Connection: close".
    server.on('dropRequest', (_, socket) => void socket.destroy());
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  get figures(): DoorFigures {
    return {
      sockets: this.#sockets.size,
      upgrades: this.#upgrades.size,
      answers: this.#answers.size,
      waiting: this.#waiting.size,
      bytes: this.#sum(),
      refused: this.#refused,
    };
  }

  on(_event: 'upgrade', listener: UpgradeListener): void {
    this.#listeners.add(listener);
  }

  off(_event: 'upgrade', listener: UpgradeListener): void {
    this.#listeners.delete(listener);
  }

  /**
   * Says that an answer of `bytes` was made and waits to be sent. False: there is no room for so many, and another
   * answer must be given. An answer that is larger than the share has room when its share holds nothing else.
   */
  hold(request: IncomingMessage | undefined, bytes: number): boolean {
    const asked = request === undefined ? undefined : this.#requests.get(request);
    if (asked === undefined) return true;
    const { limits } = this.#o;
    const own = this.#bytes.get(asked.share) ?? 0;
    const all = this.#sum();
    if ((own > 0 && own + bytes > limits.bytesShare) || (all > 0 && all + bytes > limits.bytes)) {
      this.#refuse('bytes', asked.share);
      return false;
    }
    asked.bytes += bytes;
    this.#bytes.set(asked.share, own + bytes);
    return true;
  }

  /** Cuts off whoever does not read, and answers those that waited too long. Called every few seconds. */
  look(): void {
    const now = this.#now();
    for (const asked of Array.from(this.#answers.all())) {
      const { socket } = asked.held;
      const { writableLength, bytesWritten } = asked.request.socket;
      const sent = bytesWritten - writableLength;
      if (writableLength === 0 || sent !== asked.sent) {
        asked.sent = sent;
        asked.movedAt = now;
      } else if (now - asked.movedAt >= STALL_MS) {
        this.#refuse('stalled', asked.share);
        socket.destroy();
      }
    }
    for (const asked of Array.from(this.#waiting.all()))
      if (now - asked.movedAt >= STALL_MS) this.#turnAway(asked);
  }

  #connected(socket: Socket): void {
    const share = addressShare(socket.remoteAddress);
    const { limits } = this.#o;
    const most = this.#proxies.has(share) ? limits.sockets : limits.socketShare;
    const room =
      (this.#sockets.of(share) < most || this.#dropIdle(share)) &&
      (this.#sockets.size < limits.sockets || this.#makeRoom(share));
    if (!room) {
      this.#refuse('sockets', share);
      socket.destroy();
      return;
    }
    const key = connectionOf(socket);
    const held: Held = { socket, key, share, asked: [], upgraded: false };
    this.#sockets.add(share, held);
    this.#connections.set(key, held);
    socket.once('close', () => {
      this.#sockets.delete(share, held);
      if (this.#connections.get(key) === held) this.#connections.delete(key);
      for (const asked of held.asked.slice()) this.#over(asked);
    });
  }

  /** Ends the connection of a share that has been idle longest. False: all are in use. */
  #dropIdle(share: string): boolean {
    for (const held of this.#sockets.in(share)) {
      if (held.upgraded || held.asked.length > 0) continue;
      this.#sockets.delete(share, held); // at once: its `close` comes later
      held.socket.destroy();
      return true;
    }
    return false;
  }

  /** Takes a socket from the share that holds most, if that is more than `share` would hold. */
  #makeRoom(share: string): boolean {
    const rich = this.#sockets.largest();
    if (rich === null || this.#sockets.of(rich) <= this.#sockets.of(share) + 1) return false;
    if (this.#dropIdle(rich)) return true;
    return this.#dropUpgrade(this.#upgrades.of(share));
  }

  /** Ends the newest WebSocket of the share with most of them, if it has more than `than` + 1. */
  #dropUpgrade(than: number): boolean {
    const rich = this.#upgrades.largest();
    if (rich === null || this.#upgrades.of(rich) <= than + 1) return false;
    const newest = [...this.#upgrades.in(rich)].at(-1);
    if (newest === undefined) return false;
    this.#upgrades.delete(rich, newest);
    this.#sockets.delete(newest.share, newest);
    newest.socket.destroy();
    return true;
  }

  #asked(request: IncomingMessage, response: ServerResponse): void {
    const held = this.#connections.get(connectionOf(request.socket));
    if (held === undefined || held.socket.destroyed) return stopParsing(request.socket);
    if (held.asked.length >= this.#o.limits.pipelined) {
      this.#refuse('pipelined', held.share);
      stopParsing(request.socket);
      held.socket.destroy();
      return;
    }
    const asked: Asked = {
      request,
      response,
      held,
      share: this.#shareOf(request, held),
      state: 'queued',
      bytes: 0,
      sent: 0,
      movedAt: this.#now(),
    };
    this.#requests.set(request, asked);
    held.asked.push(asked);
    response.once('close', () => this.#over(asked));
    if (held.asked.length === 1) this.#admit(asked);
  }

  /** Whose share a request counts on: its client's, which behind a proxy is not the socket's. */
  #shareOf(request: IncomingMessage, held: Held): string {
    const { own, report } = this.#o;
    const address = clientAddress(request, own.trusted);
    const share = addressShare(address);
    if (address !== plainAddress(request.socket.remoteAddress)) this.#proxies.add(held.share);
    if (own.publicUrl === null && !own.tls && cameByHttps(request, own))
      this.#tell('proxy', Number.POSITIVE_INFINITY, () => report({ is: 'https-without-public-url' }));
    return share;
  }

  /** Answers a request now, or when its share has room. */
  #admit(asked: Asked): void {
    const { limits } = this.#o;
    const { share } = asked;
    asked.movedAt = this.#now();
    if (this.#hasTurn(share) || (this.#answers.of(share) < limits.answerShare && this.#cutAnswer(share)))
      this.#begin(asked);
    else if (this.#waiting.of(share) >= limits.waitingShare || this.#waiting.size >= limits.waiting)
      this.#turnAway(asked);
    else {
      asked.state = 'waiting';
      this.#waiting.add(share, asked);
    }
  }

  #hasTurn(share: string): boolean {
    const { answers, answerShare } = this.#o.limits;
    return this.#answers.size < answers && this.#answers.of(share) < answerShare;
  }

  /** At the cap, ends the longest answer of the share that has most, if that is more than `share` would have. */
  #cutAnswer(share: string): boolean {
    const rich = this.#answers.largest();
    if (rich === null || this.#answers.of(rich) <= this.#answers.of(share) + 1) return false;
    const [oldest] = this.#answers.in(rich);
    if (oldest === undefined) return false;
    this.#refuse('answers', rich);
    oldest.held.socket.destroy();
    this.#over(oldest);
    return true;
  }

  #begin(asked: Asked): void {
    asked.state = 'answering';
    asked.movedAt = this.#now();
    this.#answers.add(asked.share, asked);
    this.#o.handle(asked.request, asked.response);
  }

  #turnAway(asked: Asked): void {
    this.#refuse('answers', asked.share);
    this.#waiting.delete(asked.share, asked);
    asked.state = 'queued';
    asked.response.writeHead(503, { 'retry-after': '2', connection: 'close', 'content-type': 'text/plain' });
    asked.response.end('too many unfinished answers; try again in a moment\n');
  }

  /** An answer was sent, or nobody waits for it any more. */
  #over(asked: Asked): void {
    if (asked.state === 'over') return;
    const { held, share } = asked;
    asked.state = 'over';
    this.#answers.delete(share, asked);
    this.#waiting.delete(share, asked);
    const bytes = (this.#bytes.get(share) ?? 0) - asked.bytes;
    if (bytes > 0) this.#bytes.set(share, bytes);
    else this.#bytes.delete(share);
    held.asked.splice(held.asked.indexOf(asked), 1);
    if (this.#connections.get(held.key) === held) this.#sockets.add(held.share, held);
    const [next] = held.asked;
    if (next?.state === 'queued' && !held.socket.destroyed) this.#admit(next);
    this.#takeTurns();
  }

  /** Begins what waits, the share with fewest answers first. */
  #takeTurns(): void {
    for (;;) {
      let next: string | null = null;
      for (const share of this.#waiting.shares()) {
        if (this.#hasTurn(share) && (next === null || this.#answers.of(share) < this.#answers.of(next)))
          next = share;
      }
      const [first] = next === null ? [] : this.#waiting.in(next);
      if (first === undefined) return;
      this.#waiting.delete(first.share, first);
      this.#begin(first);
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const held = this.#connections.get(connectionOf(request.socket));
    if (held === undefined) return void socket.destroy();
    const { own, limits, report } = this.#o;
    const share = this.#shareOf(request, held);
    const { origin } = request.headers;
    if (origin !== undefined && !isOwnOrigin(origin, request, own)) {
      this.#refuse('origin', share);
      this.#tell('origin', QUIET_MS, () => report({ is: 'origin-refused', origin: printable(origin) }));
      return refuseUpgrade(socket, '403 Forbidden', 'a page of another origin may not connect here');
    }
    const room =
      this.#upgrades.of(share) < limits.upgradeShare &&
      (this.#upgrades.size < limits.upgrades || this.#dropUpgrade(this.#upgrades.of(share)));
    if (!room) {
      this.#refuse('upgrades', share);
      return refuseUpgrade(socket, '503 Service Unavailable', 'too many connections from this address');
    }
    held.upgraded = true;
    this.#upgrades.add(share, held);
    held.socket.once('close', () => this.#upgrades.delete(share, held));
    if (this.#listeners.size === 0) return refuseUpgrade(socket, '503 Service Unavailable', 'starting');
    for (const listener of this.#listeners) listener(request, socket, head);
  }

  #sum(): number {
    let all = 0;
    for (const bytes of this.#bytes.values()) all += bytes;
    return all;
  }

  #refuse(of: ShareOf, share: string): void {
    this.#refused.set(of, (this.#refused.get(of) ?? 0) + 1);
    if (of !== 'origin') this.#tell(of, QUIET_MS, () => this.#o.report({ is: 'share-used-up', of, share }));
  }

  /** At most one line of a kind in `quietMs`: a flood must not fill the log too. */
  #tell(kind: string, quietMs: number, say: () => void): void {
    const now = this.#now();
    if (now - (this.#told.get(kind) ?? Number.NEGATIVE_INFINITY) < quietMs) return;
    this.#told.set(kind, now);
    say();
  }
}

/**
 * A packet of 64 KiB holds two thousand requests, and Node goes on making objects of them though the socket is destroyed
 * (a gigabyte for 200 packets, measured). 2 says that the rest is no HTTP. That a socket has its parser is no part of
 * Node's documented interface: where that changes, the test of floods fails.
 */
function stopParsing(socket: Socket & { parser?: { onIncoming?: () => number } | null }): void {
  if (socket.parser?.onIncoming !== undefined) socket.parser.onIncoming = () => 2;
}

/** One for a TCP connection and the TLS socket on it. */
const connectionOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

function refuseUpgrade(socket: Duplex, status: string, why: string): void {
  const head = `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${why.length + 1}`;
  socket.end(`${head}\r\n\r\n${why}\n`, () => socket.destroy());
}

/** A stranger's header for the log: an origin is ASCII without spaces. */
const printable = (origin: string): string =>
  URL.canParse(origin) ? new URL(origin).origin.slice(0, 100) : 'null';
