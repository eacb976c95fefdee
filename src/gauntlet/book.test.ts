/** The book's own rules: what it fetches when, what it forgives, and real bytes through the real inspector. */
import { beforeAll, describe, expect, test } from 'vitest';
import { parameterLayout } from '../model/layout.ts';
import { sha256Sync, toHex } from '../protocol/bytes.ts';
import { deadlines } from '../protocol/clock.ts';
import type { Identity } from '../protocol/identity.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { sealOf } from '../protocol/seal.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';
import { randomSource } from '../sparseloco/testing.ts';
import { type BookOptions, type Evaluate, noCertificate, RoundBook } from './book.ts';
import { inspectorFor } from './inspect.ts';
import { newStanding, type Standing } from './standings.ts';

const RUN = testHash('run');
const ROUND = 2;
const ROOT = testHash('root');
let manifest: Manifest;
let peers: Identity[];
/** Real submissions of a 0.12 M-parameter model, one per peer. */
let works: Uint8Array<ArrayBuffer>[];
let at: ReturnType<typeof deadlines>;

beforeAll(async () => {
  manifest = testManifest(testHash('organizer'), []);
  at = deadlines(manifest.schedule, ROUND);
  peers = await Promise.all([0, 1, 2, 3].map(testIdentity));
  works = await Promise.all(peers.map((peer, i) => submissionOf(peer.publicKey, i)));
});

async function submissionOf(contributor: Uint8Array, seed: number, round = ROUND, scale = 1e-3) {
  const layout = parameterLayout(manifest.model);
  const replica = new CpuReplica(layout, manifest.sparseloco);
  await replica.load(new Int32Array(layout.elements));
  const random = randomSource(seed + 1);
  const moved = Float32Array.from({ length: layout.elements }, () => scale * (random() - 0.5) ** 3);
  return (await replica.compress(moved, { run: RUN, round, contributor })).bytes;
}

const better: Evaluate = async () => ({
  assigned: { before: [5], after: [4.8] },
  unassigned: { before: [5], after: [4.9] },
});

const bookOf = (change: Partial<BookOptions> = {}) =>
  new RoundBook({
    manifest,
    runId: RUN,
    round: ROUND,
    baseRoot: () => ROOT,
    evaluate: better,
    ...inspectorFor(manifest),
    ...change,
  });

function commitOf(contributor: Uint8Array, bytes: Uint8Array, change: Partial<MessageOf<'commit'>> = {}) {
  const commit: MessageOf<'commit'> = {
    kind: 'commit',
    run: RUN,
    round: ROUND,
    seal: sealOf(RUN, ROUND, contributor, sha256Sync(bytes)),
    size: bytes.byteLength,
    tokens: 512,
    innerSteps: 1,
    baseRoot: ROOT,
    trainLoss: 5,
    ...change,
  };
  return commit;
}

const revealOf = (bytes: Uint8Array): MessageOf<'reveal'> => ({
  kind: 'reveal',
  run: RUN,
  round: ROUND,
  submission: { hash: sha256Sync(bytes), size: bytes.byteLength },
  peer: 'peer',
});

/** Commits, reveals and delivers the work of peer `i`. */
async function submit(
  book: RoundBook,
  i: number,
  bytes = works[i],
  change: Partial<MessageOf<'commit'>> = {},
) {
  const { publicKey } = peers[i];
  expect(book.commit(publicKey, commitOf(publicKey, bytes, change), at.commit - 1)).toEqual({ ok: true });
  expect(book.reveal(publicKey, revealOf(bytes), at.commit)).toEqual({ ok: true });
  return book.bytes(publicKey, bytes);
}

