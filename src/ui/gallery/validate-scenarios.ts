/** The gallery's validators: before a key, at work, waiting for the host, and stopped by a problem. */
import { createStore } from 'zustand/vanilla';
import type { Validation } from '../../app/validation.ts';
import { IDLE_VALIDATION, type ValidationState } from '../../app/validation-state.ts';
import { note } from '../../gauntlet/notes.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { hex, run } from './fake-data.ts';

const idle: ValidationState = { ...IDLE_VALIDATION, run };

const key = (n: number): Uint8Array => fromHex(hex(n));
const late = { contributor: key(72), reason: 'late' } as const;
const copy = { contributor: key(73), reason: 'copy' } as const;

/** A validator at work, with everything that its log can say. */
function running(): ValidationState {
  const now = Date.now();
  const opinion = {
    kind: 'opinion' as const,
    run: key(1),
    round: 41,
    height: 41,
    heldOutLoss: 4.2135,
    scores: [],
    refused: [{ contributor: late.contributor, note: note('late-commit', { ms: 412 }) }],
    audits: [],
  };
  const events: ValidationState['log'][number]['event'][] = [
    { is: 'meter', name: 'CPU (onnxruntime-web)' },
    { is: 'audits-on', adapter: 'apple metal-3 (Apple M2)', aRound: 2 },
    { is: 'nothing-certified', round: 40, refused: [late], opinion },
    {
      is: 'certified',
      body: {
        run: key(1),
        round: 41,
        height: 42,
        previous: key(4),
        baseRoot: key(5),
        root: key(6),
        accepted: [],
        refused: [late, copy],
        passedOver: new Uint8Array(0),
        joined: [],
        audits: [],
        issued: 0,
        joinBits: 8,
        credits: [],
      },
      opinion,
      bytesPerParameter: 0.0131,
    },
    { is: 'losses-slow', round: 42 },
    {
      is: 'audit-ended',
      contributor: hex(71).slice(0, 8),
      round: 39,
      outcome: 'passed',
      note: note('replayed', { work: 0.004, moment1: 0.002, moment2: 0.001, sent: 0, steps: 0 }),
    },
    { is: 'handing-over-again', height: 42 },
    { is: 'memory-failed', what: 'standings', error: 'QuotaExceededError' },
  ];
  return {
    ...idle,
    stage: 'running',
    key: hex(9),
    machine: 'CPU (onnxruntime-web)',
    fallback: { why: 'software-gpu', adapter: 'google swiftshader (SwiftShader Device)' },
    audits: { adapter: 'apple metal-3 (Apple M2)' },
    host: 'connected',
    round: 42,
    phase: 'judge',
    phaseLeftMs: 3200,
    height: 42,
    root: hex(6),
    contributors: 5,
    entries: [
      { contributor: hex(71), state: 'accepted', reason: null, note: null },
      {
        contributor: hex(73),
        state: 'refused',
        reason: 'copy',
        note: note('copied-positions', { share: 0.94, limit: 0.55, from: hex(71).slice(0, 8) }),
      },
      {
        contributor: hex(74),
        state: 'refused',
        reason: 'loss',
        note: note('gain-short', { gain: 0.0001, others: 0.004, noise: 0.0002, least: 0.3 }),
      },
      { contributor: hex(75), state: 'refused', reason: 'capacity', note: null },
      { contributor: hex(76), state: 'fetched', reason: null, note: null },
    ],
    certificates: Array.from({ length: 6 }, (_, i) => ({
      height: 42 - i,
      round: 41 - i,
      accepted: 4,
      refused: i === 0 ? 2 : 0,
      joined: i === 3 ? 1 : 0,
      heldOutLoss: i === 2 ? null : 4.2135 + 0.02 * i,
      root: hex(6 + i),
      audits: i === 1 ? [{ contributor: hex(71), round: 39, passed: true }] : [],
    })),
    log: events.map((event, i) => ({ at: now - 5000 * (events.length - i), event })),
    awake: 'held',
  };
}

const scenarios: Readonly<Record<string, () => ValidationState>> = {
  validate: () => idle,
  'validate-running': running,
  'validate-waiting': () => ({
    ...running(),
    audits: { why: 'no-gpu', error: 'WebGPU offers no adapter' },
    waitingFor: { why: 'host-storing', code: 'gap' },
  }),
  'validate-refused': () => ({
    ...running(),
    stage: 'failed',
    entries: [],
    problem: { code: 'refused', height: 43, why: 'fork' },
  }),
  'validate-trouble': () => ({
    ...idle,
    stage: 'failed',
    problem: {
      code: 'trouble',
      trouble: { code: 'protocol-version', recovering: false, ours: 3, theirs: 4 },
    },
  }),
};

export const validateScenarios: readonly string[] = Object.keys(scenarios);

/** A validator that only pretends; null when no state has that name. */
export function fakeValidation(name: string): Validation | null {
  const state = scenarios[name]?.();
  if (state === undefined) return null;
  const store = createStore<ValidationState>(() => state);
  return {
    store,
    actions: {
      start: () => store.setState({ stage: 'running', problem: null }),
      stop: () => store.setState({ stage: 'idle', problem: null, waitingFor: null, entries: [] }),
    },
  };
}
