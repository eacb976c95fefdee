/** The book's own rules: what it takes when, what it fetches, what it forgives, and whom it leaves out. */
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { ownReason } from '../chain/own-reason.ts';
import { testAccount, testAccounts, testRun } from '../chain/testing.ts';
import type { Run } from '../chain/run.ts';
import { compareBytes, fromHex, sha256Sync, toHex } from '../protocol/bytes.ts';
import type { Identity } from '../protocol/identity.ts';
import type { GauntletRules } from '../protocol/manifest.ts';
import { CommitSchema, type MessageOf } from '../protocol/messages.ts';
import { encodePassedOver } from '../protocol/passed-over.ts';
import { sealOf } from '../protocol/seal.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';
import { type BookOptions, RoundBook } from './book.ts';
import { refusal } from './notes.ts';
import { type ScriptedClaim, scriptedClaim, ScriptedJudge, type ScriptedWork } from './testing.ts';

const RUN = testHash('run');
const ROUND = 2;
const ROOT = testHash('root');
const manifest = testManifest(testHash('organizer'), []);
const runWith = (rules: Partial<GauntletRules> = {}): Run =>
  testRun({ ...manifest, gauntlet: { ...manifest.gauntlet, ...rules } }, RUN);
const at = runWith().rounds.deadlines(ROUND);
const works = [0, 1, 2, 3].map((i) => testHash(`work ${i}`));
let peers: Identity[];
let keys: string[];

beforeAll(async () => {
  peers = await Promise.all([0, 1, 2, 3].map(testIdentity));
  keys = peers.map(({ publicKey }) => toHex(publicKey));
});

type Change = Partial<BookOptions<ScriptedClaim, ScriptedWork>>;

function bookOf(change: Change = {}) {
  const judge = new ScriptedJudge();
  const book = new RoundBook<ScriptedClaim, ScriptedWork>({
    run: runWith(),
    round: ROUND,
    judge,
    baseRoot: () => ROOT,
    ledger: () => testAccounts(),
    standings: new Map(),
    isMember: () => true,
    previous: [],
    audited: false,
    ...change,
  });
  return { book, judge };
}

const claimOf = (bytes: Uint8Array, change: Partial<ScriptedClaim> = {}): Uint8Array =>
  scriptedClaim({
    blob: { hash: sha256Sync(bytes), size: bytes.byteLength },
    units: 512,
    baseRoot: ROOT,
    ...change,
  });

const commitOf = (
  contributor: Uint8Array,
  claim: Uint8Array,
  change: Partial<MessageOf<'commit'>> = {},
): MessageOf<'commit'> => ({
  kind: 'commit',
  run: RUN,
  round: ROUND,
  seal: sealOf(RUN, ROUND, contributor, claim),
  ...change,
});

const revealOf = (claim: Uint8Array, change: Partial<MessageOf<'reveal'>> = {}): MessageOf<'reveal'> => ({
  kind: 'reveal',
  run: RUN,
  round: ROUND,
  claim,
  peer: 'peer',
  ...change,
});

type Book = RoundBook<ScriptedClaim, ScriptedWork>;

/** Commits, reveals and delivers the work of peer `i`. */
async function submit(book: Book, i: number, change: Partial<ScriptedClaim> = {}) {
  const { publicKey } = peers[i];
  const claim = claimOf(works[i], change);
  expect(book.commit(publicKey, commitOf(publicKey, claim), at.commit - 1)).toEqual({ ok: true });
  expect(book.reveal(publicKey, revealOf(claim), at.commit)).toEqual({ ok: true });
  return book.bytes(publicKey, works[i]);
}

const reasonsOf = (verdict: {
  refused: readonly { contributor: Uint8Array; reason: string; note: { code: string } }[];
}) =>
  new Map(
    verdict.refused.map(({ contributor, reason, note }) => [
      keys.indexOf(toHex(contributor)),
      `${reason}: ${note.code}`,
    ]),
  );
