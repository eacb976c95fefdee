/** Judging pre-training: each reason to refuse, in order; measuring in turns; and that no bytes make it throw. */
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { genesisHead } from '../../chain/certificate.ts';
import type { Run } from '../../chain/run.ts';
import { testAccount, testAccounts, testRun } from '../../chain/testing.ts';
import { type BookOptions, RoundBook } from '../../gauntlet/book.ts';
import { CarryBook } from '../../gauntlet/carries.ts';
import type { ValidatorEvent } from '../../gauntlet/events.ts';
import type { Inspected } from '../../gauntlet/inspect.ts';
import type { LossMeasurement } from '../../gauntlet/scores.ts';
import { newStanding, type Standing } from '../../gauntlet/standings.ts';
import { sha256Sync, toHex } from '../../protocol/bytes.ts';
import { encodeCanonical } from '../../protocol/codec.ts';
import type { Identity } from '../../protocol/identity.ts';
import type { GauntletRules } from '../../protocol/manifest.ts';
import { sealOf } from '../../protocol/seal.ts';
import { testHash, testIdentity, testManifest } from '../../protocol/testing.ts';
import { VirtualClock } from '../../sim/virtual-clock.ts';
import { CpuReplica } from '../../sparseloco/cpu-replica.ts';
import { randomSource } from '../../sparseloco/testing.ts';
import { decodeClaim, encodeClaim, type PretrainClaim } from './claim.ts';
import { PretrainJudging, type PretrainJudgingOptions } from './judging.ts';
import { standingClock } from './testing.ts';

const ROUND = 2;
const ROOT = testHash('root');
const ZERO = testHash('zeros');
const PEERS = 8;
const manifest = testManifest(testHash('organizer'), []);
const runWith = (rules: Partial<GauntletRules> = {}): Run =>
  testRun({ ...manifest, gauntlet: { ...manifest.gauntlet, ...rules } });
const run = runWith();
const at = run.rounds.deadlines(ROUND);
let peers: Identity[];
let keys: string[];
/** Real submissions of a 0.12 M-parameter model, one a peer. */
let works: Uint8Array<ArrayBuffer>[];

beforeAll(async () => {
  peers = await Promise.all(Array.from({ length: PEERS }, (_, i) => testIdentity(i)));
  keys = peers.map(({ publicKey }) => toHex(publicKey));
  works = await Promise.all(peers.map((peer, i) => submissionOf(peer.publicKey, i)));
});

async function submissionOf(contributor: Uint8Array, seed: number, round = ROUND, scale = 1e-3) {
  const replica = new CpuReplica(run.layout, manifest.sparseloco);
  const random = randomSource(seed + 1);
  const moved = Float32Array.from({ length: run.layout.elements }, () => scale * (random() - 0.5) ** 3);
  return (await replica.compress(moved, { run: run.id, round, contributor })).bytes;
}

/** Four sequences around a step that gains so much, with a little noise. */
const gaining = (unassigned: number, assigned = 2 * unassigned): LossMeasurement => {
  const around = (gain: number) => ({
    before: [5, 5, 5, 5],
    after: [-0.001, 0, 0, 0.001].map((noise) => 5 - gain + noise),
  });
  return { assigned: around(assigned), unassigned: around(unassigned) };
};

interface Given {
  readonly rules?: Partial<GauntletRules>;
  readonly book?: Partial<BookOptions<PretrainClaim, Inspected>>;
  readonly judging?: Partial<PretrainJudgingOptions>;
  /** What the meter says of a peer; a function may throw. Default: it gains 0.1. */
  readonly losses?: (peer: number) => LossMeasurement | Promise<LossMeasurement>;
  readonly claims?: (peer: number) => Partial<PretrainClaim>;
  readonly bytes?: (peer: number) => Uint8Array<ArrayBuffer>;
  readonly inspected?: (peer: number, real: Inspected) => Partial<Inspected>;
  readonly who?: readonly number[];
}

