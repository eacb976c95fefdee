/**
 * Membership before memory, as a property: the shipped validator, participants and inboxes play the same rounds with strangers
 * that say everything at any time, and without. What honest peers publish, keep, pass on and certify is the same, byte for byte.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { testIdentity } from '../protocol/testing.ts';
import { randomSource } from '../sparseloco/testing.ts';
import { strangersBytes, UTTERANCES, type Utterance } from './strangers.ts';
import { createSimSwarm, type SimSwarm } from './swarm.ts';

/** Rounds that are played: one of joining, three of work. */
const ROUNDS = 4;
const STRANGERS = 3;

interface Act {
  readonly what: Utterance | 'replay';
  /** Of the strangers. */
  readonly who: number;
  /** Round in which it is said, and when in it, as a share. */
  readonly round: number;
  readonly share: number;
  /** Of the round that it names, from the present one. */
  readonly offset: number;
}

/** What honest peers came to. Everything in here must be the same whatever strangers do. */
interface Honest {
  /** Sealed bytes, author and time of everything that an honest peer published, certificates and opinions among it. */
  readonly published: readonly string[];
  /** What each honest peer thought of what an honest one published: what it passes on, and what not. */
  readonly verdicts: readonly string[];
  readonly chain: readonly string[];
  readonly ledger: string;
  readonly kept: readonly unknown[];
  readonly troubles: readonly unknown[];
  readonly reports: readonly unknown[];
  /** What anybody passed on of the strangers. */
  readonly forwarded: readonly string[];
}

const text = (value: unknown): string =>
  JSON.stringify(value ?? null, (_key, part: unknown) =>
    part instanceof Uint8Array ? toHex(part) : part instanceof Map ? [...part] : part,
  );

/** The first things that differ, cut to what can be read. */
function differences(one: Partial<Honest>, other: Partial<Honest>): string[] {
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])] as (keyof Honest)[];
  return keys.flatMap((key) => {
    const [a, b] = [one[key] ?? [], other[key] ?? []].map((part) =>
      typeof part === 'string' ? [part] : part,
    );
    const at = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i).find(
      (i) => text(a[i]) !== text(b[i]),
    );
    return at === undefined
      ? []
      : [`${key} ${at}: ${text(a[at]).slice(0, 400)} | ${text(b[at]).slice(0, 400)}`];
  });
}

const isStranger = (peer: string): boolean => peer.startsWith('stranger');

/** Where somebody stands whose tab hears gossip. */
function keptBy({ seat, peers }: SimSwarm): unknown[] {
  const { validator } = seat;
  const known = <T extends { readonly peer: string }>(list: readonly T[]): T[] =>
    list.filter(({ peer }) => !isStranger(peer));
  return [
    {
      presences: known(validator.presences()),
      profiles: validator.profiles.sealed(),
      entries: validator.entries(),
    },
    ...peers.map(({ stay, submitted, lost, root, activity }) => {
      if (stay === null) return { submitted, lost };
      const { rounds, commits, wanted, opinions, presences, profiles, foreign } = stay.inbox.sizes;
      return {
        head: stay.follower.head,
        ledger: stay.follower.ledger.accounts,
        presences: known(stay.inbox.presences()),
        profiles: stay.inbox.profiles.sealed(),
        sizes: { rounds, commits, wanted, opinions, known: [presences.known, profiles.known], foreign },
        submitted,
        lost,
        root,
        activity,
      };
    }),
  ];
}