const acceptedOf = (verdict: { accepted: readonly { contributor: Uint8Array }[] }) =>
  verdict.accepted.map(({ contributor }) => keys.indexOf(toHex(contributor))).sort((a, b) => a - b);

test('a quiet round: all accepted, weighted by units, scores kept', async () => {
  const { book, judge } = bookOf();
  for (const [i, units] of [512, 256, 128, 64].entries())
    expect(await submit(book, i, { units })).toEqual({ ok: true });
  const verdict = await book.judge();
  expect(verdict).toMatchObject({ round: ROUND, baseRoot: ROOT, refused: [], joined: [], audits: [] });
  const weights = new Map(verdict.accepted.map((entry) => [toHex(entry.contributor), entry.weight]));
  expect(keys.map((key) => weights.get(key))).toEqual([1024, 512, 256, 128]);
  expect(verdict.accepted.map(({ units }) => units).sort((a, b) => b - a)).toEqual([512, 256, 128, 64]);
  const claims = new Map(verdict.accepted.map((entry) => [toHex(entry.contributor), entry.claim]));
  expect(claims.get(keys[1])).toEqual(claimOf(works[1], { units: 256 }));
  expect(verdict.scores).toHaveLength(4);
  expect(verdict.scores[0]).toMatchObject({ assigned: 0.2, unassigned: 0.1 });
  for (const list of [verdict.accepted, verdict.scores])
    for (let i = 1; i < list.length; i++)
      expect(compareBytes(list[i - 1].contributor, list[i].contributor)).toBeLessThan(0);
  expect(book.entries().map((entry) => entry.state)).toEqual(new Array(4).fill('accepted'));
  expect(book.workOf(peers[1].publicKey)?.bytes).toBe(works[1]);
  expect(book.workOf(peers[1].publicKey)?.claimBytes).toEqual(claims.get(keys[1]));
  expect(new Set(book.applied().map(({ name }) => name))).toEqual(new Set(keys));
  expect(judge.asked.slice(-2)).toEqual(['compare 4', 'measure 4']);
});

describe('newcomers in a round with audited work', () => {
  const account = (i: number, change: Parameters<typeof testAccount>[1]) =>
    testAccount(peers[i].publicKey, change);

  async function judged(change: Change, still: readonly number[] = []) {
    const { book, judge } = bookOf({ run: runWith({ trialFrom: 2 }), audited: true, ...change });
    for (const i of still) judge.still.add(keys[i]);
    for (const i of peers.keys()) await submit(book, i);
    const verdict = await book.judge();
    const accepted = new Set(verdict.accepted.map(({ contributor }) => toHex(contributor)));
    return {
      accepted: keys.map((key) => accepted.has(key)),
      notes: new Set(verdict.refused.map(({ reason, note }) => `${reason} ${note.code}`)),
      auditable: book.auditable().length,
      counts: judge.lastCompared.map(({ counts }) => counts),
    };
  }

  test('are judged and can be audited, but wait for their first audit', async () => {
    const ledger = () =>
      testAccounts(account(0, { proven: true }), account(2, { proven: true, verified: 3 }));
    expect(await judged({ ledger })).toEqual({
      accepted: [true, false, true, false],
      notes: new Set(['on-trial awaits-audit']),
      auditable: 4,
      counts: [true, false, true, false],
    });
  });

  test('count at once while too few others are audited', async () => {
    const ledger = () => testAccounts(account(0, { proven: true }), account(1, { verified: 3 }));
    expect(await judged({ ledger })).toMatchObject({
      accepted: [true, true, true, true],
      counts: [true, true, true, true],
    });
  });

  test('count at once where nobody holds audits: else they would wait forever', async () => {
    const ledger = () => testAccounts(account(0, { proven: true }), account(1, { proven: true }));
    expect((await judged({ ledger, audited: false })).accepted).toEqual([true, true, true, true]);
  });

  test('whose audit failed wait in any case', async () => {
    const ledger = () => testAccounts(account(3, { verified: -1 }));
    expect(await judged({ ledger })).toMatchObject({
      accepted: [true, true, true, false],
      notes: new Set(['on-trial audit-failed-before']),
    });
  });

  test('audited work that changes nothing is no yardstick', async () => {
    const ledger = () => testAccounts(account(0, { proven: true }), account(2, { proven: true }));
    expect((await judged({ ledger }, [0])).counts).toEqual([true, true, true, true]);
  });
});

