/** Settings of a run: every value of every section with a wrong type, out of bounds, empty, and beside an unknown name. */
import { expect, test } from 'vitest';
import { PRESET_NAMES, preset } from '../model/presets.ts';
import type { NewRun } from './open-run.ts';
import { readConfig, problemOfRun } from './settings.ts';

const read = (config: unknown) => {
  const result = readConfig(JSON.parse(JSON.stringify(config)));
  return result.ok ? null : result.problem;
};

/** A value that is allowed, and values that are not, of each setting. */
const NUMBERS: Readonly<Record<string, Readonly<Record<string, readonly [good: number, ...bad: number[]]>>>> =
  {
    model: {
      vocabSize: [512, 0, 63, 100, 2 ** 21, 64.5],
      hiddenSize: [64, 0, 65, 2 ** 21, -64],
      intermediateSize: [192, 0, 100, 2 ** 21],
      layers: [2, 0, 257, 100_000, 1.5],
      heads: [2, 0, 257, 1.5],
      kvHeads: [2, 0, 257, 1.5],
      ropeTheta: [10_000, 0, -1],
      rmsNormEps: [1e-5, 0, 1],
    },
    training: {
      batch: [2, 0, 4097, 0.5],
      accumulation: [1, 0, 4097],
      sequence: [64, 0, 65_537],
      maxInnerSteps: [20, 0, 100_001],
      learningRate: [1e-3, 0, -1, 11],
      minLearningRateRatio: [0.1, -0.1, 1.1],
      warmupRounds: [1, -1, 1_000_001],
      totalRounds: [200, 0, 10_000_001],
      beta1: [0.9, -0.1, 1],
      beta2: [0.95, -0.1, 1],
      epsilon: [1e-8, 0, 2],
      weightDecay: [0.1, -0.1, 11],
      clipNorm: [1, 0, 1e7],
    },
    schedule: {
      roundMs: [10_000, 0, 4, 4999, 86_400_001, 5000.5],
      trainMs: [7000, 0, 86_400_001],
      commitMs: [8000, 0, 86_400_001],
      revealMs: [9000, 0, 86_400_001],
    },
    sparseloco: {
      topK: [64, 7, 513, 64.5],
      beta: [0.5, -0.1, 1.1],
      alpha: [1, 0, 11],
      fractionBits: [24, 11, 31],
    },
    gauntlet: {
      maxAccepted: [16, 0, 65],
      evaluationScale: [0.5, 0, 1.1],
      evaluationSequences: [4, 0, 4097],
      heldOutSequences: [4, 0, 65_537],
      maxNormRatio: [10, 0.5, 1e7],
      maxOverlap: [0.5, -0.1, 1.1],
      minAgreement: [0.5, -0.1, 1.1],
      minGain: [0.3, -0.1, 1.1],
      minNorm: [0.8, -0.1, 1.1],
      rampRounds: [8, -1, 10_001],
      trialFrom: [6, 0, 65],
      maxShare: [0.5, 0, 1.1],
      auditsPerRound: [1, -1, 65],
    },
    admission: { joinBits: [17, -1, 41], joinTarget: [16, 0, 257], idleRounds: [60, 0, 1_000_001] },
    credits: {
      perRound: [1e6, 0, 2 ** 53],
      total: [1e9, 0, 2 ** 53],
      vestRounds: [20, -1, 1_000_001],
    },
  };
const CHOICES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  model: { tiedEmbeddings: true },
  sparseloco: { quantiser: 'sign1', average: 'senders' },
  gauntlet: { selection: 'lottery' },
};
const TEXTS = { description: 2000, 'organizer.name': 80, 'organizer.contact': 200 };

const settings = Object.entries(NUMBERS).flatMap(([section, names]) =>
  Object.entries(names).map(([name, [good, ...bad]]) => ({ section, name, good, bad })),
);

