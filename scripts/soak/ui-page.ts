/**
 * The page under soak: the real store, the real components, a pretended session. Rounds follow each other as fast as
 * the page can draw them; peers come and go; the page is left and entered again; texts are written.
 */
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import type { AppState } from '../../src/app/state.ts';
import { addHeldOutLoss, addRound, addTrainLoss, clear, raise } from '../../src/app/store.ts';
import { App } from '../../src/ui/app.tsx';
import { ownRound, peers, training } from '../../src/ui/gallery/fake-data.ts';
import { fakeDevice } from '../../src/ui/gallery/fake-device.ts';
import { fakeModel } from '../../src/ui/gallery/fake-model.ts';
import { fakeSession } from '../../src/ui/gallery/fake-session.ts';
import { PHASES } from '../../src/ui/round-geometry.ts';
import '../../src/ui/styles/index.css';

/** Progress reports of one round. */
const REPORTS = 30;
/** The dashboard is left for the first page and entered again after this many rounds. */
const VISIT = 25;
const CROWD = 40;

const { store, actions } = fakeSession(training(), false);
// The lists that the store bounds are full from the start, so that what grows afterwards is a leak.
const now = Date.now();
store.setState({
  rounds: Array.from({ length: 500 }, (_, i) => ({ ...ownRound(i - 500, now, 4), height: 0 })),
  trainLoss: Array.from({ length: 2000 }, (_, i) => [now - 2000 + i, 4] as const),
  heldOutLoss: Array.from({ length: 2000 }, (_, i) => [now - 2000 + i, 4] as const),
});
const model = fakeModel('chat-ready');
const container = document.getElementById('app');
if (container === null) throw new Error('ui-page.html has no element #app');
createRoot(container).render(createElement(App, { store, actions, model, device: fakeDevice('') }));

const painted = () => new Promise<void>((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

let round = store.getState().round;

async function oneRound(): Promise<void> {
  round++;
  const crowd = peers(2 + ((round * 7) % CROWD));
  for (const phase of PHASES) {
    store.setState({
      round,
      phase,
      phaseEndsAt: Date.now() + 5000,
      peers: crowd.slice(0, 1 + (round % crowd.length)),
    });
    if (phase === 'train')
      for (let i = 0; i < REPORTS; i++) {
        store.setState((s: AppState) => ({ totals: { ...s.totals, tokens: s.totals.tokens + 4096 } }));
        addTrainLoss(store, Date.now(), 4 + Math.sin(round + i / 10));
      }
    await painted();
  }
  const heldOut = 4 + 3 * Math.exp(-round / 100);
  addRound(store, { ...ownRound(round, Date.now(), heldOut), height: round });
  addHeldOutLoss(store, Date.now(), heldOut);
  store.setState({ height: round });
  raise(store, { code: 'corrupt-data', recovering: true, source: 'host', hash: String(round) });
  await painted();
  clear(store, 'corrupt-data');
  if (round % VISIT !== 0) return;
  await model.chat.write({
    prompt: `Round ${round}`,
    sampling: { temperature: 0, topP: 1 },
    maxTokens: 1,
    seed: '',
  });
  model.chat.close();
  actions.stop();
  await painted();
  actions.start();
  await painted();
  await model.chat.load('wasm');
}

Object.assign(globalThis, {
  /** Plays `count` rounds, and leaves the page as it always does, so that what it holds can be compared. */
  soak: async (count: number) => {
    for (let i = 0; i < count; i++) await oneRound();
    store.setState({ peers: peers(7) });
    actions.pause();
    await painted();
    actions.resume();
    await painted();
  },
});