test('nothing is fetched before commits close; then what was revealed, until it is there or lost', async () => {
  const { book } = bookOf();
  const [a, b, c] = peers.map((peer) => peer.publicKey);
  const claims = works.map((bytes) => claimOf(bytes));
  for (const [i, key] of [a, b, c].entries()) book.commit(key, commitOf(key, claims[i]), at.train);
  book.reveal(a, revealOf(claims[0]), at.commit - 500); // a clock that runs ahead
  book.reveal(b, revealOf(claims[1], { peer: 'peer of b' }), at.commit);
  expect(book.toFetch(at.commit - 1)).toEqual([]);
  const asked = () => new Set(book.toFetch(at.commit + 1).map((request) => toHex(request.contributor)));
  expect(asked()).toEqual(new Set([toHex(a), toHex(b)]));
  expect(book.entries().map((entry) => entry.state)).toEqual(['revealed', 'revealed', 'committed']);
  await book.bytes(a, works[0]);
  expect(asked()).toEqual(new Set([toHex(b)]));
  const blob = { hash: sha256Sync(works[1]), size: works[1].byteLength };
  expect(book.toFetch(at.commit)).toEqual([{ contributor: b, blob, peer: 'peer of b' }]);
  book.notServed(b, refusal('not-revealed', 'not-served', { error: 'asked three peers' }));
  expect(asked()).toEqual(new Set());
  const verdict = await book.judge();
  expect(acceptedOf(verdict)).toEqual([0]);
  expect(reasonsOf(verdict)).toEqual(
    new Map([
      [1, 'not-revealed: not-served'],
      [2, 'not-revealed: never-revealed'],
    ]),
  );
  expect(verdict.refused.find(({ note }) => note.code === 'not-served')?.note.figures).toEqual({
    error: 'asked three peers',
  });
});

describe('what can be put right', () => {
  test('a reveal or bytes that do not match do no harm when the right ones follow', async () => {
    const { book } = bookOf();
    const key = peers[0].publicKey;
    const claim = claimOf(works[0]);
    book.commit(key, commitOf(key, claim), at.train);
    expect(book.reveal(key, revealOf(claimOf(works[1])), at.commit)).toMatchObject({
      reason: 'hash-mismatch',
      note: { code: 'other-claim' },
    });
    expect(book.reveal(key, revealOf(claim), at.commit)).toEqual({ ok: true });
    expect(await book.bytes(key, works[1])).toMatchObject({
      reason: 'hash-mismatch',
      note: { code: 'other-bytes' },
    });
    expect(await book.bytes(key, works[0])).toEqual({ ok: true });
    expect(acceptedOf(await book.judge())).toEqual([0]);
  });

  test("the last round's certificate arrives while this one's commits do", async () => {
    let root = testHash('old root');
    const { book } = bookOf({ baseRoot: () => root });
    await submit(book, 0);
    expect(book.toFetch(at.commit)).toEqual([]);
    root = ROOT;
    expect(acceptedOf(await book.judge())).toEqual([0]);
  });

  test('work from another state is neither fetched nor accepted', async () => {
    const { book } = bookOf();
    await submit(book, 0, { baseRoot: testHash('elsewhere') });
    expect(book.toFetch(at.commit)).toEqual([]);
    expect(reasonsOf(await book.judge())).toEqual(new Map([[0, 'state: other-state']]));
  });

  test('the same message again is fine, at any point', async () => {
    const { book } = bookOf();
    const key = peers[0].publicKey;
    const claim = claimOf(works[0]);
    for (let i = 0; i < 2; i++) {
      expect(book.commit(key, commitOf(key, claim), at.train)).toEqual({ ok: true });
      expect(book.reveal(key, revealOf(claim), at.commit)).toEqual({ ok: true });
      expect(await book.bytes(key, works[0])).toEqual({ ok: true });
    }
    // Also after the deadlines: gossip may bring it late once more.
    expect(book.commit(key, commitOf(key, claim), at.judge)).toEqual({ ok: true });
    expect(book.reveal(key, revealOf(claim), at.judge)).toEqual({ ok: true });
    expect(acceptedOf(await book.judge())).toEqual([0]);
  });
});

