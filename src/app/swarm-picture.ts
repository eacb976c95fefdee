/**
 * Who is in the swarm and what they call themselves, for the page: reads presences and profiles, sends the own ones,
 * and measures what flows over the own links.
 */
import { messageOf } from '../protocol/errors.ts';
import type { Identity } from '../protocol/identity.ts';
import { LINK_TAIL } from '../protocol/messages.ts';
import { cleanName } from '../protocol/profile.ts';
import { every } from '../protocol/timer.ts';
import type { Swarm } from '../swarm/types.ts';
import type { Host } from '../peer/host.ts';
import type { Inbox } from '../peer/inbox.ts';
import { type ProfileTeller, tellProfile } from '../peer/own-profile.ts';
import type { RunClock } from '../peer/run-clock.ts';
import type { Presence } from '../swarm/presences.ts';
import { LinkRates } from './link-rates.ts';
import type { MemberView } from './picture-state.ts';
import { loadProfile, saveProfile } from './profile.ts';
import type { AppStore } from './store.ts';

const TICK_MS = 1000;
/** The host's list of names is read for whoever left. */
const ASK_HOST_MS = 300_000;
const MAX_MEMBERS = 200;

export interface PictureOptions {
  readonly store: AppStore;
  readonly clock: RunClock;
  readonly host: Host;
}

interface Live {
  readonly swarm: Swarm;
  readonly identity: Identity;
  readonly runId: Uint8Array;
  readonly inbox: Inbox;
}

export class SwarmPicture {
  readonly #o: PictureOptions;
  #profile = loadProfile();
  #teller: ProfileTeller | null = null;

  constructor(options: PictureOptions) {
    this.#o = options;
    const { name, team } = this.#profile;
    options.store.setState({ profile: { name, team } });
  }

  /** What is typed becomes a name that may travel, and everybody hears of it. */
  setProfile(name: string, team: string): void {
    const profile = { name: cleanName(name), team: cleanName(team) };
    this.#profile = { ...profile, time: Math.max(1, Math.floor(this.#o.clock.now())) };
    saveProfile(this.#profile);
    this.#o.store.setState({ profile });
    this.#teller?.say();
  }

  /** Keeps members, links and names up to date until the returned function is called. */
  follow(live: Live): () => void {
    const { clock } = this.#o;
    const teller = tellProfile({ ...live, clock, profile: () => this.#profile });
    this.#teller = teller;
    const rates = new LinkRates();
    const abort = new AbortController();
    const tick = () => {
      const links = rates.update(live.swarm.links(), clock.now());
      const members = membersOf(live.inbox.presences(), live.swarm.peerId, live.inbox.profiles);
      this.#o.store.setState({ links, members });
    };
    const ask = () => void this.#askHost(live, abort.signal);
    tick();
    ask();
    const stops = [every(clock, TICK_MS, tick), every(clock, ASK_HOST_MS, ask), () => teller.stop()];
    return () => {
      abort.abort();
      for (const stop of stops) stop();
      this.#teller = null;
      this.#o.store.setState({ links: [], members: [] });
    };
  }

  async #askHost({ inbox }: Live, signal: AbortSignal): Promise<void> {
    try {
      for (const sealed of await this.#o.host.profiles(signal)) await inbox.profiles.take(sealed);
    } catch (error) {
      // Names are an ornament: a host that cannot be asked for them is no problem to show.
      if (!signal.aborted) console.debug(`no names from the host: ${messageOf(error)}`);
    }
  }
}

/** Everybody but `own`, with the links between those known here. */
export function membersOf(
  presences: readonly Presence[],
  own: string,
  profiles: { get(contributor: string): { readonly name: string } | null },
): MemberView[] {
  const others = presences.filter(({ peer }) => peer !== own).slice(0, MAX_MEMBERS);
  const byTail = new Map(
    [own, ...others.map(({ peer }) => peer)].map((peer) => [peer.slice(-LINK_TAIL), peer]),
  );
  return others
    .map(({ peer, contributor, role, tokensPerSecond, links = [] }) => ({
      peer,
      contributor,
      name: profiles.get(contributor)?.name ?? '',
      role,
      tokensPerSecond,
      links: links.flatMap(([tail, path, rate]) => {
        const to = byTail.get(tail);
        return to === undefined || to === peer ? [] : [{ to, path, rate }];
      }),
    }))
    .sort((a, b) => (a.peer < b.peer ? -1 : 1));
}