/** Measures as a test says, and keeps what it was asked. */
function meter(of: Given['losses'] = () => gaining(0.1)) {
  const asked: { peer: number; sequences: number | undefined }[] = [];
  let [running, most] = [0, 0];
  return {
    asked,
    most: () => most,
    load: async () => {},
    heldOut: async () => 5,
    anticipate: () => {},
    affordable: (_ms: number, _candidates: number) => 8,
    measure: async (
      candidate: { readonly contributor: Uint8Array },
      _round: number,
      _head: unknown,
      sequences?: number,
    ) => {
      most = Math.max(most, ++running);
      const peer = keys.indexOf(toHex(candidate.contributor));
      asked.push({ peer, sequences });
      try {
        await Promise.resolve();
        return await of(peer);
      } finally {
        running--;
      }
    },
  };
}

function roundOf(given: Given) {
  const of = runWith(given.rules);
  const measures = meter(given.losses);
  const reports: ValidatorEvent[] = [];
  const judging = new PretrainJudging({
    run: of,
    losses: measures,
    clock: standingClock(at.commit),
    carries: null,
    onCarries: () => {},
    standings: () => new Map(),
    report: (event) => reports.push(event),
    onInspected: (_round, contributor, real) => {
      const peer = keys.indexOf(toHex(contributor));
      Object.assign(real, given.inspected?.(peer, real));
    },
    ...given.judging,
  });
  const head = { ...genesisHead(of), root: ROOT };
  const book: RoundBook<PretrainClaim, Inspected> = new RoundBook<PretrainClaim, Inspected>({
    run: of,
    round: ROUND,
    judge: judging.open({
      round: ROUND,
      head: () => head,
      inRace: () => book.entries().flatMap((e) => (e.state === 'refused' ? [] : [e.contributor])),
      measureUntil: at.judge,
    }),
    baseRoot: () => ROOT,
    ledger: () => testAccounts(),
    standings: new Map(),
    isMember: () => true,
    previous: [],
    audited: false,
    ...given.book,
  });
  return { book, judging, measures, reports };
}

/** Everybody commits, reveals and delivers; the receipt of the last step that was not fine. */
async function submit(book: RoundBook<PretrainClaim, Inspected>, given: Given, i: number) {
  const { publicKey } = peers[i];
  const bytes = given.bytes?.(i) ?? works[i];
  const claim = encodeClaim({
    submission: { hash: sha256Sync(bytes), size: bytes.byteLength },
    tokens: 512,
    innerSteps: 1,
    baseRoot: ROOT,
    carry: null,
    ...given.claims?.(i),
  });
  const about = { run: run.id, round: ROUND };
  book.commit(
    publicKey,
    { kind: 'commit', ...about, seal: sealOf(run.id, ROUND, publicKey, claim) },
    at.train,
  );
  const revealed = book.reveal(publicKey, { kind: 'reveal', ...about, claim, peer: 'p' }, at.commit);
  return revealed.ok ? book.bytes(publicKey, bytes) : revealed;
}

async function judged(given: Given) {
  const made = roundOf(given);
  const who = given.who ?? [0, 1, 2, 3];
  for (const i of who) await submit(made.book, given, i);
  const verdict = await made.book.judge();
  const refused = new Map(
    verdict.refused.map(({ contributor, reason, note }) => [
      keys.indexOf(toHex(contributor)),
      `${reason}: ${note.code}`,
    ]),
  );
  const noteOf = (i: number) =>
    verdict.refused.find(({ contributor }) => toHex(contributor) === keys[i])?.note;
  return { ...made, verdict, refused, noteOf };
}

const only = (peer: number, change: Partial<PretrainClaim>) => (i: number) => (i === peer ? change : {});
const roots = (before: Uint8Array, name = 'x') => ({
  before,
  accepted: testHash(`${name} accepted`),
  refused: testHash(`${name} refused`),
});