describe('receipts', () => {
  test.each([
    ['another run', { run: testHash('other') }, { code: 'other-run', figures: {} }],
    ['another round', { round: ROUND + 1 }, { code: 'other-round', figures: { round: 3, open: ROUND } }],
  ] as const)('of a commit and a reveal for %s', async (_, change, note) => {
    const key = peers[0].publicKey;
    const claim = claimOf(works[0]);
    const { book } = bookOf();
    const wrong = { ok: false, reason: 'wrong-round', note };
    expect(book.commit(key, commitOf(key, claim, change), at.train)).toEqual(wrong);
    expect(book.reveal(key, revealOf(claim, change), at.commit)).toEqual(wrong);
    expect((await book.judge()).refused).toEqual([]);
  });

  test('outside the window', () => {
    const key = peers[0].publicKey;
    const claim = claimOf(works[0]);
    const commit = commitOf(key, claim);
    const start = at.train - manifest.schedule.trainMs;
    expect(bookOf().book.commit(key, commit, start - 1)).toMatchObject({
      reason: 'wrong-round',
      note: { code: 'early-commit', figures: { ms: 1 } },
    });
    expect(bookOf().book.commit(key, commit, start)).toEqual({ ok: true });
    expect(bookOf().book.commit(key, commit, at.commit - 1)).toEqual({ ok: true });
    expect(bookOf().book.commit(key, commit, at.commit)).toMatchObject({ note: { figures: { ms: 0 } } });
    expect(bookOf().book.commit(key, commit, at.commit + 7)).toMatchObject({
      reason: 'late',
      note: { code: 'late-commit', figures: { ms: 7 } },
    });
    expect(bookOf().book.reveal(key, revealOf(claim), at.commit)).toMatchObject({
      reason: 'late',
      note: { code: 'no-commit' },
    });
  });

  test('a late reveal ends its round; so does a claim that cannot be', async () => {
    const { book, judge } = bookOf();
    judge.refusedClaims.set(keys[1], refusal('too-large', 'too-large', { bytes: 9, most: 8 }));
    for (const i of [0, 1]) {
      const claim = claimOf(works[i]);
      book.commit(peers[i].publicKey, commitOf(peers[i].publicKey, claim), at.train);
      const time = i === 0 ? at.reveal : at.reveal - 1;
      expect(book.reveal(peers[i].publicKey, revealOf(claim), time).ok).toBe(false);
      // Said again in time, or as anything else, it stays refused.
      expect(book.reveal(peers[i].publicKey, revealOf(claim), at.commit).ok).toBe(false);
      expect(await book.bytes(peers[i].publicKey, works[i])).toMatchObject({ ok: false });
    }
    expect(judge.asked.filter((asked) => asked.startsWith('read'))).toEqual([`read ${keys[1]}`]);
    const verdict = await book.judge();
    expect(reasonsOf(verdict)).toEqual(
      new Map([
        [0, 'late: late-reveal'],
        [1, 'too-large: too-large'],
      ]),
    );
    expect(verdict.refused.find(({ reason }) => reason === 'late')?.note.figures).toEqual({ ms: 0 });
  });

  test('two commits of one contributor void its round, whatever it reveals', async () => {
    const { book } = bookOf();
    const key = peers[0].publicKey;
    const [one, other] = [claimOf(works[0]), claimOf(works[1])];
    expect(book.commit(key, commitOf(key, one), at.train)).toEqual({ ok: true });
    expect(book.commit(key, commitOf(key, other), at.train)).toMatchObject({
      reason: 'duplicate',
      note: { code: 'two-commits' },
    });
    expect(book.reveal(key, revealOf(one), at.commit)).toMatchObject({ reason: 'duplicate' });
    expect(reasonsOf(await book.judge())).toEqual(new Map([[0, 'duplicate: two-commits']]));
  });

  test('who is not admitted hears so, and leaves nothing behind', async () => {
    const { book } = bookOf({ isMember: (key) => toHex(key) !== keys[0] });
    const key = peers[0].publicKey;
    const claim = claimOf(works[0]);
    expect(book.commit(key, commitOf(key, claim), at.train)).toMatchObject({
      reason: 'not-member',
      note: { code: 'not-admitted' },
    });
    expect(book.reveal(key, revealOf(claim), at.commit)).toMatchObject({ reason: 'not-member' });
    expect(await book.bytes(key, works[0])).toMatchObject({ ok: false });
    expect(await book.judge()).toMatchObject({ refused: [], unlisted: [], passedOver: [] });
    expect(book.entries()).toEqual([]);
  });

  test('whose membership ended after its commit is neither accepted nor listed', async () => {
    let members: readonly string[] = keys;
    const { book } = bookOf({ isMember: (key) => members.includes(toHex(key)) });
    await submit(book, 0);
    await submit(book, 1);
    members = keys.slice(1);
    const verdict = await book.judge();
    expect(acceptedOf(verdict)).toEqual([1]);
    expect(verdict.refused).toEqual([]);
    expect(book.entries()[0]).toMatchObject({ state: 'refused', refusal: { reason: 'not-member' } });
  });

  test('a commit holds nothing beside run, round and seal; a second one that differs in any of them is another', () => {
    expect(Object.keys(CommitSchema.entries).sort()).toEqual(['kind', 'round', 'run', 'seal']);
    const { book } = bookOf();
    const key = peers[0].publicKey;
    const commit = commitOf(key, claimOf(works[0]));
    expect(book.commit(key, commit, at.train)).toEqual({ ok: true });
    expect(book.commit(key, { ...commit }, at.train)).toEqual({ ok: true });
    const longer = { ...commit, more: 1 } as typeof commit;
    expect(book.commit(key, longer, at.train)).toMatchObject({ reason: 'duplicate' });
  });

  test('bytes that the judge refuses are not work, and refuse their sender', async () => {
    const { book, judge } = bookOf();
    judge.refusedBytes.set(keys[0], refusal('not-finite', 'no-finite-norm'));
    expect(await submit(book, 0)).toMatchObject({ ok: false, reason: 'not-finite' });
    expect(book.workOf(peers[0].publicKey)).toBeNull();
    expect(judge.asked.at(-1)).toBe(`inspect ${keys[0]}`);
    expect(reasonsOf(await book.judge())).toEqual(new Map([[0, 'not-finite: no-finite-norm']]));
    expect(judge.lastCompared).toEqual([]);
  });
});

