/**
 * Looks after a participant's tie to its host during a stay. A tab whose WebSocket is gone cannot tell alone whether the host is
 * away, something between refuses the WebSocket, or the address serves something else by now; so the host is asked over HTTP, while
 * the tie is lost and once it is back.
 *
 * What ends a stay is thrown by it: {@link OtherRunError} for good, {@link HostChangedError} so that the stay begins anew.
 */
import { bodyHash } from '../chain/certificate.ts';
import type { ChainFollower } from '../chain/follower.ts';
import { bytesEqual } from '../protocol/bytes.ts';
import { open } from '../protocol/envelope.ts';
import { type Clock, every } from '../protocol/timer.ts';
import type { Swarm } from '../swarm/types.ts';
import { fetchRun, HostChangedError, OtherRunError, type ServedRun } from './fetch-run.ts';
import { type Host, HostError } from './host.ts';
import type { Trouble } from './reasons.ts';
import { toTrouble } from './trouble.ts';

const LOOK_MS = 1000;
/** A WebSocket that is being dialled this long counts as lost. */
const DIALLING_MS = 8000;
/** Pauses between two questions while the tie is lost. */
const ASK_MIN_MS = 2000;
const ASK_MAX_MS = 30_000;
const ASK_GROWTH = 1.7;
/** Dials that fail after an answer over HTTP: one may have been under way before it. */
const REFUSED_DIALS = 2;

export interface HostWatchOptions {
  readonly served: ServedRun;
  readonly host: Host;
  readonly swarm: Pick<Swarm, 'hostState' | 'failedDials' | 'on'>;
  readonly clock: Clock;
  /** Whose chain is compared with the host's; null: nobody's, as in a validator's seat, which compares by itself. */
  readonly follower: Pick<ChainFollower, 'tip'> | null;
  /** Told when the trouble with the tie changes; null: it holds. */
  readonly tell: (trouble: Trouble | null) => void;
  readonly end: (reason: unknown) => void;
}

/** Watches until the returned function is called. */
export function watchHost(options: HostWatchOptions): () => void {
  const watch = new HostWatch(options);
  const stops = [
    every(options.clock, LOOK_MS, () => watch.look()),
    options.swarm.on('change', () => watch.look()),
  ];
  return () => {
    for (const stop of stops) stop();
    watch.stop();
  };
}

class HostWatch {
  readonly #o: HostWatchOptions;
  readonly #abort = new AbortController();
  readonly #relays: string;
  #told: Trouble | null = null;
  /** Whether the tie was lost and what answers since was not compared yet. */
  #lost = false;
  /** Since when the WebSocket is away; null: it is there. */
  #awaySince: number | null;
  #asking = false;
  #askAt = 0;
  #wait = ASK_MIN_MS;
  /** Failed dials at the first answer over HTTP since the tie was lost; null: none yet. */
  #failedThen: number | null = null;

  constructor(options: HostWatchOptions) {
    this.#o = options;
    this.#relays = peersOf(options.served);
    this.#awaySince = options.clock.now();
  }

  stop(): void {
    this.#abort.abort();
    this.#tell(null);
  }

  look(): void {
    if (this.#abort.signal.aborted) return;
    const { swarm, clock } = this.#o;
    const now = clock.now();
    if (swarm.hostState === 'connected') {
      if (this.#awaySince !== null) this.#startAsking(now);
      this.#awaySince = null;
      this.#failedThen = null;
      this.#tell(null);
      if (this.#lost) void this.#ask();
      return;
    }
    if (this.#awaySince === null) {
      this.#awaySince = now;
      this.#startAsking(now);
    }
    if (swarm.hostState !== 'unreachable' && now < this.#awaySince + DIALLING_MS) return;
    this.#lost = true;
    void this.#ask();
  }

  #startAsking(now: number): void {
    this.#askAt = now;
    this.#wait = ASK_MIN_MS;
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    const { clock, end } = this.#o;
    const { signal } = this.#abort;
    if (this.#asking || clock.now() < this.#askAt) return;
    this.#asking = true;
    try {
      await this.#compare(signal);
      this.#answered();
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof HostError) this.#silent(error);
      else end(error);
    } finally {
      this.#asking = false;
      this.#askAt = clock.now() + this.#wait;
      this.#wait = Math.min(ASK_MAX_MS, this.#wait * ASK_GROWTH);
    }
  }

  /** Rejects with what is not the same any more, or as the host does. */
  async #compare(signal: AbortSignal): Promise<void> {
    const { served, host, follower } = this.#o;
    const now = await fetchRun(host, signal);
    if (now.run.name !== served.run.name) throw new OtherRunError(served.run.name, now.run.name);
    if (peersOf(now) !== this.#relays) throw new HostChangedError('address');
    if (follower !== null && !(await isOnChain(host, follower.tip, signal)))
      throw new HostChangedError('chain');
  }

  #answered(): void {
    const { swarm, served } = this.#o;
    if (swarm.hostState === 'connected') {
      this.#lost = false;
      return;
    }
    this.#failedThen ??= swarm.failedDials;
    if (swarm.failedDials < this.#failedThen + REFUSED_DIALS) return;
    const addresses = served.answer.relays.map(addressOf).join(', ');
    this.#tell({ code: 'socket-refused', recovering: true, addresses });
  }

  #silent(error: HostError): void {
    if (this.#o.swarm.hostState === 'connected') return;
    this.#failedThen = null;
    // Whatever it answered: it is asked again, and dialled again.
    this.#tell({ ...toTrouble(error), recovering: true });
  }

  #tell(trouble: Trouble | null): void {
    if (JSON.stringify(trouble) === JSON.stringify(this.#told)) return;
    this.#told = trouble;
    this.#o.tell(trouble);
  }
}

/** Who its nodes are; the way to them may change without being another host. */
const peersOf = ({ answer }: ServedRun): string =>
  [...new Set(answer.relays.map((relay) => relay.split('/p2p/').at(-1) ?? relay))]
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join();

/** A multiaddr as a person knows addresses: `/dns/example.org/tcp/443/tls/ws/p2p/ID` is `wss://example.org:443`. */
export function addressOf(relay: string): string {
  const [, name, , port] = /^\/(?:dns[46]?|ip[46])\/([^/]+)(\/tcp\/(\d+))/.exec(relay) ?? [];
  if (name === undefined || port === undefined) return relay;
  const host = name.includes(':') ? `[${name}]` : name;
  return `${/\/(?:tls|wss)(?:\/|$)/.test(relay) ? 'wss' : 'ws'}://${host}:${port}`;
}

/** Whether the host's chain goes through `tip`. A host stores a certificate before it says anything of it. */
async function isOnChain(host: Host, tip: ChainFollower['tip'], signal: AbortSignal): Promise<boolean> {
  if (tip.height === 0) return true;
  const [link] = await host.links(tip.height, signal);
  if (link === undefined) return false;
  const opened = await open(link.certificate);
  return (
    opened.ok && opened.message.kind === 'certificate' && bytesEqual(bodyHash(opened.message.body), tip.hash)
  );
}
