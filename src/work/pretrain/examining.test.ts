/** What an audit compares before and after it replays: each step by which a lie fails, and none by which honesty does. */
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { genesisHead } from '../../chain/certificate.ts';
import type { Run } from '../../chain/run.ts';
import { testRun } from '../../chain/testing.ts';
import { sha256Sync, toHex } from '../../protocol/bytes.ts';
import { testHash, testManifest } from '../../protocol/testing.ts';
import { PretendedContributor } from '../../sim/pretended.ts';
import { PretendedReplays } from '../../sim/seat-world.ts';
import { assignedShards, assignmentSeed } from '../../training/assignment.ts';
import { carryDigests, type CarryDigests, partBytes } from '../../training/carry.ts';
import type { AuditCase, FetchPart } from '../workload.ts';
import { type CarryAnswer, decodeClaim, encodeAnswer, encodeClaim, type PretrainClaim } from './claim.ts';
import { PretrainExamining } from './examining.ts';

let run: Run;
let contributor: PretendedContributor;
/** Its first two rounds. */
const cases: AuditCase[] = [];
const shown: CarryAnswer[] = [];
const parts = new Map<string, Uint8Array>();

beforeAll(async () => {
  const base = testManifest(testHash('organizer'), []);
  run = testRun({ ...base, gauntlet: { ...base.gauntlet, auditsPerRound: 1 } });
  const theta = new Int32Array(run.layout.elements);
  contributor = await PretendedContributor.create(1, run, theta);
  for (const round of [1, 2]) {
    const { claim, bytes } = await contributor.work(round);
    const key = contributor.identity.publicKey;
    cases.push({ contributor: key, round, head: genesisHead(run), theta, claim, bytes });
    const snapshot = contributor.keeper.snapshot(round);
    if (snapshot === null) throw new Error('nothing to show');
    shown.push({ before: snapshot.before?.digests ?? null, after: snapshot.after.digests });
    for (const [hash, part] of (await contributor.show(round)).parts) parts.set(hash, part);
  }
});

const fetchPart: FetchPart = async (hash, size) => {
  const part = parts.get(toHex(hash));
  if (part === undefined || part.byteLength !== size) throw new Error('nobody has it');
  return part;
};

function examiner(slack?: number) {
  const replays = new PretendedReplays();
  const shards: number[] = [];
  const shard = async (index: number) => {
    shards.push(index);
    return new Uint16Array(500);
  };
  const made = new PretrainExamining({ run, replays, shard, ...(slack === undefined ? {} : { slack }) });
  return { made, replays, shards };
}

const claimOf = (at: number): PretrainClaim => {
  const claim = decodeClaim(cases[at].claim);
  if (claim === null) throw new Error('no claim');
  return claim;
};

test('an honest answer is replayed from the state and the text of its round', async () => {
  const { made, replays, shards } = examiner();
  const examined = await made.examine(cases[0], encodeAnswer(shown[0]), fetchPart);
  expect(examined).toMatchObject({ outcome: 'passed', note: { code: 'replayed', figures: { work: 0.001 } } });
  const [{ job, claim, submission }] = replays.asked;
  const seed = assignmentSeed(run.id, 1, genesisHead(run).hash, contributor.identity.publicKey);
  expect(job).toMatchObject({ before: null, seed, height: 0, innerSteps: 4 });
  expect(job.theta).toBe(cases[0].theta);
  expect([...job.shards.keys()]).toEqual(assignedShards(seed, 1));
  expect(shards).toEqual([0]);
  expect(submission).toBe(cases[0].bytes);
  expect(await carryDigests(claim.after)).toEqual(shown[0].after);
});

test('the next round’s starts from what this one left', async () => {
  const { made, replays } = examiner();
  expect(await made.examine(cases[1], encodeAnswer(shown[1]), fetchPart)).toMatchObject({
    outcome: 'passed',
  });
  const { before } = replays.asked[0].job;
  expect(before?.step).toBe(4);
  expect(replays.asked[0].claim.before).toBe(before);
});

test.each([
  ['work', { work: 0.5 }],
  ['moments', { moment1: 0.01 }],
  ['moments squared', { moment2: 0.01 }],
  ['what was sent', { sent: 0.5 }],
  ['steps', { steps: 1 }],
  ['a figure that is no number', { work: Number.NaN }],
] as const)('a replay that tells otherwise fails it: %s', async (_, figures) => {
  const { made, replays } = examiner();
  replays.figures = { ...replays.figures, ...figures };
  expect(await made.examine(cases[0], encodeAnswer(shown[0]), fetchPart)).toMatchObject({
    outcome: 'failed',
    note: { code: 'replayed' },
  });
});

