/** What a host says is wrong with its time and its disk, and that it is over again. */
import { expect, test } from 'vitest';
import { hostTroubleText } from '../cli/say.ts';
import { testRun } from '../chain/testing.ts';
import { testHash, testManifest } from '../protocol/testing.ts';
import { type DiskState, DiskWatch } from './disk-watch.ts';
import { TROUBLES, troublesOf } from './troubles.ts';

const run = testRun(testManifest(testHash('organizer'), []));
const { startMs, roundMs } = run.manifest.schedule;
const disk: DiskState = { room: 'enough', freeBytes: 1e9, neededBytes: 1e6 };
const facts = {
  run,
  now: startMs + 5.5 * roundMs,
  certifiedRound: 4,
  jumpedMs: 0,
  disk,
  writeFailedFull: false,
};

test('nothing is wrong', () => {
  expect(troublesOf(facts)).toEqual([]);
  // The present round, certified early.
  expect(troublesOf({ ...facts, certifiedRound: 5 })).toEqual([]);
});

test.each([
  [
    { now: startMs - 86_400_000, certifiedRound: -1 },
    { code: 'not-begun', beginsAt: startMs },
  ],
  [{ certifiedRound: 2885 }, { code: 'chain-ahead', rounds: 2880 }],
  [{ jumpedMs: -600_000 }, { code: 'clock-jumped', byMs: -600_000 }],
  [{ disk: { ...disk, room: 'full' as const } }, { code: 'disk-full', freeBytes: 1e9, neededBytes: 1e6 }],
  [{ disk: { ...disk, room: 'low' as const } }, { code: 'disk-low', freeBytes: 1e9, neededBytes: 1e6 }],
  [{ writeFailedFull: true }, { code: 'disk-full', freeBytes: 1e9, neededBytes: 1e6 }],
])('%j is told as %j, in words too', (change, trouble) => {
  const found = troublesOf({ ...facts, ...change });
  expect(found).toEqual([trouble]);
  expect(TROUBLES).toContain(found[0].code);
  expect(hostTroubleText(found[0])).not.toBe('');
});

test('a disk that fills is said before a round is lost, and again when there is room', () => {
  let free: number | null = 1e9;
  const told: string[] = [];
  const watch = new DiskWatch(
    () => free,
    () => 4 * 2 ** 20,
    ({ room }) => told.push(room),
  );
  expect(watch.state).toMatchObject({ room: 'enough', freeBytes: 1e9, neededBytes: 5 * 2 ** 20 });
  for (const [bytes, room] of [
    [99 * 2 ** 20, 'low'],
    [98 * 2 ** 20, 'low'],
    [5 * 2 ** 20 - 1, 'full'],
    [0, 'full'],
    [1e9, 'enough'],
    [null, 'enough'],
  ] as const) {
    free = bytes;
    watch.look();
    expect(watch.state.room).toBe(room);
  }
  expect(told).toEqual(['low', 'full', 'enough']);
});