test('good work is accepted by its tokens, with a score each', async () => {
  const { verdict, refused, reports } = await judged({ claims: (i) => ({ tokens: 512 >> i }) });
  expect(refused).toEqual(new Map());
  const units = new Map(verdict.accepted.map((entry) => [toHex(entry.contributor), entry.units]));
  expect([0, 1, 2, 3].map((i) => units.get(keys[i]))).toEqual([512, 256, 128, 64]);
  expect(verdict.scores).toHaveLength(4);
  for (const { assigned, unassigned } of verdict.scores) {
    expect(assigned).toBeCloseTo(0.2, 9);
    expect(unassigned).toBeCloseTo(0.1, 9);
  }
  expect(reports).toEqual([]);
});

describe('claims', () => {
  test.each<[string, Partial<PretrainClaim>, string, Record<string, number>]>([
    ['too many steps', { innerSteps: 31 }, 'malformed: too-many-steps', { steps: 31, most: 30 }],
    ['too many tokens', { tokens: 513 }, 'malformed: too-many-tokens', { tokens: 513, steps: 1, most: 512 }],
    [
      'too large',
      { submission: { hash: testHash('x'), size: 1 << 28 } },
      'too-large: too-large',
      { bytes: 1 << 28, most: expect.any(Number) },
    ],
  ])('with %s', async (_, change, code, figures) => {
    const { refused, noteOf, measures } = await judged({ claims: only(1, change) });
    expect(refused).toEqual(new Map([[1, code]]));
    expect(noteOf(1)?.figures).toEqual(figures);
    expect(measures.asked.map(({ peer }) => peer)).toEqual([0, 2, 3]);
  });

  test('from another state', async () => {
    const { refused } = await judged({ claims: only(2, { baseRoot: testHash('elsewhere') }) });
    expect(refused).toEqual(new Map([[2, 'state: other-state']]));
  });

  test('without roots, with others than were left, and with zeros, where audits are held', async () => {
    const carries = new CarryBook(ZERO);
    carries.note(peers[3].publicKey, { round: 1, carry: roots(ZERO, 'before') });
    const claims = (i: number): Partial<PretrainClaim> => ({
      carry: [null, roots(testHash('made up')), roots(ZERO), roots(testHash('before refused'))][i] ?? null,
    });
    const { refused } = await judged({ claims, judging: { carries } });
    expect(refused).toEqual(
      new Map([
        [0, 'malformed: no-carry-roots'],
        [1, 'carry: carry-broken'],
      ]),
    );
  });

  test('that cannot be read', () => {
    const { book } = roundOf({});
    const { publicKey } = peers[0];
    for (const claim of [testHash('noise'), encodeCanonical({}), encodeCanonical({ tokens: 1 })]) {
      const fresh = roundOf({}).book;
      const about = { run: run.id, round: ROUND };
      fresh.commit(
        publicKey,
        { kind: 'commit', ...about, seal: sealOf(run.id, ROUND, publicKey, claim) },
        at.train,
      );
      expect(fresh.reveal(publicKey, { kind: 'reveal', ...about, claim, peer: 'p' }, at.commit)).toEqual({
        ok: false,
        reason: 'malformed',
        note: { code: 'unreadable-claim', figures: {} },
      });
    }
    expect(book.entries()).toEqual([]);
  });
});