test('a quiet round: all accepted, weighted by tokens, scores kept', async () => {
  const book = bookOf();
  for (const [i, tokens] of [512, 256, 128, 64].entries()) {
    expect(await submit(book, i, works[i], { tokens })).toEqual({ ok: true });
  }
  const verdict = await book.judge();
  expect(verdict).toMatchObject({ kind: 'verdict', round: ROUND, baseRoot: ROOT, refused: [] });
  const weights = new Map(verdict.accepted.map((entry) => [toHex(entry.contributor), entry.weight]));
  expect(peers.map((peer) => weights.get(toHex(peer.publicKey)))).toEqual([1024, 512, 256, 128]);
  expect(verdict.scores).toHaveLength(4);
  expect(verdict.scores[0].assigned).toBeCloseTo(0.2, 9);
  expect(verdict.scores[0].unassigned).toBeCloseTo(0.1, 9);
  expect(book.entries().map((entry) => entry.state)).toEqual(new Array(4).fill('accepted'));
  expect(book.bytesOf(peers[1].publicKey)).toBe(works[1]);
});

describe('newcomers in a round with audited work', () => {
  const standing = (i: number, change: Partial<Standing>): [string, Standing] => {
    const { publicKey } = peers[i];
    return [toHex(publicKey), { ...newStanding(publicKey), ...change }];
  };

  async function judged(change: Partial<BookOptions>) {
    const rules = { ...manifest.gauntlet, trialFrom: 2 };
    const book = bookOf({ manifest: { ...manifest, gauntlet: rules }, audited: true, ...change });
    for (const i of peers.keys()) await submit(book, i);
    const verdict = await book.judge();
    const accepted = new Set(verdict.accepted.map(({ contributor }) => toHex(contributor)));
    return {
      accepted: peers.map(({ publicKey }) => accepted.has(toHex(publicKey))),
      reasons: new Set(verdict.refused.map(({ reason }) => reason)),
      auditable: book.auditable().length,
    };
  }

  test('are judged and can be audited, but wait for their first audit', async () => {
    const standings = new Map([standing(0, { proven: true }), standing(2, { proven: true, verified: 3 })]);
    expect(await judged({ standings })).toEqual({
      accepted: [true, false, true, false],
      reasons: new Set(['on-trial']),
      auditable: 4,
    });
  });

  test('count at once while too few others are audited', async () => {
    const standings = new Map([standing(0, { proven: true }), standing(1, { verified: 3 })]);
    expect((await judged({ standings })).accepted).toEqual([true, true, true, true]);
  });

  test('count at once where nobody holds audits: else they would wait forever', async () => {
    const standings = new Map([standing(0, { proven: true }), standing(1, { proven: true })]);
    expect((await judged({ standings, audited: false })).accepted).toEqual([true, true, true, true]);
  });

  test('whose audit failed wait in any case', async () => {
    const standings = new Map([standing(3, { verified: -1 })]);
    expect((await judged({ standings })).accepted).toEqual([true, true, true, false]);
  });
});

test('nothing is fetched before commits close; then what was revealed, until it is there or lost', async () => {
  const book = bookOf();
  const [a, b, c] = peers.map((peer) => peer.publicKey);
  for (const [i, key] of [a, b, c].entries()) book.commit(key, commitOf(key, works[i]), at.train);
  book.reveal(a, revealOf(works[0]), at.commit - 500); // a clock that runs ahead
  book.reveal(b, revealOf(works[1]), at.commit);
  expect(book.toFetch(at.commit - 1)).toEqual([]);
  const keys = () => new Set(book.toFetch(at.commit + 1).map((request) => toHex(request.contributor)));
  expect(keys()).toEqual(new Set([toHex(a), toHex(b)]));
  expect(book.entries().map((entry) => entry.state)).toEqual(['revealed', 'revealed', 'committed']);
  await book.bytes(a, works[0]);
  expect(keys()).toEqual(new Set([toHex(b)]));
  book.notServed(b, 'asked three peers');
  expect(keys()).toEqual(new Set());
  const verdict = await book.judge();
  expect(verdict.accepted).toHaveLength(1);
  expect(new Set(verdict.refused.map(({ reason, detail }) => `${reason}: ${detail}`))).toEqual(
    new Set([
      'not-revealed: asked three peers',
      'not-revealed: committed, but nothing was revealed before the deadline',
    ]),
  );
});

