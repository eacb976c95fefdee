/** The replay process on a real (software) device: opens, compares, ends when it is told to. */
import { afterAll, expect, test } from 'vitest';
import type { Replays } from '../gauntlet/replays.ts';
import { IDLE_FIGURES, makeIdleReplay } from '../gauntlet/testing-replay.ts';
import { openReplays } from './replays.ts';

const { manifest, request } = await makeIdleReplay();
let replays: Replays | null = null;
afterAll(() => replays?.close());

/** A busy machine compiles the engine's kernels for its CPU driver for a minute. */
const PATIENCE_MS = 240_000;

test('replays in a process of its own: nothing done is not what training does', {
  timeout: PATIENCE_MS,
}, async () => {
  const opened = await openReplays(manifest, true, new AbortController().signal);
  if ('why' in opened) throw new Error(opened.why);
  console.log(`adapter: ${opened.adapter}`);
  replays = opened.replays;
  expect(await replays.replay(request)).toMatchObject(IDLE_FIGURES);
  await expect(replays.replay({ ...request, submission: new Uint8Array(9) })).rejects.toThrow();
});

test('called off while it opens, it says so and leaves nothing behind', async () => {
  const leaving = new AbortController();
  const opening = openReplays(manifest, true, leaving.signal);
  leaving.abort();
  expect(await opening).toMatchObject({ why: expect.stringContaining('stopping') });
});
