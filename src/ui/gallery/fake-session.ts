/** A session that only pretends: answers the buttons, and on request lets rounds, losses and bytes move. */
import { cleanName } from '../../protocol/profile.ts';
import { createAppStore } from '../../app/store.ts';
import type { AppState, SessionActions } from '../../app/state.ts';
import { PHASES } from '../round-geometry.ts';
import { fakeContribution } from './fake-contribution.ts';
import { ownRound, PHASE_MS, random } from './fake-data.ts';

export function fakeSession(initial: Partial<AppState>, live: boolean) {
  const store = createAppStore();
  store.setState(initial);
  const actions: SessionActions = {
    start: () => store.setState({ intent: 'running', activity: 'training', waitingFor: null }),
    watch: () => store.setState({ intent: 'watching', activity: 'waiting', waitingFor: null }),
    pause: () => store.setState({ intent: 'paused', activity: 'paused' }),
    resume: () => store.setState({ intent: 'running', activity: 'training' }),
    setProfile: (name, team) => store.setState({ profile: { name: cleanName(name), team: cleanName(team) } }),
    contribution: () => fakeContribution(store.getState().profile),
    stop: () => store.setState({ intent: 'idle', activity: 'idle', waitingFor: null }),
    finish: (finishing) => store.setState((s) => ({ control: { ...s.control, finishing } })),
    changeSettings: (part) => store.setState((s) => ({ settings: { ...s.settings, ...part } })),
    waive: () => store.setState((s) => ({ activity: 'training', control: { ...s.control, holds: [] } })),
    askPresence: () => store.setState((s) => ({ control: { ...s.control, presence: 'computer' } })),
  };
  // Fifty changes a second: far more than the page may show.
  if (live) setInterval(() => store.setState(move), 20);
  return { store, actions };
}

const noise = random(7);

function move(s: AppState): Partial<AppState> {
  const now = Date.now();
  const training = s.intent === 'running' && s.phase === 'train';
  const next: Partial<AppState> = {
    tokensPerSecond: training ? 3000 + 400 * noise() : s.tokensPerSecond,
    totals: training
      ? {
          ...s.totals,
          tokens: s.totals.tokens + 64,
          innerSteps: s.totals.innerSteps + (noise() < 0.02 ? 1 : 0),
        }
      : s.totals,
    traffic: {
      bytesIn: { ...s.traffic.bytesIn, direct: s.traffic.bytesIn.direct + Math.round(900 * noise()) },
      bytesOut: { ...s.traffic.bytesOut, direct: s.traffic.bytesOut.direct + Math.round(700 * noise()) },
      rateIn: 20_000 + 15_000 * noise(),
      rateOut: 15_000 + 9_000 * noise(),
    },
  };
  const loss = s.trainLoss.at(-1)?.[1] ?? 7.6;
  const point = [now, 2 + (loss - 2) * 0.999 + 0.05 * (noise() - 0.5)] as const;
  const progress: Partial<AppState> =
    training && noise() < 0.05 ? { trainLoss: [...s.trainLoss.slice(-1999), point] } : {};
  if (now < s.phaseEndsAt) return { ...next, ...progress };

  const phase = PHASES[(PHASES.findIndex((one) => one === s.phase) + 1) % PHASES.length];
  const turned = { ...next, ...progress, phase, phaseEndsAt: now + PHASE_MS[phase] };
  if (phase !== 'train') return turned;
  const heldOut = (s.heldOutLoss.at(-1)?.[1] ?? 7.6) - 0.03 * noise();
  return {
    ...turned,
    round: s.round + 1,
    height: s.height + 1,
    rounds: [...s.rounds, ownRound(s.round, now, heldOut)],
    heldOutLoss: [...s.heldOutLoss, [now, heldOut]],
  };
}
