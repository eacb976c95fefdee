/** The gauntlet's rules of a run without gaps: what the manifest leaves out has its neutral value here, and nowhere else. */
import type { GauntletRules } from '../protocol/manifest.ts';

export interface Rules extends Required<GauntletRules> {
  /** Whether contributors are audited at all: then claims commit to what is carried from round to round. */
  readonly audited: boolean;
}

/** Absent checks become limits that nothing crosses; absent ramps and caps, ones that change nothing. */
export function rulesOf(given: GauntletRules): Rules {
  const auditsPerRound = given.auditsPerRound ?? 0;
  return {
    ...given,
    minAgreement: given.minAgreement ?? 0,
    minGain: given.minGain ?? 0,
    minNorm: given.minNorm ?? 0,
    rampRounds: given.rampRounds ?? 0,
    trialFrom: given.trialFrom ?? Number.POSITIVE_INFINITY,
    maxShare: given.maxShare ?? 1,
    selection: given.selection ?? 'lottery',
    auditsPerRound,
    audited: auditsPerRound > 0,
  };
}
