/** Whether a person has started training, which problems rule it out, and which rule out even watching. */
import type { AppState, Problem } from '../app/state.ts';

const NO_WATCHING: readonly Problem['code'][] = ['bad-manifest', 'protocol-version', 'framed', 'other-run'];
const NO_TRAINING: readonly Problem['code'][] = [
  ...NO_WATCHING,
  'no-webgpu',
  'insecure-page',
  'no-adapter',
  'adapter-too-small',
];

const blockedBy = (state: AppState, codes: readonly Problem['code'][]) =>
  state.problems.some((p) => !p.recovering && codes.includes(p.code));

/** A person started training and did not stop it; paused counts. */
export const isStarted = (state: AppState): boolean =>
  state.intent === 'running' || state.intent === 'paused';

/** A person can only consent to a run that is known. */
export const canStart = (state: AppState): boolean =>
  // Whether the key is kept is part of what a person consents to.
  state.run !== null && state.keeping !== null && !blockedBy(state, NO_TRAINING);
export const canWatch = (state: AppState): boolean => state.run !== null && !blockedBy(state, NO_WATCHING);
export const trainingBlocked = (state: AppState): boolean => blockedBy(state, NO_TRAINING);