describe('judging', () => {
  test('refused work is compared too, since others may have copied it, and is not measured', async () => {
    const previous = [{ name: 'applied before' }];
    const { book, judge } = bookOf({ previous });
    for (const i of [0, 1, 2]) await submit(book, i);
    const key = peers[1].publicKey;
    book.commit(key, commitOf(key, claimOf(works[3])), at.train);
    judge.compared.set(keys[2], refusal('copy', 'copied-positions', { share: 1, limit: 0.6, from: 'x' }));
    // A refused one keeps its first reason.
    judge.compared.set(keys[1], refusal('norm', 'changes-nothing'));
    const verdict = await book.judge();
    expect(
      judge.lastCompared.map(({ work, refused }) => [keys.indexOf(work.inspected.name), refused]),
    ).toEqual([
      [0, false],
      [1, true],
      [2, false],
    ]);
    expect(judge.lastPrevious).toBe(previous);
    expect(judge.asked.slice(-2)).toEqual(['compare 3', 'measure 1']);
    expect(acceptedOf(verdict)).toEqual([0]);
    expect(reasonsOf(verdict)).toEqual(
      new Map([
        [1, 'duplicate: two-commits'],
        [2, 'copy: copied-positions'],
      ]),
    );
    expect(book.applied()).toEqual([{ name: keys[0] }]);
  });

  test('what a measurement refuses is refused; a score of it still counts', async () => {
    const { book, judge } = bookOf();
    for (const i of [0, 1, 2]) await submit(book, i);
    const score = { contributor: peers[1].publicKey, assigned: -1, unassigned: -1 };
    judge.measured.set(keys[1], { refusal: refusal('loss', 'loss-worse', { nats: 1, noise: 0 }), score });
    judge.measured.set(keys[2], { refusal: refusal('capacity', 'not-measured'), score: null });
    const verdict = await book.judge();
    expect(acceptedOf(verdict)).toEqual([0]);
    expect(reasonsOf(verdict)).toEqual(
      new Map([
        [1, 'loss: loss-worse'],
        [2, 'capacity: not-measured'],
      ]),
    );
    expect(verdict.scores).toHaveLength(2);
    expect(verdict.scores).toContainEqual(score);
  });

  test('more good work than places: a quarter more is measured, in the order of lots, and steps in', async () => {
    const { book, judge } = bookOf({ run: runWith({ maxAccepted: 2 }) });
    for (const i of peers.keys()) await submit(book, i);
    const verdict = await book.judge();
    expect(judge.asked.at(-1)).toBe('measure 3');
    expect(acceptedOf(verdict)).toHaveLength(2);
    expect([...reasonsOf(verdict).values()]).toEqual(['capacity: not-drawn', 'capacity: not-drawn']);
    expect(verdict.refused[0].note.figures).toEqual({ most: 2 });
    // With one of the two out, the reserve has its place.
    const again = bookOf({ run: runWith({ maxAccepted: 2 }) });
    const [out] = acceptedOf(verdict);
    again.judge.measured.set(keys[out], { refusal: refusal('loss', 'loss-undefined'), score: null });
    for (const i of peers.keys()) await submit(again.book, i);
    const second = await again.book.judge();
    expect(acceptedOf(second)).toHaveLength(2);
    expect(acceptedOf(second)).not.toContain(out);
  });

  test('what was never fetched is refused for want of room', async () => {
    const { book } = bookOf({ run: runWith({ maxAccepted: 1 }) });
    for (const { publicKey } of peers) {
      const claim = claimOf(works[0]);
      book.commit(publicKey, commitOf(publicKey, claim), at.train);
      book.reveal(publicKey, revealOf(claim), at.commit);
    }
    expect(book.toFetch(at.commit)).toHaveLength(2);
    const verdict = await book.judge();
    expect(new Set(reasonsOf(verdict).values())).toEqual(new Set(['capacity: not-fetched']));
  });

  test('newcomers and audits are listed by key', async () => {
    const { book } = bookOf();
    const joined = peers.map(({ publicKey }, nonce) => ({ contributor: publicKey, nonce, age: 0 }));
    const audits = peers.map(({ publicKey }) => ({
      contributor: publicKey,
      round: 1,
      outcome: 'passed' as const,
      note: { code: 'replayed', figures: {} },
    }));
    const verdict = await book.judge({ joined, audits });
    const sorted = keys.toSorted();
    expect(verdict.joined.map(({ contributor }) => toHex(contributor))).toEqual(sorted);
    expect(verdict.audits.map(({ contributor }) => toHex(contributor))).toEqual(sorted);
  });

  test('the lots are those of the seals, or those that are given', async () => {
    const { book } = bookOf();
    await submit(book, 0);
    const other = bookOf().book;
    await submit(other, 1);
    expect(book.lotSeed).not.toEqual(other.lotSeed);
    expect(bookOf({ lots: testHash('lots') }).book.lotSeed).toEqual(testHash('lots'));
  });

  test('a verdict lists as many refusals as a certificate holds, first those that came furthest', async () => {
    const { book } = bookOf({ isMember: (key) => !strangers.has(toHex(key)) });
    const strangers = new Set(Array.from({ length: 100 }, (_, i) => toHex(testHash(`stranger ${i}`))));
    for (const key of strangers) book.commit(fromHex(key), commitOf(fromHex(key), works[0]), at.train);
    for (let i = 0; i < 300; i++)
      book.commit(testHash(`late ${i}`), commitOf(testHash(i), works[0]), at.commit);
    const claim = claimOf(works[0]);
    const [silent, unserved] = peers.map(({ publicKey }) => publicKey);
    for (const key of [silent, unserved]) book.commit(key, commitOf(key, claim), at.train);
    book.reveal(unserved, revealOf(claim), at.commit);
    book.notServed(unserved, refusal('not-revealed', 'slow-bytes'));
    const { refused, unlisted, passedOver } = await book.judge();
    expect(refused).toHaveLength(64);
    // So many late ones are remembered, and none of them is passed over: it was their own doing.
    expect(unlisted).toHaveLength(256 + 2 - 64);
    expect(passedOver).toEqual([]);
    expect([...refused, ...unlisted].some(({ contributor }) => strangers.has(toHex(contributor)))).toBe(
      false,
    );
    const listed = new Set(refused.map(({ contributor }) => toHex(contributor)));
    expect([silent, unserved].every((key) => listed.has(toHex(key)))).toBe(true);
  });
});