describe('what can be put right', () => {
  test('a reveal or bytes that do not match do no harm when the right ones follow', async () => {
    const book = bookOf();
    const key = peers[0].publicKey;
    book.commit(key, commitOf(key, works[0]), at.train);
    expect(book.reveal(key, revealOf(works[1]), at.commit)).toMatchObject({ reason: 'hash-mismatch' });
    expect(book.reveal(key, revealOf(works[0]), at.commit)).toEqual({ ok: true });
    expect(await book.bytes(key, works[1])).toMatchObject({ reason: 'hash-mismatch' });
    expect(await book.bytes(key, works[0])).toEqual({ ok: true });
    expect((await book.judge()).accepted).toHaveLength(1);
  });

  test("the last round's certificate arrives while this one's commits do", async () => {
    let root = testHash('old root');
    const book = bookOf({ baseRoot: () => root });
    await submit(book, 0);
    expect(book.toFetch(at.commit)).toEqual([]);
    root = ROOT;
    expect((await book.judge()).accepted).toHaveLength(1);
  });
});

describe('receipts', () => {
  test.each([
    ['another run', { run: testHash('other') }, 'wrong-round'],
    ['another round', { round: ROUND + 1 }, 'wrong-round'],
    ['too many steps', { innerSteps: 31 }, 'malformed'],
    ['too many tokens', { tokens: 513 }, 'malformed'],
    ['too large', { size: 1 << 28 }, 'too-large'],
  ] as const)('commit with %s', (_, change, reason) => {
    const key = peers[0].publicKey;
    expect(bookOf().commit(key, commitOf(key, works[0], change), at.train)).toMatchObject({
      ok: false,
      reason,
    });
  });

  test('outside the window', () => {
    const key = peers[0].publicKey;
    const commit = commitOf(key, works[0]);
    const start = at.train - manifest.schedule.trainMs;
    expect(bookOf().commit(key, commit, start - 1)).toMatchObject({ reason: 'wrong-round' });
    expect(bookOf().commit(key, commit, start)).toEqual({ ok: true });
    expect(bookOf().commit(key, commit, at.commit - 1)).toEqual({ ok: true });
    expect(bookOf().commit(key, commit, at.commit + 7)).toMatchObject({
      reason: 'late',
      detail: 'committed 7 ms after the deadline',
    });
    expect(bookOf().reveal(key, revealOf(works[0]), at.commit)).toMatchObject({ reason: 'late' });
  });
});

describe('real bytes', () => {
  test.each([
    ['cut short', (bytes: Uint8Array) => bytes.slice(0, 500), 'malformed'],
    [
      'noise',
      (bytes: Uint8Array) => bytes.map((byte, i) => (i < 21 ? byte : (byte * 7 + i) & 255)),
      'malformed',
    ],
    ['nothing', () => new Uint8Array(1), 'malformed'],
  ] as const)('%s', async (_, spoil, reason) => {
    expect(await submit(bookOf(), 0, spoil(works[0]))).toMatchObject({ ok: false, reason });
  });

  test('made by another contributor or for another round', async () => {
    expect(await submit(bookOf(), 0, works[1])).toMatchObject({
      reason: 'malformed',
      detail: 'made by another contributor',
    });
    const old = await submissionOf(peers[0].publicKey, 0, ROUND - 1);
    expect(await submit(bookOf(), 0, old)).toMatchObject({
      reason: 'malformed',
      detail: 'made for round 1, not 2',
    });
  });

  test('a support copied under an own header is the copy when committed later', async () => {
    const book = bookOf();
    for (const i of [0, 1, 2]) await submit(book, i);
    await submit(book, 3, await submissionOf(peers[3].publicKey, 1));
    const { accepted, refused } = await book.judge();
    expect(accepted).toHaveLength(3);
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatchObject({ contributor: peers[3].publicKey, reason: 'copy' });
    expect(refused[0].detail).toContain(toHex(peers[1].publicKey).slice(0, 8));
  });

  test('a norm far above the median, even as one of two', async () => {
    const book = bookOf();
    await submit(book, 0, await submissionOf(peers[0].publicKey, 0, ROUND, 1));
    await submit(book, 1);
    const { refused } = await book.judge();
    expect(refused).toMatchObject([{ contributor: peers[0].publicKey, reason: 'norm' }]);
  });
});

