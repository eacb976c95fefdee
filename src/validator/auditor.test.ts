/** Audits through the real validator: who is asked, what counts as an answer, and what the certificate says of it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CarryBook } from '../gauntlet/carries.ts';
import type { ReplayFigures } from '../gauntlet/replay.ts';
import { parameterLayout } from '../model/layout.ts';
import { toHex } from '../protocol/bytes.ts';
import { carryRoot, zeroCarry } from '../protocol/carry.ts';
import type { CertificateBody } from '../protocol/messages.ts';
import type { ReplayRequest, Replays } from '../gauntlet/replays.ts';
import { Auditor } from './auditor.ts';
import { type PretendedContributor, temporaryFolder, writeCorpus } from '../host/testing/fixtures.ts';
import { committed, createWorld, revealed, type Work, type World } from '../host/testing/world.ts';

const folder = temporaryFolder();
let corpus = '';
beforeAll(() => {
  corpus = writeCorpus(folder.dir);
});
afterAll(() => folder.remove());

/** Gives the figures that the test wants, and keeps what it was asked. */
class PretendedReplays implements Replays {
  readonly asked: ReplayRequest[] = [];
  figures: ReplayFigures = { work: 0.001, moment1: 0.001, moment2: 0.001, sent: 0, steps: 0 };
  failure: Error | null = null;

  async replay(request: ReplayRequest): Promise<ReplayFigures> {
    this.asked.push(request);
    if (this.failure !== null) throw this.failure;
    return this.figures;
  }

  async close(): Promise<void> {}
}

async function world(auditsPerRound = 1) {
  const replays = new PretendedReplays();
  let auditor: Auditor | null = null;
  const w = await createWorld({
    folder: folder.dir,
    corpus,
    overrides: { gauntlet: { auditsPerRound }, credits: { vestRounds: 50 } },
    extra: async ({ chain, swarm, run, seat, clock, lines }) => {
      auditor = new Auditor({
        chain,
        swarm,
        identity: seat.identity,
        replays,
        shard: async () => new Uint16Array(1024),
        now: () => clock.now,
        log: (line) => lines.push(line),
      });
      const { elements } = parameterLayout(run.manifest.model);
      return { auditor, carries: new CarryBook(carryRoot(await zeroCarry(elements))) };
    },
  });
  if (auditor === null) throw new Error('no auditor was made');
  return { ...w, replays, auditor: auditor as Auditor };
}
type AuditedWorld = Awaited<ReturnType<typeof world>>;

/** Plays a round in which all three are accepted; each learns what became of it. */
async function play(w: AuditedWorld, round: number): Promise<CertificateBody> {
  w.clock.now = Math.max(w.clock.now, w.at(round).train - 1000);
  w.validator.advance();
  const works = await committed(w, round);
  await settleWorks(w, round, works);
  await w.validator.settled();
  const body = w.chain.last?.body;
  if (body?.round !== round) throw new Error(`round ${round} was not certified`);
  return body;
}

async function settleWorks(w: World, round: number, works: readonly Work[]): Promise<void> {
  await revealed(w, round, works);
  // Fetching and measuring end in their own time; what they lead to is published.
  const nothing = () => w.swarm.published.some((m) => m.kind === 'no-certificate' && m.round === round);
  while (w.chain.head.round < round && !nothing()) await new Promise((resolve) => setImmediate(resolve));
  await w.validator.settled();
  const accepted = w.chain.last?.body.accepted ?? [];
  const submissions = accepted.map(({ submission, weight }) => ({
    bytes: w.swarm.blobs.get(toHex(submission.hash)) as Uint8Array,
    weight,
  }));
  for (const contributor of w.contributors) await contributor.replica.apply(submissions);
}

/** The contributor that the `nth` audit message asks, from 1. */
async function drawn(w: AuditedWorld, nth = 1): Promise<PretendedContributor> {
  const { contributors } = await w.swarm.heard('audit', nth);
  expect(contributors).toHaveLength(1);
  const one = w.contributors.find((c) => toHex(c.identity.publicKey) === toHex(contributors[0]));
  if (one === undefined) throw new Error('somebody else was drawn');
  return one;
}

