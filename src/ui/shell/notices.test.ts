/** What is worth a system notice, each thing once. */
import { describe, expect, it } from 'vitest';
import type { AppState } from '../../app/state.ts';
import { createAppStore } from '../../app/store.ts';
import { noticeText } from '../strings/install.ts';
import { noticesOf } from './notices.ts';

const idle = createAppStore().getState();
const running: AppState = { ...idle, intent: 'running', activity: 'training' };
const lostDevice = { code: 'device-lost', recovering: true, detail: 'a driver reset' } as const;
const otherVersion = { code: 'protocol-version', recovering: false, ours: 3, theirs: 4 } as const;
const noHost = {
  code: 'host-unreachable',
  recovering: true,
  why: 'unreachable',
  url: 'https://host.test',
  status: null,
} as const;

describe('noticesOf', () => {
  it('tells that the last round was handed in, once', () => {
    const finished = { ...idle, control: { ...idle.control, finishedRound: 41 } };
    expect(noticesOf(running, finished, 0)).toEqual([{ kind: 'finished', round: 41 }]);
    expect(noticesOf(finished, { ...finished, height: 3 }, 0)).toEqual([]);
  });

  it('tells of problems that need a person, or why work stopped, and of each only once', () => {
    const lost = { ...running, problems: [lostDevice] };
    const both = { ...running, problems: [...lost.problems, otherVersion] };
    expect(noticesOf(running, lost, 0)).toEqual([{ kind: 'problem', code: 'device-lost' }]);
    expect(noticesOf(lost, both, 0)).toEqual([{ kind: 'problem', code: 'protocol-version' }]);
    expect(noticesOf(both, { ...both, problems: [...both.problems] }, 0)).toEqual([]);
  });

  it('is silent about what mends itself, and before Start', () => {
    expect(noticesOf(running, { ...running, problems: [noHost] }, 0)).toEqual([]);
    expect(noticesOf(idle, { ...idle, problems: [{ code: 'no-webgpu', recovering: false }] }, 0)).toEqual([]);
  });

  it('tells of new milestones, not of those of a chain that is read again', () => {
    const milestone = (at: number, threshold: number) => ({
      kind: 'accepted' as const,
      threshold,
      round: 1,
      at,
    });
    const hour = 3_600_000;
    const now = { ...running, milestones: [milestone(0, 1), milestone(hour, 10)] };
    expect(noticesOf(running, now, hour + 1000)).toEqual([
      { kind: 'milestone', milestone: milestone(hour, 10) },
    ]);
  });
});

it('every notice has words', () => {
  const notices = [
    { kind: 'finished', round: 7 },
    { kind: 'problem', code: 'device-lost' },
    { kind: 'milestone', milestone: { kind: 'credits', threshold: 10e6, round: 3, at: 0 } },
  ] as const;
  const texts = notices.map(noticeText);
  expect(texts.map((t) => t.text)).toEqual([
    'Round 7 was handed in, and the tab stopped as you asked.',
    expect.stringContaining('driver'),
    'You have earned 10.00 credits.',
  ]);
  for (const { title } of texts) expect(title.length).toBeGreaterThan(5);
});