test('a flood of new identities fills the book for newcomers only', async () => {
  const { book } = bookOf({ ledger: () => testAccounts(testAccount(peers[0].publicKey, { verified: 1 })) });
  const anyCommit = commitOf(testHash('nobody'), works[1]);
  for (let i = 0; i < 4096; i++)
    expect(book.commit(testHash(`flood ${i}`), anyCommit, at.train).ok).toBe(true);
  for (let i = 0; i < 1000; i++) {
    expect(book.commit(testHash(`late flood ${i}`), anyCommit, at.train)).toMatchObject({
      reason: 'capacity',
      note: { code: 'many-newcomers', figures: { most: 4096 } },
    });
  }
  expect(await submit(book, 0)).toEqual({ ok: true });
  const verdict = await book.judge();
  expect(acceptedOf(verdict)).toEqual([0]);
  expect(verdict.refused).toHaveLength(64);
});

test('work that finds no room in round nor list is passed over by name, whoever else fills the list', async () => {
  const { book } = bookOf({ run: runWith({ maxAccepted: 1 }) });
  const crowd = Array.from({ length: 100 }, (_, i) => ({
    key: testHash(`crowd ${i}`),
    work: testHash(`crowded ${i}`),
  }));
  const silent = Array.from({ length: 80 }, (_, i) => testHash(`silent ${i}`));
  for (const { key, work } of crowd) book.commit(key, commitOf(key, claimOf(work)), at.train);
  for (const key of silent) book.commit(key, commitOf(key, claimOf(key)), at.train);
  for (const { key, work } of crowd) book.reveal(key, revealOf(claimOf(work)), at.commit);
  // As much as is fetched at all.
  for (const { contributor } of book.toFetch(at.commit)) {
    const one = crowd.find(({ key }) => key === contributor);
    await book.bytes(contributor, one?.work ?? new Uint8Array());
  }
  const verdict = await book.judge();
  expect(verdict.accepted).toHaveLength(1);
  expect(new Set(verdict.refused.map(({ reason }) => reason))).toEqual(new Set(['not-revealed']));
  const over = new Set(verdict.passedOver.map(toHex));
  expect(over.size).toBe(99);
  const [winner] = verdict.accepted;
  for (const { key } of crowd)
    expect(over.has(toHex(key)) || toHex(key) === toHex(winner.contributor)).toBe(true);
  for (const key of silent) expect(over.has(toHex(key))).toBe(false);
  // Everybody finds its true reason in what the certificate says.
  const body = { refused: verdict.refused, passedOver: encodePassedOver(verdict.passedOver) };
  for (const { key } of crowd)
    if (toHex(key) !== toHex(winner.contributor)) expect(ownReason(body, key, true)).toBe('capacity');
  const told = silent.map((key) => ownReason(body, key, true));
  expect(told.filter((reason) => reason === 'not-revealed')).toHaveLength(64);
  expect(told.filter((reason) => reason === 'not-listed')).toHaveLength(16);
});