describe('bytes', () => {
  test.each([
    ['cut short', (bytes: Uint8Array<ArrayBuffer>) => bytes.slice(0, 500)],
    ['noise', (bytes: Uint8Array<ArrayBuffer>) => bytes.map((b, i) => (i < 21 ? b : (b * 7 + i) & 255))],
    ['nothing', () => new Uint8Array(1)],
    ['longer than they are', (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array([...bytes, 0])],
  ])('%s', async (_, spoil) => {
    const { refused, noteOf } = await judged({ bytes: (i) => (i === 1 ? spoil(works[1]) : works[i]) });
    expect(refused).toEqual(new Map([[1, 'malformed: undecodable']]));
    expect(noteOf(1)?.figures.error).not.toBe('');
  });

  test('made by another contributor or for another round', async () => {
    const old = await submissionOf(peers[0].publicKey, 0, ROUND - 1);
    const { refused, noteOf } = await judged({
      bytes: (i) => (i === 0 ? old : i === 1 ? works[2] : works[i]),
    });
    expect(refused.get(0)).toBe('malformed: undecodable');
    expect(noteOf(0)?.figures.error).toBe('made for round 1, not 2');
    expect(noteOf(1)?.figures.error).toBe('made by another contributor');
  });

  test('of any kind never throw, as claims or as submissions', async () => {
    const { judging } = roundOf({});
    const round = judging.open({
      round: ROUND,
      head: () => genesisHead(run),
      inRace: () => [],
      measureUntil: at.judge,
    });
    const { publicKey } = peers[0];
    const good: PretrainClaim = {
      submission: { hash: sha256Sync(works[0]), size: works[0].byteLength },
      tokens: 1,
      innerSteps: 1,
      baseRoot: ROOT,
      carry: roots(ZERO),
    };
    const spoiled = (bytes: Uint8Array) =>
      fc
        .array(fc.tuple(fc.nat(bytes.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
        .map((edits) =>
          edits.reduce((all, [where, value]) => all.with(where, value), Uint8Array.from(bytes)),
        );
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 700 }), spoiled(encodeClaim(good))), (bytes) => {
        const read = decodeClaim(bytes);
        // One encoding for each claim: what is read is what was written.
        if (read !== null) expect(encodeClaim(read)).toEqual(Uint8Array.from(bytes));
        round.read(publicKey, bytes);
        judging.note(publicKey, 1, bytes);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 700 }), spoiled(works[0])), (bytes) => {
        const looked = round.inspect(publicKey, good, bytes);
        if ('inspected' in looked) expect(Number.isFinite(looked.inspected.norm)).toBe(true);
        else expect(looked.reason).toMatch(/^(malformed|not-finite)$/);
      }),
      { numRuns: 300 },
    );
  });
});

describe('norms', () => {
  test('far above the median, even as one of two; and nothing at all', async () => {
    const big = await submissionOf(peers[0].publicKey, 0, ROUND, 1);
    const { refused, noteOf } = await judged({ who: [0, 1], bytes: (i) => (i === 0 ? big : works[i]) });
    expect(refused).toEqual(new Map([[0, 'norm: norm-far']]));
    expect(noteOf(0)?.figures.limit).toBe(10);
    const still = await judged({ inspected: (i) => (i === 1 ? { norm: 0 } : {}) });
    expect(still.refused).toEqual(new Map([[1, 'norm: changes-nothing']]));
  });

  test('short for their tokens, less strictly where the sender begins from empty moments', async () => {
    const refused = async (short: number, fresh: readonly number[]) => {
      const carries = new CarryBook(ZERO);
      for (let i = 0; i < 5; i++)
        if (!fresh.includes(i))
          carries.note(peers[i].publicKey, { round: 1, carry: roots(ZERO, `peer ${i}`) });
      const of = await judged({
        who: [0, 1, 2, 3, 4],
        rules: { minNorm: 0.8 },
        judging: { carries },
        claims: (i) => ({ carry: roots(fresh.includes(i) ? ZERO : testHash(`peer ${i} refused`)) }),
        inspected: (i) => ({ norm: i === 0 ? short : 1 }),
      });
      return [...of.refused.values()];
    };
    expect(await refused(0.6, [])).toEqual(['work: norm-short']);
    expect(await refused(0.6, [0])).toEqual([]);
    expect(await refused(0.4, [0])).toEqual(['work: norm-short']);
    // In a run's first round all begin.
    expect(await refused(0.6, [0, 1, 2, 3, 4])).toEqual(['work: norm-short']);
  });
});