test('every number of the presets is one of these settings', () => {
  const { model, training, schedule, sparseloco, gauntlet, admission, credits } = preset('1m');
  const sections = { model, training, schedule, sparseloco, gauntlet, admission, credits };
  for (const [section, values] of Object.entries(sections))
    for (const name of Object.keys(values))
      expect(NUMBERS[section]?.[name] ?? CHOICES[section]?.[name], `${section}.${name}`).toBeDefined();
});

test.each(settings)('$section.$name: type, bounds', ({ section, name, good, bad }) => {
  const where = `${section}.${name}`;
  expect(read({ [section]: { [name]: good } })).toBeNull();
  for (const value of bad)
    expect(read({ [section]: { [name]: value } }), `${value}`).toMatchObject({ where });
  for (const value of [String(good), '', null, true, [], {}, [good]])
    expect(read({ [section]: { [name]: value } }), JSON.stringify(value)).toMatchObject({
      where,
      rule: 'type',
    });
  // 1e400 is JSON and no number of JavaScript's.
  const huge = readConfig(JSON.parse(`{"${section}": {"${name}": 1e400}}`));
  expect(huge.ok).toBe(false);
});

test.each(
  Object.entries(CHOICES).flatMap(([section, of]) =>
    Object.entries(of).map(([name, good]) => ({ section, name, good })),
  ),
)('$section.$name: one of its values', ({ section, name, good }) => {
  expect(read({ [section]: { [name]: good } })).toBeNull();
  for (const value of ['', 'other', 1, null, [], {}])
    expect(read({ [section]: { [name]: value } })).toMatchObject({ where: `${section}.${name}` });
});

test.each(Object.entries(TEXTS))('%s: a text on one line', (where, longest) => {
  const [first = '', second] = where.split('.');
  const of = (value: unknown) => read({ [first]: second === undefined ? value : { [second]: value } });
  expect(of('Ein Labor, 実験室')).toBeNull();
  expect(of('x'.repeat(longest))).toBeNull();
  expect(of('x'.repeat(longest + 1))).toEqual({ where, rule: 'longest', limit: longest });
  for (const value of ['', ' ', '\u3000']) expect(of(value)).toEqual({ where, rule: 'empty' });
  for (const value of ['a\nb', '\u001b]0;x\u0007', 'a\u202eb', 'a\ud800'])
    expect(of(value)).toEqual({ where, rule: 'unclean' });
  for (const value of [7, null, [], {}, ['x']]) expect(of(value)).toMatchObject({ where, rule: 'type' });
});

test('unknown names are refused at every level', () => {
  for (const section of ['organizer', ...Object.keys(NUMBERS)]) {
    expect(read({ [section]: { colour: 1 } })).toEqual({ where: `${section}.colour`, rule: 'unknown' });
    for (const value of [null, [], 1, 'x'])
      expect(read({ [section]: value }), section).toMatchObject({ where: section, rule: 'type' });
  }
  expect(read({ modle: {} })).toEqual({ where: 'modle', rule: 'unknown' });
  expect(read({ schedule: { startMs: 1 } })).toEqual({ where: 'schedule.startMs', rule: 'unknown' });
  expect(read({ organizer: { key: 'x' } })).toEqual({ where: 'organizer.key', rule: 'unknown' });
  for (const name of ['__proto__', 'constructor', 'prototype']) {
    const inside = readConfig(JSON.parse(`{"model": {"${name}": {}}}`));
    expect(inside).toMatchObject({ ok: false, problem: { where: `model.${name}`, rule: 'unknown' } });
    expect(readConfig(JSON.parse(`{"${name}": 1}`)).ok).toBe(false);
  }
});

test('only an object is a config', () => {
  for (const value of [[], null, 1, 'x', true, [{}]])
    expect(read(value)).toMatchObject({ where: '', rule: 'type', wanted: 'object' });
  expect(read({})).toBeNull();
});

