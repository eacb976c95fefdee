/** A run from its signed manifest. */
import { expect, test } from 'vitest';
import { parameterLayout } from '../model/layout.ts';
import { sha256Sync, toHex } from '../protocol/bytes.ts';
import { deadlines, phaseAt } from '../protocol/clock.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import { signManifest } from '../protocol/envelope.ts';
import { testIdentity, testManifest } from '../protocol/testing.ts';
import { rulesOf } from './rules.ts';
import { openRun } from './run.ts';

test('an opened run has all that follows from its manifest', async () => {
  const organizer = await testIdentity('organizer');
  const manifest = testManifest(organizer.publicKey, [{ key: organizer.publicKey, weight: 1 }]);
  const manifestBytes = await signManifest(organizer, manifest);
  const opened = await openRun(manifestBytes);
  if (!opened.ok) throw new Error(opened.detail);
  const { run } = opened;
  expect(run.manifest).toEqual(manifest);
  expect(run.manifestBytes).toBe(manifestBytes);
  expect(run.id).toEqual(sha256Sync(encodeCanonical(manifest)));
  expect(run.name).toBe(toHex(run.id));
  expect(run.rules).toEqual(rulesOf(manifest.gauntlet));
  expect(run.layout).toEqual(parameterLayout(manifest.model));
  const { startMs, roundMs } = manifest.schedule;
  const third = startMs + 2 * roundMs;
  expect(run.rounds.start(2)).toBe(third);
  expect([third - 1, third, startMs - 1].map((now) => run.rounds.round(now))).toEqual([1, 2, 0]);
  expect(run.rounds.phase(third)).toEqual(phaseAt(manifest.schedule, third));
  expect(run.rounds.deadlines(2)).toEqual(deadlines(manifest.schedule, 2));
});

test('what is no signed manifest is no run, and nothing is thrown', async () => {
  const organizer = await testIdentity('organizer');
  const manifest = testManifest(organizer.publicKey, [{ key: organizer.publicKey, weight: 1 }]);
  const bytes = await signManifest(organizer, manifest);
  for (const bad of [new Uint8Array(0), bytes.subarray(1), bytes.map((b, i) => (i === 80 ? b ^ 1 : b))])
    expect(await openRun(bad)).toMatchObject({ ok: false });
});