test('with other bounds the same figures may pass', async () => {
  const { made, replays } = examiner(1000);
  replays.figures = { ...replays.figures, work: 0.5 };
  expect(await made.examine(cases[0], encodeAnswer(shown[0]), fetchPart)).toMatchObject({
    outcome: 'passed',
  });
});

describe('fails without a replay', () => {
  const failing = async (audit: AuditCase, answer: Uint8Array, fetch = fetchPart) => {
    const { made, replays } = examiner();
    const examined = await made.examine(audit, answer, fetch);
    expect(replays.asked).toEqual([]);
    return examined;
  };
  const failed = (code: string) => ({ outcome: 'failed', note: { code, figures: {} } });

  test('what cannot be read', async () => {
    const noise = fc.uint8Array({ maxLength: 700 });
    await fc.assert(
      fc.asyncProperty(noise, async (bytes) => {
        expect(await failing(cases[0], bytes)).toEqual(failed('unreadable-answer'));
      }),
      { numRuns: 50 },
    );
  });

  test('another carry than was committed to, before or after the round', async () => {
    const other: CarryDigests = { ...shown[0].after, step: 5 };
    const nobody: FetchPart = () => Promise.reject(new Error('was asked for bytes'));
    const before = encodeAnswer({ ...shown[0], before: other });
    expect(await failing(cases[0], before, nobody)).toEqual(failed('other-carry-before'));
    const after = encodeAnswer({ ...shown[0], after: other });
    expect(await failing(cases[0], after, nobody)).toEqual(failed('other-carry-after'));
    // Zeros instead of what was carried.
    expect(await failing(cases[1], encodeAnswer({ ...shown[1], before: null }))).toEqual(
      failed('other-carry-before'),
    );
  });

  test('a root for a refused round that is not what was sent put back', async () => {
    const claim = claimOf(0);
    const carry = claim.carry === null ? null : { ...claim.carry, refused: claim.carry.accepted };
    const audit = { ...cases[0], claim: encodeClaim({ ...claim, carry }) };
    expect(await failing(audit, encodeAnswer(shown[0]))).toEqual(failed('other-carry-refused'));
  });
});

test('parts that cannot be had are withheld, whichever is missing', async () => {
  for (const missing of ['error', 'moment1', 'moment2'] as const) {
    const { made, replays } = examiner();
    const hole = toHex(shown[0].after[missing]);
    const fetch: FetchPart = (hash, size) =>
      toHex(hash) === hole ? Promise.reject(new Error('nobody has it')) : fetchPart(hash, size);
    expect(await made.examine(cases[0], encodeAnswer(shown[0]), fetch)).toEqual({ outcome: 'withheld' });
    expect(replays.asked).toEqual([]);
  }
});

test('parts are asked for by hash, with the size that the model gives them', async () => {
  const { made } = examiner();
  const asked: [string, number][] = [];
  await made.examine(cases[0], encodeAnswer(shown[0]), (hash, size) => {
    asked.push([toHex(hash), size]);
    return fetchPart(hash, size);
  });
  expect(new Set(asked.map(([, size]) => size))).toEqual(new Set([4 * run.layout.elements]));
  const snapshot = contributor.keeper.snapshot(2);
  expect(asked).toHaveLength(3);
  expect(toHex(sha256Sync(partBytes(snapshot?.after.moment1 ?? new Float32Array())))).not.toBe(asked[1][0]);
});

test('a failure of this machine is nobody’s outcome', async () => {
  const { made, replays } = examiner();
  replays.failure = new Error('the GPU is gone');
  await expect(made.examine(cases[0], encodeAnswer(shown[0]), fetchPart)).rejects.toThrow('the GPU is gone');
  const missing = new PretrainExamining({
    run,
    replays: new PretendedReplays(),
    shard: () => Promise.reject(new Error('no such shard here')),
  });
  await expect(missing.examine(cases[0], encodeAnswer(shown[0]), fetchPart)).rejects.toThrow('no such shard');
  const unaudited = { ...cases[0], claim: encodeClaim({ ...claimOf(0), carry: null }) };
  await expect(made.examine(unaudited, encodeAnswer(shown[0]), fetchPart)).rejects.toThrow('without roots');
});
