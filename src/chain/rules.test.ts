/** What a manifest leaves out has a value that changes nothing. */
import { expect, test } from 'vitest';
import { testHash, testManifest } from '../protocol/testing.ts';
import { rulesOf } from './rules.ts';

const { gauntlet } = testManifest(testHash('organizer'), []);

test('absent rules are the neutral ones, and nobody is audited', () => {
  expect(rulesOf(gauntlet)).toEqual({
    ...gauntlet,
    minAgreement: 0,
    minGain: 0,
    minNorm: 0,
    rampRounds: 0,
    trialFrom: Number.POSITIVE_INFINITY,
    maxShare: 1,
    selection: 'lottery',
    auditsPerRound: 0,
    audited: false,
  });
});

test('given ones stay as they are', () => {
  const given = {
    ...gauntlet,
    minAgreement: 0.5,
    minGain: 0.3,
    minNorm: 0.8,
    rampRounds: 4,
    trialFrom: 3,
    maxShare: 0.25,
    selection: 'rating' as const,
    auditsPerRound: 2,
  };
  expect(rulesOf(given)).toEqual({ ...given, audited: true });
});