describe('copies', () => {
  test('a support under an own header is the copy when committed later', async () => {
    const stolen = await submissionOf(peers[3].publicKey, 1);
    const { refused, noteOf } = await judged({ bytes: (i) => (i === 3 ? stolen : works[i]) });
    expect(refused).toEqual(new Map([[3, 'copy: copied-positions']]));
    expect(noteOf(3)?.figures).toEqual({ share: 1, limit: 0.6, from: keys[1].slice(0, 8) });
  });

  test('of work that is refused itself, and of what the last certificate applied', async () => {
    const stolen = await submissionOf(peers[3].publicKey, 1);
    const bytes = (i: number) => (i === 3 ? stolen : works[i]);
    const far = await judged({ bytes, inspected: (i) => (i === 1 ? { norm: 1e9 } : {}) });
    expect(far.refused).toEqual(
      new Map([
        [1, 'norm: norm-far'],
        [3, 'copy: copied-positions'],
      ]),
    );
    const first = roundOf({});
    await submit(first.book, {}, 1);
    await first.book.judge();
    const again = await judged({ bytes, who: [0, 2, 3], book: { previous: first.book.applied() } });
    expect(again.refused).toEqual(new Map([[3, 'copy: copied-positions']]));
    expect(again.noteOf(3)?.figures.from).toBe('');
  });

  test('chunk by chunk from several, or moved elsewhere', async () => {
    const seen: Inspected[] = [];
    const inspected = (i: number, real: Inspected): Partial<Inspected> => {
      seen[i] = { ...real };
      const signs = (positions: number[]) => ({
        positions: Uint32Array.from(positions),
        negative: new Uint8Array(positions.length),
      });
      const chunks = run.layout.matrixChunks;
      if (i === 3) {
        const from = (p: number) => seen[(p >> 12) % 3].positions.includes(p);
        const all = new Set([0, 1, 2].flatMap((n) => [...seen[n].positions]));
        return signs([...all].filter(from).sort((a, b) => a - b));
      }
      if (i === 4)
        return signs([...seen[0].positions].map((p) => (p + 4096) % (4096 * chunks)).sort((a, b) => a - b));
      return {};
    };
    const { refused } = await judged({ who: [0, 1, 2, 3, 4], inspected });
    expect(refused).toEqual(
      new Map([
        [3, 'copy: copied-mosaic'],
        [4, 'copy: copied-chunks'],
      ]),
    );
  });
});

test('signs of chance among those that agree', async () => {
  // Each keeps two fifths of common positions; all but one have the same signs there.
  const inspected = (i: number): Partial<Inspected> => {
    const random = randomSource(i + 1);
    const positions: number[] = [];
    for (let p = 0; p < 4096 * run.layout.matrixChunks; p += 20) if (random() < 0.4) positions.push(p);
    const sign = (p: number) => (i === 5 ? Number(random() < 0.5) : (p / 20) & 1);
    return { positions: Uint32Array.from(positions), negative: Uint8Array.from(positions, sign) };
  };
  const given = { who: [0, 1, 2, 3, 4, 5], inspected };
  const { refused, noteOf } = await judged({ ...given, rules: { minAgreement: 0.5 } });
  expect(refused).toEqual(new Map([[5, 'direction: other-direction']]));
  expect(noteOf(5)?.figures).toMatchObject({ median: 1 });
  expect((await judged(given)).refused).toEqual(new Map());
});

