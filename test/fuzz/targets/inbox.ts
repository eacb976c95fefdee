/**
 * Everything that gossip can bring, to an inbox with some members, for rounds on end: strangers of fresh keys that say every
 * kind of message, members that say theirs, and bent bytes of both. Nothing may throw, nothing of a stranger may be passed
 * on, and what is held stays within its bounds.
 */
import { testChain } from '../../../src/chain/testing.ts';
import { Inbox } from '../../../src/peer/inbox.ts';
import { bytesEqual, toHex } from '../../../src/protocol/bytes.ts';
import { createIdentity } from '../../../src/protocol/identity.ts';
import { testHash, testIdentity } from '../../../src/protocol/testing.ts';
import { strangersBytes, UTTERANCES } from '../../../src/sim/strangers.ts';
import { randomSource } from '../../../src/sparseloco/testing.ts';
import { workloadOf } from '../../../src/work/workloads.ts';
import { bend, type FuzzReport, heapMb } from '../report.ts';

const MEMBERS = 20;
/** Messages in a second of the run's time: three neighbours at their limits. */
const A_SECOND = 300;
const MOST_GROWTH_MB = 32;
/** What one inbox may hold, whatever was said: three rounds of the members, one room of strangers each. */
const BOUNDS = {
  rounds: 3,
  commits: 3 * MEMBERS,
  wanted: 3 * 64,
  opinions: 5,
  presencesKnown: MEMBERS + 1,
  presencesStrange: 256,
  profilesKnown: MEMBERS + 1,
  profilesStrange: 256,
  repeats: A_SECOND,
  foreign: 3,
};

export async function fuzz(runs: number, seed: number): Promise<FuzzReport> {
  const random = randomSource(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const members = await Promise.all(Array.from({ length: MEMBERS }, (_, i) => testIdentity(`member ${i}`)));
  const { run } = await testChain(members[0], { rounds: 1 });
  const seat = await testIdentity('validator');
  const known = new Set([...members, seat].map(({ publicKey }) => toHex(publicKey)));
  let now = run.rounds.start(1);
  let announced = 0;
  const inbox = new Inbox({
    run,
    clock: { now: () => now, at: () => () => {} },
    workload: workloadOf(run),
    chain: {
      head: {
        hash: testHash('head'),
        joinBases: [{ certificate: testHash('head'), bits: 60, joined: 0 }],
      },
      offer: async () => 'bad',
    },
    blobs: { announce: () => announced++, prune: () => {} },
    ownKey: null,
    admits: (key) => known.has(toHex(key)) && !bytesEqual(key, seat.publicKey),
    knows: (key) => known.has(toHex(key)),
  });
  const counts = { accept: 0, ignore: 0, unwanted: 0, reject: 0 };
  const most = Object.fromEntries(Object.keys(BOUNDS).map((name) => [name, 0])) as Record<
    keyof typeof BOUNDS,
    number
  >;
  const findings: string[] = [];
  let slowestMs = 0;
  let last: Uint8Array = new Uint8Array(1);

  /** One message, and whether anybody may pass it on. */
  const next = async (i: number): Promise<{ bytes: Uint8Array; from: string; stranger: boolean }> => {
    const round = run.rounds.round(now) + below(5) - 2;
    if (random() < 0.5) {
      const bytes = bend(last, last, random);
      return { bytes, from: 'anybody', stranger: false };
    }
    const context = {
      run,
      round,
      head: { hash: testHash('head'), height: 1 },
      certificate: null,
      random,
    };
    if (random() < 0.3) {
      const identity = random() < 0.1 ? seat : members[below(MEMBERS)];
      const own = { ...context, identity, peer: 'member', victim: identity.publicKey };
      const bytes = await strangersBytes(UTTERANCES[below(UTTERANCES.length)], own);
      return { bytes, from: 'member', stranger: false };
    }
    const identity = await createIdentity(testHash(`stranger ${seed} ${i}`));
    const victim = random() < 0.5 ? seat.publicKey : members[below(MEMBERS)].publicKey;
    const bytes = await strangersBytes(UTTERANCES[below(UTTERANCES.length)], {
      ...context,
      identity,
      peer: 'stranger',
      victim,
    });
    return { bytes, from: 'stranger', stranger: true };
  };

  const settle = Math.min(runs, 20_000);
  let heapBefore = heapMb();
  for (let i = 0; i < runs; i++) {
    if (i === settle) heapBefore = heapMb();
    now += 1000 / A_SECOND;
    const { bytes, from, stranger } = await next(i);
    const begin = performance.now();
    try {
      const verdict = await inbox.receive(bytes, from);
      counts[verdict]++;
      if (stranger && verdict === 'accept') findings.push(`run ${i}: a stranger is passed on`);
    } catch (error) {
      findings.push(`run ${i}: ${String(error)}`);
    }
    slowestMs = Math.max(slowestMs, performance.now() - begin);
    if (bytes.byteLength > 0 && bytes.byteLength < 2000) last = bytes;
    const { presences, profiles, ...rest } = inbox.sizes;
    const held = {
      ...rest,
      presencesKnown: presences.known,
      presencesStrange: presences.strangers,
      profilesKnown: profiles.known,
      profilesStrange: profiles.strangers,
    };
    for (const name of Object.keys(BOUNDS) as (keyof typeof BOUNDS)[]) {
      if (held[name] > BOUNDS[name] && most[name] <= BOUNDS[name])
        findings.push(`run ${i}: ${name} holds ${held[name]}, bound ${BOUNDS[name]}`);
      most[name] = Math.max(most[name], held[name]);
    }
  }
  const growth = heapMb() - heapBefore;
  if (growth > MOST_GROWTH_MB) findings.push(`the heap grew by ${growth.toFixed(1)} MB`);
  return {
    figures: [
      ...Object.entries(counts).map(([name, value]) => ({ name, value, unit: 'inputs' })),
      ...Object.entries(most).map(([name, value]) => ({ name: `most.${name}`, value, unit: 'entries' })),
      { name: 'announced', value: announced, unit: 'blobs' },
      { name: 'slowest', value: slowestMs, unit: 'ms' },
      { name: 'heap_growth', value: growth, unit: 'MB' },
    ],
    findings,
  };
}
