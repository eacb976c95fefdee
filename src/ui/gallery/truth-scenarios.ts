/** States about truth: an audit that failed, one that is to come, and a place far down a board of names that test its edges. */
import type { AppState } from '../../app/state.ts';
import { note } from '../../gauntlet/notes.ts';
import { training } from './fake-data.ts';
import { hex } from './seeded.ts';

const ODD_NAMES = [
  'מרים הנביאה', // right to left
  'W'.repeat(32),
  '<script>alert(1)</script>',
  'O’Brien & Söhne',
];

export const truthScenarios: Readonly<Record<string, () => Partial<AppState>>> = {
  'audit-failed': () => {
    const base = training();
    return {
      ...base,
      standing: {
        ...base.standing!,
        provisional: 0,
        provisionalRounds: [],
        forfeited: 725_201,
        forfeitedRounds: [39, 41, 42],
        auditsFailed: 1,
        lastAudit: {
          round: 39,
          outcome: 'failed',
          note: note('replayed', { work: 0.88, moment1: 0.031, moment2: 0.017, sent: 0, steps: 0 }),
        },
      },
    };
  },
  'before-first-audit': () => {
    const base = training();
    return {
      ...base,
      standing: { ...base.standing!, vested: 0, auditsPassed: 0, lastAudit: null, awaitsAudit: true },
    };
  },
  'far-down': () => {
    const base = training();
    const own = base.leaderboard!.find(({ contributor }) => contributor === base.identity)!;
    const others = Array.from({ length: 20 }, (_, i) => ({
      contributor: hex(800 + i),
      name: ODD_NAMES[i] ?? '',
      team: i % 3 === 0 ? 'The Slow but Thorough Cooperative' : '',
      credits: 98_765_432_100 - i * 1_234_567_890,
      accepted: 123_456 - i * 1000,
    }));
    return {
      ...base,
      leaderboard: [...others, own],
      standing: { ...base.standing!, rank: 1340, of: 12_001 },
      teams: [
        { team: 'The Slow but Thorough Cooperative', members: 1204, credits: 1e12, accepted: 1e6 },
        ...base.teams!,
      ],
      milestones: [],
    };
  },
};