async function answer(w: AuditedWorld, one: PretendedContributor, round: number): Promise<void> {
  const { answer: message, parts } = await one.show(round);
  for (const [hash, part] of parts) w.swarm.blobs.set(hash, part);
  expect(await w.validator.handle(message, 'p')).toBe('accept');
  await w.auditor.settled();
}

const accountOf = (w: AuditedWorld, one: PretendedContributor) =>
  w.chain.ledger.accounts.get(toHex(one.identity.publicKey));

test('an honest answer: replayed from the certified state, listed in the next certificate, credits vested', async () => {
  const w = await world();
  const theta = await w.chain.theta();
  const first = await play(w, 1);
  expect(first.audits).toEqual([]);
  const one = await drawn(w);
  await answer(w, one, 1);
  const [request] = w.replays.asked;
  expect(request?.job).toMatchObject({ before: null, innerSteps: 4, height: 1 });
  expect(request?.job.theta).toEqual(theta);
  expect(request?.claim.after.step).toBe(4);

  const second = await play(w, 2);
  expect(second.audits).toMatchObject([{ contributor: one.identity.publicKey, round: 1, outcome: 'passed' }]);
  const mine = first.credits.find((c) => toHex(c.contributor) === toHex(one.identity.publicKey));
  expect(accountOf(w, one)).toMatchObject({ vested: mine?.amount, auditsPassed: 1 });
  expect(accountOf(w, one)?.provisional).toBeGreaterThan(0);
  // Who was never audited comes first: three rounds, three contributors, then the outcome is not said twice.
  const next = await drawn(w, 2);
  expect(next).not.toBe(one);
  await answer(w, next, 2);
  expect(w.replays.asked[1]?.job.before?.step).toBe(4);
  expect((await play(w, 3)).audits.map((entry) => entry.round)).toEqual([2]);
  expect(new Set([one, next, await drawn(w, 3)]).size).toBe(3);
  await w.validator.stop();
});

test('a lie costs all provisional credits and the ramp', async () => {
  const w = await world();
  await play(w, 1);
  const one = await drawn(w);
  w.replays.figures = { ...w.replays.figures, work: 0.5 };
  await answer(w, one, 1);
  const body = await play(w, 2);
  expect(body.audits).toMatchObject([{ outcome: 'failed' }]);
  expect(body.audits[0].detail).toContain('work off by 0.50 (limit 0.003)');
  const account = accountOf(w, one);
  expect(account).toMatchObject({ credits: 0, provisional: 0, auditsFailed: 1 });
  expect(account?.forfeited).toBeGreaterThan(0);
  expect(w.chain.ledger.issued).toBe(
    [...w.chain.ledger.accounts.values()].reduce((sum, a) => sum + a.credits + a.forfeited, 0),
  );
  await w.validator.stop();
});

test('who shows something else than it committed to failed, without a replay', async () => {
  const w = await world();
  await play(w, 1);
  const one = await drawn(w);
  const other = w.contributors.find((c) => c !== one) as PretendedContributor;
  const foreign = other.keeper.snapshot(1);
  if (foreign === null) throw new Error('no snapshot');
  one.keeper.snapshot = () => foreign;
  await answer(w, one, 1);
  expect(w.replays.asked).toEqual([]);
  expect((await play(w, 2)).audits).toMatchObject([
    { outcome: 'failed', detail: 'shows another carry after the round than committed' },
  ]);
  await w.validator.stop();
});

test('who is silent is asked twice and then failed; a machine that cannot replay blames nobody', async () => {
  const w = await world();
  await play(w, 1);
  const silent = await drawn(w);
  w.clock.now = w.at(2).train - w.run.manifest.schedule.trainMs / 2;
  w.validator.advance();
  expect(await drawn(w, 2)).toBe(silent);
  const second = await play(w, 2);
  expect(second.audits).toMatchObject([
    { contributor: silent.identity.publicKey, outcome: 'failed', detail: /asked twice/ },
  ]);
  w.replays.failure = new Error('the GPU is gone');
  const other = await drawn(w, 3);
  await answer(w, other, 2);
  // Who failed is no member any more.
  w.contributors.splice(w.contributors.indexOf(silent), 1);
  expect((await play(w, 3)).audits).toEqual([]);
  expect(w.lines.join('\n')).toMatch(/was given up: the GPU is gone/);
  await w.validator.stop();
});

