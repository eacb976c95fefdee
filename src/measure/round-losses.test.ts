/** How much is measured in the time there is, on which text, and what becomes of failures. */
import { beforeAll, describe, expect, test } from 'vitest';
import { genesisHead } from '../chain/certificate.ts';
import type { Run } from '../chain/run.ts';
import { testRun } from '../chain/testing.ts';
import { LossError } from '../gauntlet/loss-meter.ts';
import { encodeShard } from '../model/shards.ts';
import { bytesEqual, sha256Sync } from '../protocol/bytes.ts';
import { testHash, testManifest } from '../protocol/testing.ts';
import { PretendedLosses } from '../sim/pretended.ts';
import type { Batch } from '../training/types.ts';
import { RoundLosses, type RoundLossesOptions } from './round-losses.ts';

const shard = encodeShard(Uint16Array.from({ length: 3000 }, (_, i) => (i * i) % 190));
const ref = { hash: sha256Sync(shard), size: shard.byteLength, tokens: 3000 };
const theta = new Int32Array(4);
let run: Run;

beforeAll(() => {
  const base = testManifest(testHash('organizer'), []);
  run = testRun({ ...base, task: { ...base.task, data: { ...base.task.data, train: [ref], heldOut: ref } } });
});

/** Meters that take `ms` for a sequence by a clock that only they move. */
function losses({ change, ms = 0 }: { change?: Partial<RoundLossesOptions>; ms?: number } = {}) {
  const meter = new PretendedLosses(64);
  let now = 0;
  const seen: { batch: Batch; step: boolean }[] = [];
  const measure = meter.losses.bind(meter);
  meter.losses = async (batch, step) => {
    const measured = await measure(batch, step);
    seen.push({ batch, step: step !== undefined });
    now += ms * measured.length;
    return measured;
  };
  const made = new RoundLosses({
    run,
    meter,
    elapsed: () => now,
    readBlob: async ({ hash }) => (bytesEqual(hash, ref.hash) ? shard : null),
    secret: testHash('secret'),
    ...change,
  });
  return { made, meter, seen };
}

const candidate = (name = 'ana') => ({ contributor: testHash(name), bytes: testHash(`work of ${name}`) });
const head = () => genesisHead(run);

test('a slow machine measures fewer sequences of each candidate rather than none', async () => {
  const { made } = losses({ ms: 100 });
  // Before it has measured its own speed it plans for everything.
  expect(made.affordable(1, 100)).toBe(8);
  await made.load(0, theta);
  expect(await made.heldOut()).toBe(6);
  expect(made.affordable(0, 3)).toBe(4);
  expect(made.affordable(3_600_000, 1)).toBe(8);
  // Two passes over two texts a candidate.
  expect(made.affordable(6 * 2 * 100 * 3, 3)).toBe(6);
  const measured = await made.measure(candidate(), 1, head(), 4);
  for (const text of [measured.assigned, measured.unassigned]) {
    expect(text.before).toEqual([6, 6, 6, 6]);
    expect(text.after).toHaveLength(4);
    expect(text.after[0]).toBeLessThan(6);
  }
});

test('losses before any step are measured once, and more of them when more are asked for', async () => {
  const { made, seen } = losses();
  await made.load(0, theta);
  await made.measure(candidate(), 1, head(), 4);
  const before = () => seen.filter(({ step }) => !step).map(({ batch }) => batch.tokens.length / 64);
  expect(before()).toEqual([4, 4]);
  await made.measure(candidate('ben'), 1, head(), 6);
  // The text that nobody was assigned is the same for both: two sequences more.
  expect(before()).toEqual([4, 4, 2, 6]);
});

test('everybody is measured on own text and on the same other text, which depends on the secret', async () => {
  const texts = async (name: string, secret = testHash('secret'), round = 1) => {
    const { made, seen } = losses({ change: { secret } });
    await made.load(0, theta);
    await made.measure(candidate(name), round, head(), 4);
    const [unassigned, assigned] = seen.filter(({ step }) => step).map(({ batch }) => batch.tokens);
    return { unassigned, assigned };
  };
  const [ana, ben] = [await texts('ana'), await texts('ben')];
  expect(ana.unassigned).toEqual(ben.unassigned);
  expect(ana.assigned).not.toEqual(ben.assigned);
  expect(ana.assigned).not.toEqual(ana.unassigned);
  expect((await texts('ana', testHash('other'))).unassigned).not.toEqual(ana.unassigned);
  expect((await texts('ana', testHash('other'))).assigned).toEqual(ana.assigned);
  expect((await texts('ana', testHash('secret'), 2)).unassigned).not.toEqual(ana.unassigned);
});

test('what can be known before the work is there is measured ahead, for no more than a round can have', async () => {
  const { made, seen } = losses();
  await made.load(0, theta);
  made.anticipate(1, { ...head(), height: 7 });
  for (let i = 0; i < 100; i++) made.anticipate(1, head(), testHash(`committer ${i}`));
  await made.measure(candidate('committer 3'), 1, head(), 4);
  expect(seen.filter(({ step }) => step)).toHaveLength(2);
  // 2 x 16 contributors and the text of nobody.
  expect(seen.filter(({ step }) => !step).length).toBeLessThanOrEqual(33);
});

describe('failures', () => {
  test('another state than the loaded one, and data that is not there', async () => {
    const { made } = losses();
    await expect(made.measure(candidate(), 1, head())).rejects.toThrow(LossError);
    await made.load(0, theta);
    await expect(made.measure(candidate(), 1, { ...head(), height: 1 })).rejects.toThrow('another state');
    const missing = losses({ change: { readBlob: async () => null } }).made;
    await missing.load(0, theta);
    await expect(missing.heldOut()).rejects.toThrow(LossError);
    await expect(missing.shard(0)).rejects.toThrow('missing');
    await expect(missing.shard(5)).rejects.toThrow('no shard 5');
  });

  test('are tried again', async () => {
    let broken = true;
    const readBlob = async () => (broken ? null : shard);
    const { made } = losses({ change: { readBlob } });
    await made.load(0, theta);
    await expect(made.heldOut()).rejects.toThrow(LossError);
    await expect(made.shard(0)).rejects.toThrow(LossError);
    broken = false;
    expect(await made.heldOut()).toBe(6);
    expect(await made.shard(0)).toHaveLength(3000);
  });

  test('of one text before its step is not the next candidate’s', async () => {
    const { made, meter } = losses();
    await made.load(0, theta);
    const measure = meter.losses.bind(meter);
    meter.losses = () => Promise.reject(new Error('once'));
    await expect(made.measure(candidate(), 1, head(), 4)).rejects.toThrow('once');
    meter.losses = measure;
    expect((await made.measure(candidate('ben'), 1, head(), 4)).unassigned.before).toHaveLength(4);
  });
});

test('a measurement that nobody waits for any more asks the meter for nothing', async () => {
  const { made, meter } = losses();
  await made.load(0, theta);
  const late = new AbortController();
  const measure = meter.losses.bind(meter);
  meter.losses = (batch, step) => {
    late.abort(new Error('too late')); // while the first text is measured as it is, before the step
    return measure(batch, step);
  };
  await expect(made.measure(candidate(), 1, head(), 2, late.signal)).rejects.toThrow('too late');
  expect(meter.trials).toBe(0);
});
