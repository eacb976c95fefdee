/** Bytes a second of each link, over the last few seconds, from counters that only grow while a link lives. */
import type { PeerLink } from '../swarm/types.ts';
import type { SwarmLink } from './picture-state.ts';

/** Long enough that one blob does not look like a broadband line, short enough to be seen. */
const WINDOW_MS = 5000;

export class LinkRates {
  readonly #seen = new Map<string, { at: number; bytes: number }[]>();

  /** The links with their rates at `now` (ms, any clock that does not jump). Call it about once a second. */
  update(links: readonly PeerLink[], now: number): SwarmLink[] {
    const alive = new Set(links.map(({ peer }) => peer));
    for (const peer of this.#seen.keys()) if (!alive.has(peer)) this.#seen.delete(peer);
    return links.map(({ peer, path, bytesIn, bytesOut }) => {
      const bytes = bytesIn + bytesOut;
      let history = this.#seen.get(peer) ?? [];
      // Fewer bytes than before: the link is new under an old name.
      if ((history.at(-1)?.bytes ?? 0) > bytes) history = [];
      history = [...history.filter(({ at }) => now - at <= WINDOW_MS), { at: now, bytes }];
      this.#seen.set(peer, history);
      const [first] = history;
      const seconds = (now - first.at) / 1000;
      return { to: peer, path, rate: seconds > 0 ? (bytes - first.bytes) / seconds : 0 };
    });
  }
}