describe('losses', () => {
  test('refuse what makes it worse; what cannot be measured blames nobody', async () => {
    const losses = (i: number) => {
      if (i === 2) throw new Error('the runtime failed');
      return gaining(i === 1 ? -0.3 : 0.1);
    };
    const { refused, verdict, reports, noteOf } = await judged({ losses });
    expect(refused).toEqual(
      new Map([
        [1, 'loss: loss-worse'],
        [2, 'unjudged: not-measured'],
      ]),
    );
    expect(noteOf(1)?.figures.nats).toBeCloseTo(0.3, 6);
    expect(verdict.scores).toHaveLength(3);
    expect(reports).toEqual([
      { is: 'loss-failed', round: ROUND, contributor: keys[2].slice(0, 8), error: 'the runtime failed' },
    ]);
  });

  test('that are no numbers are refused, and the score is the worst legal one', async () => {
    const text = (after: number) => ({ before: [5], after: [after] });
    const losses = () => ({ assigned: text(Number.POSITIVE_INFINITY), unassigned: text(Number.NaN) });
    const { refused, verdict } = await judged({ who: [0], losses });
    expect(refused).toEqual(new Map([[0, 'loss: loss-undefined']]));
    expect(verdict.scores).toMatchObject([{ assigned: -1e6, unassigned: -1e6 }]);
  });

  describe('a fifth of the others’ gain', () => {
    /** What is refused when peer 3 gains a fifth; these begin from empty moments. */
    const refused = async (judging: Given['judging'], claims?: Given['claims']) => {
      const losses = (i: number) => gaining(i === 3 ? 0.02 : 0.1);
      const of = await judged({ losses, rules: { minGain: 0.3 }, judging, claims });
      return [...of.refused];
    };
    const bySight = (fresh: readonly number[]) => {
      const carries = new CarryBook(ZERO);
      for (let i = 0; i < 4; i++)
        if (!fresh.includes(i))
          carries.note(peers[i].publicKey, { round: 1, carry: roots(ZERO, `peer ${i}`) });
      return refused({ carries }, (i) => ({
        carry: roots(fresh.includes(i) ? ZERO : testHash(`peer ${i} refused`)),
      }));
    };
    const byStanding = (fresh: readonly number[]) => {
      const known = [0, 1, 2, 3].filter((i) => !fresh.includes(i));
      const standings = new Map(
        known.map((i) => [keys[i], { ...newStanding(peers[i].publicKey), measurements: 1 }] as const),
      );
      return refused({ standings: () => standings });
    };

    test.each([
      ['where audits tell whose moments are empty', bySight],
      ['where only the first round tells', byStanding],
    ])('is enough for who joins the others, and for nobody else: %s', async (_, when) => {
      expect(await when([3])).toEqual([]);
      expect(await when([2])).toEqual([[3, 'loss: gain-short']]);
      // In a run's first round all begin.
      expect(await when([0, 1, 2, 3])).toEqual([[3, 'loss: gain-short']]);
    });
  });

  describe('three newcomers who gain nothing, beside one who passed an audit', () => {
    const refused = async (book: Given['book'], trialFrom = 1) => {
      const proven = testAccount(peers[0].publicKey, { proven: true });
      const of = await judged({
        losses: (i) => gaining(i === 0 ? 0.1 : 0),
        rules: { minGain: 0.3, trialFrom },
        book: { ledger: () => testAccounts(proven), ...book },
      });
      return [...of.refused.values()];
    };

    test('are held against it, not against each other, when such a one is enough', async () => {
      expect(await refused({ audited: true })).toEqual(new Array(3).fill('loss: gain-short'));
    });

    test('are each other’s yardstick when it is not, or when nobody is audited', async () => {
      expect(await refused({ audited: true }, 2)).toEqual([]);
      expect(await refused({ audited: false })).toEqual([]);
    });
  });

  test('no better on one’s own text, round after round', async () => {
    const idle: Standing = { ...newStanding(peers[1].publicKey), work: 0, measurements: 60 };
    const standings = () => new Map([[keys[1], idle]]);
    const { refused, noteOf } = await judged({ judging: { standings } });
    expect(refused).toEqual(new Map([[1, 'work: no-better-on-own']]));
    expect(noteOf(1)?.figures.share).toBeCloseTo(0.5, 9);
  });
});

