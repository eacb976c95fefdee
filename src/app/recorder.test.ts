/** What the round history and the totals say when messages repeat and when the session starts over. */
import { expect, it } from 'vitest';
import { RunClock } from './clock.ts';
import type { OwnSubmission } from './contributor.ts';
import { HostClient } from './host-client.ts';
import { Recorder } from './recorder.ts';
import { createAppStore } from './store.ts';

function recorded() {
  const store = createAppStore();
  const recorder = new Recorder(store, new HostClient('http://localhost'), new RunClock());
  const own = {
    round: 8,
    work: { innerSteps: 5, tokens: 1280, submission: new Uint8Array(100) },
  } as OwnSubmission;
  recorder.submitted(own);
  recorder.lost(own, { contributor: new Uint8Array(32), reason: 'capacity', detail: 'not measured in time' });
  return { store, recorder };
}

it('a repeated message about an empty round does not hide what became of the own submission', () => {
  const { store, recorder } = recorded();
  const before = store.getState().rounds;
  recorder.emptyRound(8);
  expect(store.getState().rounds).toEqual(before);
  expect(before[0].own).toMatchObject({ outcome: 'refused', reason: 'capacity', innerSteps: 5 });
  expect(store.getState().totals.refused).toBe(1);
});

it('a round without own work is recorded once, when it became known', () => {
  const { store, recorder } = recorded();
  recorder.emptyRound(9);
  const [, first] = store.getState().rounds;
  recorder.emptyRound(9);
  expect(store.getState().rounds).toHaveLength(2);
  expect(store.getState().rounds[1]).toBe(first);
  expect(first.own).toBeNull();
});

it('starting over reads the refusals of the chain again instead of adding them', () => {
  const { store, recorder } = recorded();
  recorder.restart();
  expect(store.getState().totals.refused).toBe(0);
  expect(store.getState().rounds).toEqual([]);
});