test('a norm that is short for its tokens, less strictly where its sender begins from empty moments', async () => {
  const more = await Promise.all([4, 5].map(testIdentity));
  const five = [...peers, ...more].slice(0, 5);
  const bytes = await Promise.all(five.map((peer, i) => submissionOf(peer.publicKey, i)));
  const judged = async (short: number, fresh: readonly number[]) => {
    const keys = fresh.map((i) => toHex(five[i].publicKey));
    const real = inspectorFor(manifest);
    const book = bookOf({
      manifest: { ...manifest, gauntlet: { ...manifest.gauntlet, minNorm: 0.8 } },
      inspect: (data, expected) => {
        const result = real.inspect(data, expected);
        if (!result.ok) return result;
        const norm = toHex(expected.contributor) === toHex(five[0].publicKey) ? short : 1;
        return { ok: true, inspected: { ...result.inspected, norm } };
      },
      carries: { problem: () => null, startsOver: (key) => keys.includes(toHex(key)) },
    });
    for (const [i, { publicKey }] of five.entries()) {
      book.commit(publicKey, commitOf(publicKey, bytes[i]), at.commit - 1);
      book.reveal(publicKey, revealOf(bytes[i]), at.commit);
      await book.bytes(publicKey, bytes[i]);
    }
    return (await book.judge()).refused.map(({ reason }) => reason);
  };
  expect(await judged(0.6, [])).toEqual(['work']);
  expect(await judged(0.6, [0])).toEqual([]);
  expect(await judged(0.4, [0])).toEqual(['work']);
  // In a run's first round all begin.
  expect(await judged(0.6, [0, 1, 2, 3, 4])).toEqual(['work']);
});