describe('measuring', () => {
  test('takes turns, begins when bytes are there, and nobody is measured twice', async () => {
    const { measures, book } = await judged({});
    expect(measures.asked.map(({ peer }) => peer)).toEqual([0, 1, 2, 3]);
    expect(measures.most()).toBe(1);
    expect(book.entries().every(({ state }) => state === 'accepted')).toBe(true);
  });

  test('plans for seven tenths of the time left, and for those who are still to be measured', async () => {
    const clock = standingClock(at.judge - 1000);
    const planned: [number, number][] = [];
    const given: Given = { judging: { clock } };
    const made = roundOf(given);
    made.measures.affordable = (ms, candidates) => {
      planned.push([ms, candidates]);
      return 5;
    };
    for (const i of [0, 1, 2]) await submit(made.book, given, i);
    await made.book.judge();
    expect(planned.map(([ms]) => ms)).toEqual([700, 700, 700]);
    expect(planned.at(-1)?.[1]).toBe(1);
    expect(made.measures.asked.map(({ sequences }) => sequences)).toEqual([5, 5, 5]);
  });

  test('that does not end in time is given up, told once, and costs nobody anything', async () => {
    using clock = new VirtualClock({ start: at.commit });
    const given: Given = {
      judging: { clock },
      losses: (i) => (i === 0 ? gaining(0.1) : new Promise(() => {})),
    };
    const made = roundOf(given);
    for (const i of [0, 1, 2]) await submit(made.book, given, i);
    let done = false;
    const judging = made.book.judge().finally(() => (done = true));
    await clock.run(() => done);
    const verdict = await judging;
    expect(clock.now()).toBe(at.judge);
    expect(verdict.accepted).toHaveLength(1);
    expect(verdict.refused.map(({ reason, note }) => `${reason}: ${note.code}`)).toEqual([
      'unjudged: not-measured',
      'unjudged: not-measured',
    ]);
    expect(made.reports).toEqual([{ is: 'losses-slow', round: ROUND }]);
    // The last one's time was up before it began.
    expect(made.measures.asked.map(({ peer }) => peer)).toEqual([0, 1]);
    expect(clock.pending()).toEqual([]);
  });

  test('waits for the state that is being loaded; when that fails, nobody is to blame', async () => {
    const made = roundOf({});
    made.measures.load = () => Promise.reject(new Error('the device was lost'));
    await expect(made.judging.load(3, new Int32Array())).rejects.toThrow('the device was lost');
    await expect(made.judging.heldOut()).rejects.toThrow('the device was lost');
    made.judging.anticipate(ROUND, genesisHead(run), peers[0].publicKey);
    await submit(made.book, {}, 0);
    const { refused } = await made.book.judge();
    expect(refused).toMatchObject([{ reason: 'unjudged', note: { code: 'not-measured' } }]);
    expect(made.reports).toMatchObject([{ is: 'loss-failed', error: 'the device was lost' }]);
  });

  test('is seen by those who study it', async () => {
    const seen: [number, number][] = [];
    const onMeasured: PretrainJudgingOptions['onMeasured'] = (round, contributor) =>
      seen.push([round, keys.indexOf(toHex(contributor))]);
    await judged({
      judging: { onMeasured },
      losses: (i) => (i === 1 ? Promise.reject(new Error('no')) : gaining(1)),
    });
    expect(seen).toEqual([
      [ROUND, 0],
      [ROUND, 2],
      [ROUND, 3],
    ]);
  });
});

describe('what is carried on', () => {
  test('taken claims are remembered, and settled by how the round was judged', () => {
    const carries = new CarryBook(ZERO);
    const kept: CarryBook[] = [];
    const { judging } = roundOf({ judging: { carries, onCarries: (book) => kept.push(book) } });
    const [{ publicKey }] = peers;
    const base = { tokens: 1, innerSteps: 1, baseRoot: ROOT, submission: { hash: testHash('s'), size: 1 } };
    judging.note(publicKey, 1, encodeClaim({ ...base, carry: roots(ZERO, 'one') }));
    judging.note(publicKey, 2, testHash('noise'));
    const next = (name: string) => carries.problem(publicKey, { round: 2, carry: roots(testHash(name)) });
    expect(next('one refused')).toBeNull();
    const accepted = [{ contributor: publicKey, claim: testHash('c'), units: 1, weight: 1 }];
    judging.settle({ round: 1, accepted, refused: [], unlisted: [] }, () => true);
    expect(next('one accepted')).toBeNull();
    expect(next('one refused')).not.toBeNull();
    expect(kept).toEqual([carries]);
    judging.settle({ round: 2, accepted: [], refused: [], unlisted: [] }, () => false);
    expect(next('one accepted')).not.toBeNull();
  });

  test('without audits there is nothing to remember', () => {
    const kept: CarryBook[] = [];
    const { judging } = roundOf({ judging: { onCarries: (book) => kept.push(book) } });
    judging.settle({ round: 1, accepted: [], refused: [], unlisted: [] }, () => true);
    expect(kept).toEqual([]);
  });
});
