/** What the round history and the totals say when messages repeat and when the session starts over. */
import { beforeAll, describe, expect, it } from 'vitest';
import { testChain, type TestChain } from '../chain/testing.ts';
import { genesisState, advance } from '../chain/state.ts';
import { note } from '../gauntlet/notes.ts';
import type { Host } from '../peer/host.ts';
import { RunClock } from '../peer/run-clock.ts';
import type { Identity } from '../protocol/identity.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { testHash, testIdentity } from '../protocol/testing.ts';
import { systemClock } from '../protocol/timer.ts';
import { Recorder } from './recorder.ts';
import { createAppStore } from './store.ts';

/** The recorder only reads how many bytes came from the host. */
const host = { bytesIn: 0 } as Host;
const own = { round: 8, hash: 'ab', bytes: 100, innerSteps: 5, tokens: 1280 };

function recorded() {
  const store = createAppStore();
  const recorder = new Recorder(store, host, new RunClock(systemClock()));
  recorder.submitted(own);
  recorder.lost(own, 'capacity');
  return { store, recorder };
}

it('what the validator could not judge is lost, and no refusal', () => {
  const store = createAppStore();
  const recorder = new Recorder(store, host, new RunClock(systemClock()));
  recorder.submitted(own);
  recorder.lost(own, 'unjudged');
  const { rounds, totals } = store.getState();
  expect(rounds[0].own).toMatchObject({ outcome: 'lost', reason: 'unjudged', tokens: 1280 });
  expect(totals.refused).toBe(0);
});

it('a repeated message about an empty round does not hide what became of the own submission', () => {
  const { store, recorder } = recorded();
  const before = store.getState().rounds;
  recorder.emptyRound(8);
  expect(store.getState().rounds).toEqual(before);
  expect(before[0].own).toMatchObject({
    outcome: 'refused',
    reason: 'capacity',
    innerSteps: 5,
    tokens: 1280,
    submissionBytes: 100,
  });
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

describe('certified rounds', () => {
  let ada: Identity;
  let chain: TestChain;
  beforeAll(async () => {
    ada = await testIdentity('ada');
    chain = await testChain(ada, { rounds: 4, without: [1], refused: [2] });
  });

  /** A recorder that has seen the chain, with own work submitted in every round. */
  function followed() {
    const store = createAppStore();
    const recorder = new Recorder(store, host, new RunClock(systemClock()));
    let state = genesisState(chain.run);
    chain.certificates.forEach((certificate, i) => {
      recorder.submitted({ ...own, round: certificate.body.round });
      state = advance(chain.run, state, certificate);
      const link = { certificate, sealed: chain.sealed[i], opinions: [] };
      recorder.head(link, { run: chain.run, ...state }, ada.publicKey);
    });
    return { store, recorder };
  }

  const opinion = (change: Partial<MessageOf<'opinion'>>): MessageOf<'opinion'> => ({
    kind: 'opinion',
    run: testHash('run'),
    round: 2,
    height: 2,
    heldOutLoss: null,
    scores: [],
    refused: [],
    audits: [],
    ...change,
  });

  it('say what became of the own work, and why when no validator saw it', () => {
    const { store } = followed();
    const { rounds, totals } = store.getState();
    expect(rounds.map((r) => [r.round, r.own?.outcome, r.own?.reason])).toEqual([
      [0, 'accepted', null],
      [1, 'refused', 'late'],
      [2, 'refused', 'norm'],
      [3, 'accepted', null],
    ]);
    expect(rounds.map((r) => r.own?.note?.code)).toEqual([undefined, 'no-commit', undefined, undefined]);
    expect(totals).toMatchObject({
      refused: 2,
      accepted: 2,
      credits: chain.account(ada.publicKey)?.credits,
    });
  });

  it('get the figures behind a refusal as soon as a validator tells them, and only the own ones', () => {
    const { store, recorder } = followed();
    const far = note('norm-far', { norm: 41, median: 1, limit: 10 });
    recorder.opinion(opinion({ refused: [{ contributor: testHash('other 0'), note: note('no-commit') }] }));
    expect(store.getState().rounds[2].own?.note).toBeNull();
    recorder.opinion(opinion({ refused: [{ contributor: ada.publicKey, note: far }] }));
    expect(store.getState().rounds[2].own?.note).toEqual(far);
  });
});