test('shardTokens and iceServers', () => {
  expect(read({ shardTokens: 1024 })).toBeNull();
  for (const value of [255, 2 ** 24 + 1, 1e300, '1024', null, [], 300.5])
    expect(read({ shardTokens: value })).toMatchObject({ where: 'shardTokens' });
  expect(
    read({ iceServers: [{ urls: 'stun:a:3478' }, { urls: ['turn:b'], username: 'u', credential: 'c' }] }),
  ).toBeNull();
  expect(read({ iceServers: {} })).toMatchObject({ where: 'iceServers', rule: 'type', wanted: 'list' });
  expect(read({ iceServers: Array.from({ length: 17 }, () => ({ urls: 'stun:a' })) })).toMatchObject({
    where: 'iceServers',
    rule: 'longest',
  });
  expect(read({ iceServers: [{ urls: 'stun:a' }, { urls: 'http://b' }] })).toEqual({
    where: 'iceServers.1',
    rule: 'ice',
    fault: { rule: 'scheme', at: 'http://b' },
  });
});

const wanted = (change: Partial<NewRun>): NewRun => ({ preset: preset('tiny'), ...change });
const withModel = (model: Partial<ReturnType<typeof preset>['model']>) => {
  const tiny = preset('tiny');
  return wanted({ preset: { ...tiny, model: { ...tiny.model, ...model } } });
};

test('what only the whole run shows is found before any text is read', () => {
  for (const name of PRESET_NAMES) expect(problemOfRun({ preset: preset(name) })).toBeNull();
  const found = (run: NewRun) => problemOfRun(run);
  expect(found(withModel({ heads: 3 }))).toMatchObject({ where: 'model', rule: 'together' });
  expect(found(withModel({ kvHeads: 3 }))).toMatchObject({ where: 'model', rule: 'together' });
  expect(found(withModel({ layers: 100_000 }))).toMatchObject({
    where: 'model.layers',
    rule: 'most',
    limit: 256,
  });
  expect(found(withModel({ hiddenSize: 2 ** 20 }))).toMatchObject({ where: 'model', rule: 'parameters' });
  expect(found(withModel({ vocabSize: 2 ** 17 }))).toMatchObject({ where: 'model.vocabSize', rule: 'most' });
  expect(found(withModel({ vocabSize: 64 }))).toMatchObject({ where: 'model.vocabSize', rule: 'least' });
  expect(found(wanted({ overrides: { training: { batch: 4096, sequence: 65_536 } } }))).toMatchObject({
    where: 'training',
    rule: 'memory',
  });
  expect(found(wanted({ overrides: { training: { warmupRounds: 200 } } }))).toMatchObject({
    rule: 'together',
  });
  expect(found(wanted({ overrides: { credits: { perRound: 1000, total: 10 } } }))).toMatchObject({
    where: 'credits',
    rule: 'together',
  });
  const schedule = { roundMs: 10_000, trainMs: 7000, commitMs: 8000, revealMs: 9000 };
  expect(found(wanted({ overrides: { schedule } }))).toBeNull();
  for (const change of [{ trainMs: 8000 }, { commitMs: 9500 }, { revealMs: 10_000 }])
    expect(found(wanted({ overrides: { schedule: { ...schedule, ...change } } }))).toMatchObject({
      where: 'schedule',
      rule: 'together',
    });
  for (const change of [{ trainMs: 7990 }, { commitMs: 8990 }, { revealMs: 9990 }])
    expect(found(wanted({ overrides: { schedule: { ...schedule, ...change } } }))).toMatchObject({
      rule: 'short-phase',
    });
  expect(found(wanted({ name: '' }))).toBeNull();
  expect(found(wanted({ name: 'a\nb' }))).toMatchObject({ where: 'name', rule: 'unclean' });
  expect(found(wanted({ name: 'x'.repeat(81) }))).toMatchObject({ where: 'name', rule: 'longest' });
});