/** Plays the rounds. Strangers are in the network in any case; they say what `acts` lists. */
async function play(acts: readonly Act[]): Promise<Honest> {
  const s = await createSimSwarm({ contributors: 3, network: { latencyMs: 25 } });
  const { rounds, manifest } = s.run;
  const strangers = await Promise.all(
    Array.from({ length: STRANGERS }, async (_, i) => ({
      swarm: s.network.join(`stranger ${i}`),
      identity: await testIdentity(`stranger ${i}`),
    })),
  );
  const honestBytes = () => s.network.published.filter(({ from }) => !isStranger(from));
  for (const [i, { what, who, round, share, offset }] of acts.entries()) {
    const random = randomSource(i + 1);
    const { swarm, identity } = strangers[who];
    const say = async (): Promise<void> => {
      const heard = honestBytes();
      if (what === 'replay') {
        if (heard.length > 0) await swarm.publish(heard[Math.floor(random() * heard.length)].bytes);
        return;
      }
      const { head, last } = s.host.follower;
      const victims = [manifest.validators[0].key, ...s.peers.map(({ identity: of }) => of.publicKey)];
      const bytes = await strangersBytes(what, {
        identity,
        peer: swarm.peerId,
        run: s.run,
        round: round + offset,
        head,
        victim: victims[Math.floor(random() * victims.length)],
        certificate: last?.sealed ?? null,
        random,
      });
      // The network lets nobody publish more than gossip carries; a stranger sends it past its own limits.
      await swarm.publish(bytes).catch(() => s.peers[0].stay?.inbox.receive(bytes, swarm.peerId));
    };
    s.clock.at(rounds.start(round) + share * manifest.schedule.roundMs, () => void say());
  }
  await s.untilRound(2);
  // Comes late, joins, and works from then on.
  await s.add({ name: 'late' });
  await s.untilRound(ROUNDS);
  await s.clock.run(s.clock.now() + 2000);
  const { follower } = s.host;
  const outcome: Honest = {
    published: honestBytes().map(({ from, at, bytes }) => `${at} ${from} ${toHex(bytes)}`),
    verdicts: s.network.verdicts
      .filter(({ from }) => !isStranger(from))
      .map(({ from, to, at, verdict, error }) => `${at} ${from} ${to} ${verdict} ${String(error)}`),
    chain: Array.from({ length: follower.head.height }, (_, i) => text(follower.at(i + 1))),
    ledger: text(follower.ledger),
    kept: keptBy(s).map(text),
    troubles: s.peers.map(({ troubles }) => troubles),
    reports: s.reports,
    forwarded: s.network.verdicts
      .filter(({ from, verdict }) => isStranger(from) && verdict === 'accept')
      .map(({ from, to }) => `${from} ${to}`),
  };
  const thrown = s.network.verdicts.filter(({ error }) => error !== undefined);
  await s.stop();
  expect(thrown).toEqual([]);
  return outcome;
}

const late = await testIdentity('late');
const quiet = await play([]);

test('rounds are played to certificates, and the late one works too', () => {
  expect(quiet.chain).toHaveLength(ROUNDS);
  expect(quiet.ledger).toContain(toHex(late.publicKey));
});

test('strangers say everything, of the last, the present and the next round, in every phase', async () => {
  // In training, commit, reveal and judging, and where they begin.
  const shares = [0.001, 0.6, 0.7, 0.76, 0.9];
  const acts = UTTERANCES.flatMap((what, i) =>
    Array.from({ length: ROUNDS }, (_, round) => round).flatMap((round) =>
      shares.flatMap((share, j) =>
        [-1, 0, 1].map((offset) => ({ what, who: (i + j) % STRANGERS, round, share, offset })),
      ),
    ),
  );
  expect(differences(await play(acts), quiet)).toEqual([]);
});

test('in any order, at any time, however many', async () => {
  const act = fc.record({
    what: fc.constantFrom(...UTTERANCES),
    who: fc.nat(STRANGERS - 1),
    round: fc.nat(ROUNDS - 1),
    share: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    offset: fc.integer({ min: -2, max: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 20, maxLength: 120 }), async (acts) => {
      expect(differences(await play(acts), quiet)).toEqual([]);
    }),
    { numRuns: 4, seed: 14, endOnFailure: true },
  );
});

test('sending honest messages again changes no outcome, and spreads each at most as often as its author does', async () => {
  const replay = fc.record({
    what: fc.constant('replay' as const),
    who: fc.nat(STRANGERS - 1),
    round: fc.nat(ROUNDS - 1),
    share: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    offset: fc.constant(0),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(replay, { minLength: 100, maxLength: 300 }), async (acts) => {
      const { published, chain, ledger, troubles, reports, forwarded } = await play(acts);
      const seen = { published, chain, ledger, troubles, reports };
      const same = {
        published: quiet.published,
        chain: quiet.chain,
        ledger: quiet.ledger,
        troubles: quiet.troubles,
        reports: quiet.reports,
      };
      expect(differences(seen, same)).toEqual([]);
      expect(forwarded.length).toBeLessThan(quiet.verdicts.length);
    }),
    { numRuns: 2, seed: 6, endOnFailure: true },
  );
});