describe('the loss gate', () => {
  test('refuses what makes it worse, and says what cannot be measured in time', async () => {
    const bad = toHex(peers[1].publicKey);
    const slow = toHex(peers[2].publicKey);
    const evaluate: Evaluate = async (candidate) => {
      const key = toHex(candidate.contributor);
      if (key === slow) return null;
      if (key !== bad) return better(candidate);
      const worse = { before: [5, 4, 4.5, 5], after: [5.5, 4.6, 5, 5.55] };
      return { assigned: worse, unassigned: worse };
    };
    const book = bookOf({ evaluate });
    for (const i of [0, 1, 2]) await submit(book, i);
    const { accepted, refused, scores } = await book.judge();
    expect(accepted.map((entry) => toHex(entry.contributor))).toEqual([toHex(peers[0].publicKey)]);
    const reasons = new Map(refused.map((entry) => [toHex(entry.contributor), entry.reason]));
    expect(reasons).toEqual(
      new Map([
        [bad, 'loss'],
        [slow, 'capacity'],
      ]),
    );
    expect(scores).toHaveLength(2);
  });

  describe('a fifth of the others’ gain', () => {
    /** Reasons of refusal when peer 3 gains a fifth; these begin from empty moments. */
    async function refusals(fresh: readonly number[], change: (keys: string[]) => Partial<BookOptions>) {
      const keys = peers.map(({ publicKey }) => toHex(publicKey));
      const evaluate: Evaluate = async ({ contributor }) => {
        const gain = toHex(contributor) === keys[3] ? 0.02 : 0.1;
        const noise = [-0.001, 0, 0, 0.001];
        const losses = { before: [5, 5, 5, 5], after: noise.map((n) => 5 - gain + n) };
        return { assigned: losses, unassigned: losses };
      };
      const gauntlet = { ...manifest.gauntlet, minGain: 0.3 };
      const begin = fresh.map((i) => keys[i]);
      const book = bookOf({ evaluate, manifest: { ...manifest, gauntlet }, ...change(begin) });
      for (const i of peers.keys()) await submit(book, i);
      return (await book.judge()).refused.map(({ contributor, reason }) => [
        keys.indexOf(toHex(contributor)),
        reason,
      ]);
    }
    const bySight = (begin: string[]): Partial<BookOptions> => ({
      carries: { problem: () => null, startsOver: (key) => begin.includes(toHex(key)) },
    });
    const byStanding = (begin: string[]): Partial<BookOptions> => ({
      standings: new Map(
        peers
          .map(({ publicKey }) => [toHex(publicKey), { ...newStanding(publicKey), measurements: 1 }] as const)
          .filter(([key]) => !begin.includes(key)),
      ),
    });

    test.each([
      ['where audits tell whose moments are empty', bySight],
      ['where only the first round tells', byStanding],
    ])('is enough for who joins the others, and for nobody else: %s', async (_, change) => {
      expect(await refusals([3], change)).toEqual([]);
      expect(await refusals([2], change)).toEqual([[3, 'loss']]);
      // In a run's first round all begin.
      expect(await refusals([0, 1, 2, 3], change)).toEqual([[3, 'loss']]);
    });
  });

  describe('three newcomers who gain nothing, beside one who passed an audit', () => {
    async function refused(change: Partial<BookOptions> & { trialFrom?: number }) {
      const key = toHex(peers[0].publicKey);
      const evaluate: Evaluate = async ({ contributor }) => {
        const gain = toHex(contributor) === key ? 0.1 : 0;
        const losses = { before: [5, 5, 5, 5], after: [-0.001, 0, 0, 0.001].map((n) => 5 - gain + n) };
        return { assigned: losses, unassigned: losses };
      };
      const standings = new Map([[key, { ...newStanding(peers[0].publicKey), proven: true }]]);
      const gauntlet = { ...manifest.gauntlet, minGain: 0.3, trialFrom: change.trialFrom ?? 1 };
      const book = bookOf({ evaluate, standings, manifest: { ...manifest, gauntlet }, ...change });
      for (const i of peers.keys()) await submit(book, i);
      return (await book.judge()).refused.map(({ reason }) => reason);
    }

    test('are held against it, not against each other, when such a one is enough', async () => {
      expect(await refused({ audited: true })).toEqual(['loss', 'loss', 'loss']);
    });

    test('are each other’s yardstick when it is not, or when nobody is audited', async () => {
      expect(await refused({ audited: true, trialFrom: 2 })).toEqual([]);
      expect(await refused({ audited: false })).toEqual([]);
    });
  });

  test('an explosion to infinity is refused and its score is the worst legal one', async () => {
    const evaluate: Evaluate = async () => ({
      assigned: { before: [5], after: [Number.POSITIVE_INFINITY] },
      unassigned: { before: [5], after: [Number.NaN] },
    });
    const book = bookOf({ evaluate });
    await submit(book, 0);
    const verdict = await book.judge();
    expect(verdict.refused).toMatchObject([{ reason: 'loss' }]);
    expect(verdict.scores).toMatchObject([{ assigned: -1e6, unassigned: -1e6 }]);
    expect(noCertificate(verdict)).toEqual({
      kind: 'no-certificate',
      run: RUN,
      round: ROUND,
      refused: verdict.refused,
    });
  });
});

test('a flood of new identities fills the book for newcomers only', async () => {
  const known = { ...newStanding(peers[0].publicKey), verified: 1 };
  const book = bookOf({ standings: new Map([[toHex(known.contributor), known]]) });
  const anyCommit = commitOf(testHash('nobody'), works[1]);
  for (let i = 0; i < 4096; i++) {
    expect(book.commit(testHash(`flood ${i}`), anyCommit, at.train).ok).toBe(true);
  }
  for (let i = 0; i < 1000; i++) {
    expect(book.commit(testHash(`late flood ${i}`), anyCommit, at.train)).toMatchObject({
      reason: 'capacity',
    });
  }
  expect(await submit(book, 0)).toEqual({ ok: true });
  const verdict = await book.judge();
  expect(verdict.accepted).toHaveLength(1);
  expect(verdict.refused).toHaveLength(64);
});

test('an empty round has an empty verdict', async () => {
  expect(await bookOf().judge()).toMatchObject({ accepted: [], refused: [], scores: [] });
});