test('a flood of members without verified rounds leaves places to who has some', async () => {
  const known = testAccount(peers[0].publicKey, { verified: 3 });
  const { book } = bookOf({ run: runWith({ maxAccepted: 2 }), ledger: () => testAccounts(known) });
  const crowd = Array.from({ length: 200 }, (_, i) => testHash(`crowd ${i}`));
  for (const key of crowd) book.commit(key, commitOf(key, claimOf(key)), at.train);
  for (const key of crowd) book.reveal(key, revealOf(claimOf(key)), at.commit);
  const { publicKey } = peers[0];
  book.commit(publicKey, commitOf(publicKey, claimOf(works[0])), at.commit - 1);
  book.reveal(publicKey, revealOf(claimOf(works[0])), at.commit);
  expect(toHex(book.toFetch(at.commit)[0].contributor)).toBe(keys[0]);
});

test('an empty round has an empty verdict', async () => {
  const { book, judge } = bookOf();
  expect(await book.judge()).toEqual({
    round: ROUND,
    baseRoot: ROOT,
    accepted: [],
    refused: [],
    unlisted: [],
    passedOver: [],
    scores: [],
    joined: [],
    audits: [],
  });
  expect(judge.asked).toEqual(['compare 0', 'measure 0']);
});

test('whatever is said in whatever order: the book never throws, and everybody is listed at most once', async () => {
  const who = fc.nat(3);
  const step = fc.record({
    who,
    about: who,
    what: fc.constantFrom('commit', 'reveal', 'bytes', 'lost'),
    round: fc.constantFrom(ROUND, ROUND, ROUND, ROUND + 1),
    time: fc.constantFrom(at.train, at.commit, at.reveal, at.judge),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { book } = bookOf({ run: runWith({ maxAccepted: 2 }) });
      for (const s of steps) {
        const key = peers[s.who].publicKey;
        const claim = claimOf(works[s.about]);
        if (s.what === 'commit') book.commit(key, commitOf(key, claim, { round: s.round }), s.time);
        else if (s.what === 'reveal') book.reveal(key, revealOf(claim, { round: s.round }), s.time);
        else if (s.what === 'bytes') await book.bytes(key, works[s.about]);
        else book.notServed(key, refusal('not-revealed', 'slow-bytes'));
      }
      const verdict = await book.judge();
      const listed = [...verdict.accepted, ...verdict.refused].map(({ contributor }) => toHex(contributor));
      expect(new Set(listed).size).toBe(listed.length);
      expect(verdict.accepted.length).toBeLessThanOrEqual(2);
      // Everybody that committed hears of it, one way or the other.
      for (const { contributor } of book.entries()) expect(listed).toContain(toHex(contributor));
      for (const { contributor, claim } of verdict.accepted) {
        const work = book.workOf(contributor);
        expect(work?.claimBytes).toEqual(claim);
        expect(sha256Sync(work?.bytes ?? new Uint8Array())).toEqual(work?.read.blob.hash);
      }
    }),
    { numRuns: 200 },
  );
});
