/** The own name in the swarm: said to whoever is there, and again for whoever comes later. A tab and a Node peer do it alike. */
import { seal } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import { type Clock, every } from '../protocol/timer.ts';
import type { Swarm } from '../swarm/types.ts';
import type { Inbox } from './inbox.ts';

const REPEAT_MS = 60_000;
/** By then a peer has found others to tell. */
const SETTLED_MS = 8000;

export interface OwnProfile {
  readonly name: string;
  readonly team: string;
  /** When it was set, epoch ms; 0 for never: then nothing is sent. */
  readonly time: number;
}

export interface ProfileTellerOptions {
  readonly clock: Clock;
  readonly identity: Identity;
  readonly runId: Uint8Array;
  readonly swarm: Pick<Swarm, 'publish'>;
  readonly inbox: Pick<Inbox, 'profiles'>;
  /** As it is at the time of telling. */
  readonly profile: () => OwnProfile;
}

export interface ProfileTeller {
  /** Says it now: it changed. */
  say(): void;
  stop(): void;
}

export function tellProfile(options: ProfileTellerOptions): ProfileTeller {
  const { clock, identity, runId: run, swarm, inbox } = options;
  const say = (): void => {
    const { name, team, time } = options.profile();
    if (time === 0) return;
    void seal(identity, { kind: 'profile', run, name, team, time })
      .then(async (bytes) => {
        await inbox.profiles.take(bytes);
        await swarm.publish(bytes);
      })
      .catch(() => {});
  };
  const stops = [clock.at(clock.now() + SETTLED_MS, say), every(clock, REPEAT_MS, say)];
  return {
    say,
    stop: () => {
      for (const stop of stops) stop();
    },
  };
}
