/** The replay process on a real (software) device: opens, compares, ends when it is told to. */
import { afterAll, expect, test } from 'vitest';
import type { Replays } from '../measure/replays.ts';
import { IDLE_FIGURES, makeIdleReplay } from '../measure/testing-replay.ts';
import { openReplays } from './replays.ts';

const { run, request } = await makeIdleReplay();
let replays: Replays | null = null;
afterAll(() => replays?.close());

test('replays in a process of its own: nothing done is not what training does', async () => {
  const opened = await openReplays(run, true, new AbortController().signal);
  if ('why' in opened) throw new Error(JSON.stringify(opened));
  console.log(`adapter: ${opened.adapter}`);
  replays = opened.replays;
  expect(await replays.replay(request)).toMatchObject(IDLE_FIGURES);
  await expect(replays.replay({ ...request, submission: new Uint8Array(9) })).rejects.toThrow();
});

test('called off while it opens, it says so and leaves nothing behind', async () => {
  const leaving = new AbortController();
  const opening = openReplays(run, true, leaving.signal);
  leaving.abort();
  expect(await opening).toMatchObject({ why: 'no-gpu', error: expect.stringContaining('stopping') });
});