test('a machine that slept, or certified too late, blames nobody for what it did not hear', async () => {
  for (const wake of ['commit', 'judge'] as const) {
    const w = await world();
    await play(w, 1);
    await drawn(w);
    if (wake === 'judge') {
      w.clock.now = w.at(2).train - w.run.manifest.schedule.trainMs / 2;
      w.validator.advance();
      await drawn(w, 2);
    }
    w.clock.now = w.at(2)[wake] + 5;
    w.validator.advance();
    expect(w.lines.join('\n')).toMatch(/was given up: this machine came too late/);
    expect((await play(w, 3)).audits).toEqual([]);
    await w.validator.stop();
  }
});

test('a commit that does not continue the last one is refused, and zeros are always a way back', async () => {
  const w = await world();
  await play(w, 1);
  // Whoever was drawn answers: silence would end its membership.
  await answer(w, await drawn(w), 1);
  const [liar] = w.contributors as [PretendedContributor];
  // Error feedback out of nowhere.
  const made = liar.replica.errorFeedback();
  await liar.keeper.finish(
    1,
    { error: made.map(() => 1), moment1: made, moment2: made, step: 4 },
    (await liar.work(9)).bytes,
  );
  w.clock.now = w.at(2).train + 10;
  w.validator.advance();
  expect(await w.validator.handle((await liar.work(2)).commit, 'p')).toBe('ignore');
  w.clock.now = w.at(2).judge - 200;
  w.validator.advance();
  await w.validator.settled();
  expect(w.chain.last?.body).toMatchObject({ round: 2, accepted: [], refused: [{ reason: 'carry' }] });
  liar.keeper.reset();
  w.clock.now = w.at(3).train + 10;
  w.validator.advance();
  expect(await w.validator.handle((await liar.work(3)).commit, 'p')).toBe('accept');
  await w.validator.stop();
});

test('where all who are left wait for an audit they get it: its outcome is a certificate of its own', async () => {
  const w = await world(1);
  w.contributors.splice(1);
  const [one] = w.contributors as [PretendedContributor];
  w.replays.figures = { ...w.replays.figures, work: 0.5 };
  let asked = 0;
  for (const round of [1, 2]) {
    await play(w, round);
    expect(await drawn(w, ++asked)).toBe(one);
    await answer(w, one, round);
  }
  expect(w.chain.last?.body.audits).toMatchObject([{ round: 1, outcome: 'failed' }]);
  // A failed audit ends membership, and the second stands in the certificate that would have admitted it.
  for (const round of [3, 4]) {
    w.clock.now = w.at(round).train - 1000;
    w.validator.advance();
    expect(await w.validator.handle(await one.join(w.chain.head), 'p')).toBe('accept');
    w.clock.now = w.at(round).commit + 10;
    w.validator.advance();
    await w.validator.settled();
  }
  expect(w.chain.head).toMatchObject({ round: 4 });

  one.keeper.reset();
  w.replays.figures = { ...w.replays.figures, work: 0 };
  const { root } = w.chain.head;
  w.clock.now = w.at(5).train - 1000;
  w.validator.advance();
  await settleWorks(w, 5, await committed(w, 5));
  expect(w.swarm.published.at(-2)).toMatchObject({
    kind: 'no-certificate',
    refused: [{ reason: 'on-trial' }],
  });
  expect(await drawn(w, ++asked)).toBe(one);
  await answer(w, one, 5);
  w.clock.now = w.at(6).commit + 10;
  w.validator.advance();
  await w.validator.settled();
  expect(w.chain.last?.body).toMatchObject({
    round: 6,
    accepted: [],
    joined: [],
    credits: [],
    root,
    audits: [{ contributor: one.identity.publicKey, round: 5, outcome: 'passed' }],
  });
  await w.validator.stop();
});
