/** The page's state as a zustand vanilla store: framework-free, one writer (the session), many readers. */
import { createStore, type StoreApi } from 'zustand/vanilla';
import { NO_CONTROL } from './governor/view.ts';
import { DEFAULT_SETTINGS } from './settings.ts';
import { NO_PICTURE } from './picture-state.ts';
import type { AppState, Problem } from './state.ts';

/** Points kept of each loss curve: a week of 10-minute rounds, or an hour of progress reports. */
const MAX_POINTS = 2000;
/** Rounds kept in the history table. */
const MAX_ROUNDS = 500;

export type AppStore = StoreApi<AppState>;

const NO_BYTES = { direct: 0, relayed: 0, host: 0 } as const;

export function createAppStore(): AppStore {
  return createStore<AppState>(() => ({
    intent: 'idle',
    activity: 'idle',
    waitingFor: null,
    run: null,
    adapter: null,
    settings: DEFAULT_SETTINGS,
    control: NO_CONTROL,
    identity: '',
    keeping: null,
    peerId: null,
    host: 'connecting',
    round: 0,
    phase: 'train',
    phaseEndsAt: 0,
    clockOffsetMs: 0,
    height: 0,
    root: null,
    trainedTokens: 0,
    tokensPerSecond: 0,
    totals: { innerSteps: 0, tokens: 0, accepted: 0, refused: 0, credits: 0 },
    traffic: { bytesIn: NO_BYTES, bytesOut: NO_BYTES, rateIn: 0, rateOut: 0 },
    peers: [],
    rounds: [],
    trainLoss: [],
    heldOutLoss: [],
    ...NO_PICTURE,
    problems: [],
  }));
}

/** A copy with `item` at the end and the oldest dropped past the limit. */
function appended<T>(list: readonly T[], item: T, limit: number): readonly T[] {
  return [...list.slice(Math.max(0, list.length + 1 - limit)), item];
}

export function addTrainLoss(store: AppStore, at: number, loss: number): void {
  store.setState((s) => ({ trainLoss: appended(s.trainLoss, [at, loss] as const, MAX_POINTS) }));
}

export function addHeldOutLoss(store: AppStore, at: number, loss: number): void {
  store.setState((s) => ({ heldOutLoss: appended(s.heldOutLoss, [at, loss] as const, MAX_POINTS) }));
}

/** By their number, oldest first: a round may be heard of before the chain that came before it is read. */
export function addRound(store: AppStore, record: AppState['rounds'][number]): void {
  store.setState((s) => ({
    rounds: [...s.rounds.filter((r) => r.round !== record.round), record]
      .sort((a, b) => a.round - b.round)
      .slice(-MAX_ROUNDS),
  }));
}

/** One problem per code: a newer one replaces the older. */
export function raise(store: AppStore, problem: Problem): void {
  store.setState((s) => ({ problems: [...s.problems.filter((p) => p.code !== problem.code), problem] }));
}

export function clear(store: AppStore, ...codes: Problem['code'][]): void {
  store.setState((s) =>
    s.problems.some((p) => codes.includes(p.code))
      ? { problems: s.problems.filter((p) => !codes.includes(p.code)) }
      : {},
  );
}
