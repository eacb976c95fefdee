/** Audits through the real validator: who is asked, what counts as an answer, and what the certificate says of it. */
import { afterEach, describe, expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { seal } from '../protocol/envelope.ts';
import type { CertificateBody } from '../protocol/messages.ts';
import { testHash } from '../protocol/testing.ts';
import { SeatWorld, type SeatedContributor } from '../sim/seat-world.ts';

const worlds: SeatWorld[] = [];
afterEach(async () => {
  for (const w of worlds.splice(0)) await w.end();
});

/** Contributors are members; the next round is 1. */
async function world({ contributors = 3, auditsPerRound = 1 } = {}): Promise<SeatWorld> {
  const w = await SeatWorld.create({
    contributors,
    gauntlet: { auditsPerRound },
    change: { credits: { perRound: 1_000_000, total: 1_000_000_000, vestRounds: 50 } },
  });
  worlds.push(w);
  await w.admit();
  return w;
}

/** A round in which somebody's work is accepted. */
async function play(
  w: SeatWorld,
  round: number,
  who?: readonly SeatedContributor[],
): Promise<CertificateBody> {
  const body = await w.play(round, who);
  if (body === null) throw new Error(`round ${round} was not certified`);
  return body;
}

/** The contributor that the `nth` audit message asks, from 1. */
async function drawn(w: SeatWorld, nth = 1): Promise<SeatedContributor> {
  await w.until(() => w.heard('audit').length >= nth);
  const { contributors } = w.heard('audit')[nth - 1];
  expect(contributors).toHaveLength(1);
  const key = toHex(contributors[0]);
  const one = w.contributors.find(({ actor }) => toHex(actor.identity.publicKey) === key);
  if (one === undefined) throw new Error('somebody else was drawn');
  return one;
}

const verdicts = (w: SeatWorld, { actor }: SeatedContributor) =>
  w.network.verdicts
    .filter(({ to, from }) => to === 'validator' && from === actor.peer)
    .map((v) => v.verdict);

/** Answers, serving what is shown unless `serves` is false. */
async function answer(w: SeatWorld, one: SeatedContributor, round: number, serves = true): Promise<void> {
  const { answer: message, parts } = await one.actor.show(round);
  for (const [hash, part] of parts) {
    if (serves) one.swarm.serve(Uint8Array.from(Buffer.from(hash, 'hex')), part);
  }
  await one.swarm.publish(message);
  await w.until(w.clock.now() + 200);
}

const accountOf = (w: SeatWorld, { actor }: SeatedContributor) =>
  w.chain.state.ledger.accounts.get(toHex(actor.identity.publicKey));
const others = (w: SeatWorld, one: SeatedContributor) => w.contributors.filter((c) => c !== one);
const middle = (w: SeatWorld, round: number) => w.at(round).train - w.run.manifest.schedule.trainMs / 2;

test('an honest answer: replayed from the certified state, listed in the next certificate, credits vested', async () => {
  const w = await world();
  const theta = await w.chain.theta();
  const first = await play(w, 1);
  expect(first.audits).toEqual([]);
  const one = await drawn(w);
  expect(w.heard('audit')[0]).toMatchObject({ round: 1 });
  await answer(w, one, 1);
  const [request] = w.replays.asked;
  expect(request.job).toMatchObject({ before: null, innerSteps: 4, height: 1 });
  expect(request.job.theta).toEqual(theta);
  expect(request.claim.after.step).toBe(4);
  expect(w.reported('audit-ended')).toMatchObject([{ round: 1, outcome: 'passed' }]);

  const second = await play(w, 2);
  expect(second.audits).toEqual([{ contributor: one.actor.identity.publicKey, round: 1, outcome: 'passed' }]);
  const opinion = w.heard('opinion').findLast(({ round }) => round === 2);
  expect(opinion?.audits).toEqual([
    {
      contributor: one.actor.identity.publicKey,
      note: { code: 'replayed', figures: { work: 0.001, moment1: 0.001, moment2: 0.001, sent: 0, steps: 0 } },
    },
  ]);
  const mine = first.credits.find((c) => toHex(c.contributor) === toHex(one.actor.identity.publicKey));
  expect(accountOf(w, one)).toMatchObject({ vested: mine?.amount, auditsPassed: 1, proven: true });
  expect(accountOf(w, one)?.provisional).toBeGreaterThan(0);
  // Who was never audited comes first: three rounds, three contributors, then the outcome is not said twice.
  const next = await drawn(w, 2);
  expect(next).not.toBe(one);
  await answer(w, next, 2);
  expect(w.replays.asked[1].job.before?.step).toBe(4);
  expect((await play(w, 3)).audits.map((entry) => entry.round)).toEqual([2]);
  expect(new Set([one, next, await drawn(w, 3)]).size).toBe(3);
});

test('a lie costs all provisional credits, the ramp and membership', async () => {
  const w = await world();
  await play(w, 1);
  const one = await drawn(w);
  w.replays.figures = { ...w.replays.figures, work: 0.5 };
  await answer(w, one, 1);
  const body = await play(w, 2);
  expect(body.audits).toMatchObject([{ outcome: 'failed' }]);
  const opinion = w.heard('opinion').findLast(({ round }) => round === 2);
  expect(opinion?.audits[0].note).toMatchObject({ code: 'replayed', figures: { work: 0.5 } });
  const account = accountOf(w, one);
  expect(account).toMatchObject({ credits: 0, provisional: 0, auditsFailed: 1, verified: -1 });
  expect(account?.forfeited).toBeGreaterThan(0);
  const { ledger, members } = w.chain.state;
  expect(ledger.issued).toBe(
    [...ledger.accounts.values()].reduce((sum, a) => sum + a.credits + a.forfeited, 0),
  );
  expect(members.has(toHex(one.actor.identity.publicKey))).toBe(false);
});

test('who shows something else than it committed to failed, without a replay', async () => {
  const w = await world();
  await play(w, 1);
  const one = await drawn(w);
  const [other] = others(w, one);
  const foreign = other.actor.keeper.snapshot(1);
  if (foreign === null) throw new Error('no snapshot');
  one.actor.keeper.snapshot = () => foreign;
  await answer(w, one, 1);
  expect(w.replays.asked).toEqual([]);
  expect((await play(w, 2)).audits).toMatchObject([{ outcome: 'failed' }]);
  const opinion = w.heard('opinion').findLast(({ round }) => round === 2);
  expect(opinion?.audits[0].note).toEqual({ code: 'other-carry-after', figures: {} });
});

describe('who is silent', () => {
  test('is asked twice, and failed only at the next commit deadline', async () => {
    const w = await world();
    await play(w, 1);
    const silent = await drawn(w);
    await w.until(middle(w, 2) - 1);
    expect(w.heard('audit')).toHaveLength(1);
    await w.until(middle(w, 2) + 10);
    expect(w.heard('audit')).toHaveLength(2);
    expect(w.heard('audit')[1]).toEqual(w.heard('audit')[0]);
    await w.until(w.at(2).commit - 1);
    expect(w.reported('audit-ended')).toEqual([]);
    const second = await play(w, 2);
    expect(second.audits).toEqual([
      { contributor: silent.actor.identity.publicKey, round: 1, outcome: 'failed' },
    ]);
    expect(w.reported('audit-ended')).toMatchObject([{ note: { code: 'silent', figures: { asked: 2 } } }]);
    // It is not asked a third time for the same round.
    expect(w.heard('audit').filter(({ round }) => round === 1)).toHaveLength(2);
  });

  test('at first, but answers the second time, passed; an answer after the deadline is too late', async () => {
    const w = await world();
    await play(w, 1);
    const slow = await drawn(w);
    await w.until(middle(w, 2) + 10);
    await answer(w, slow, 1);
    const next = await play(w, 2);
    expect(next.audits).toMatchObject([{ outcome: 'passed', round: 1 }]);
    // The next one is silent until its audit has ended.
    const late = await drawn(w, 3);
    const shown = await late.actor.show(2);
    await w.until(w.at(3).commit + 1);
    await late.swarm.publish(shown.answer);
    await w.until(w.clock.now() + 20);
    expect(verdicts(w, late).at(-1)).toBe('ignore');
    expect(w.reported('audit-ended').map(({ outcome }) => outcome)).toEqual(['passed', 'failed']);
  });

  test.each(['commit', 'judge'] as const)(
    'is not blamed by a machine that slept until the %s deadline, or asked once only',
    async (wake) => {
      const w = await world();
      await play(w, 1);
      await drawn(w);
      if (wake === 'judge') {
        await w.until(middle(w, 2) + 10);
        expect(w.heard('audit')).toHaveLength(2);
      }
      // The machine sleeps: time passes, and its timers come late.
      const real = w.clock.now.bind(w.clock);
      const skipped = w.at(2)[wake] + 5 - real();
      w.clock.now = () => real() + skipped;
      w.validator.advance();
      expect(w.reported('audit-given-up')).toMatchObject([{ round: 1, error: null }]);
      expect(w.reported('audit-ended')).toEqual([]);
      expect(w.auditor?.outcomes(99)).toEqual([]);
      w.clock.now = real;
    },
  );
});

describe('who answers but serves nothing', () => {
  test('is asked once more, and failed when it does so again', async () => {
    const w = await world();
    await play(w, 1);
    const one = await drawn(w);
    await answer(w, one, 1, false);
    await w.until(middle(w, 2) - 100);
    expect(w.reported('audit-ended')).toEqual([]);
    await w.until(middle(w, 2) + 10);
    expect(w.heard('audit')).toHaveLength(2);
    await answer(w, one, 1, false);
    await w.until(() => w.reported('audit-ended').length > 0);
    expect(w.reported('audit-ended')).toMatchObject([
      { outcome: 'failed', note: { code: 'withheld', figures: { asked: 2 } } },
    ]);
    expect(w.replays.asked).toEqual([]);
  });

  test('may put it right the second time', async () => {
    const w = await world();
    await play(w, 1);
    const one = await drawn(w);
    await answer(w, one, 1, false);
    await w.until(middle(w, 2) + 10);
    await answer(w, one, 1);
    expect(w.reported('audit-ended')).toMatchObject([{ outcome: 'passed' }]);
  });
});

describe('what is no answer', () => {
  test('from somebody else, for another round, or once more', async () => {
    const w = await world();
    await play(w, 1);
    const one = await drawn(w);
    const [other] = others(w, one);
    const shown = await other.actor.show(1);
    await other.swarm.publish(shown.answer);
    await w.until(w.clock.now() + 20);
    expect(verdicts(w, other).at(-1)).toBe('ignore');
    const { identity } = one.actor;
    const about = { kind: 'answer' as const, run: w.run.id, answer: testHash('x'), peer: 'p' };
    await one.swarm.publish(await seal(identity, { ...about, round: 0 }));
    await w.until(w.clock.now() + 20);
    expect(verdicts(w, one).at(-1)).toBe('ignore');
    await answer(w, one, 1);
    expect(verdicts(w, one).at(-1)).toBe('accept');
    await answer(w, one, 1);
    expect(verdicts(w, one).at(-1)).toBe('ignore');
    expect(w.replays.asked).toHaveLength(1);
  });

  test('that cannot be read is a failed audit', async () => {
    const w = await world();
    await play(w, 1);
    const one = await drawn(w);
    const { identity } = one.actor;
    const noise = { kind: 'answer' as const, run: w.run.id, round: 1, answer: testHash('x'), peer: 'p' };
    await one.swarm.publish(await seal(identity, noise));
    await w.until(w.clock.now() + 20);
    expect(w.reported('audit-ended')).toMatchObject([
      { outcome: 'failed', note: { code: 'unreadable-answer', figures: {} } },
    ]);
  });
});

test('a machine that cannot replay blames nobody', async () => {
  const w = await world();
  await play(w, 1);
  w.replays.failure = new Error('the GPU is gone');
  await answer(w, await drawn(w), 1);
  expect(w.reported('audit-given-up')).toMatchObject([{ round: 1, error: 'the GPU is gone' }]);
  expect((await play(w, 2)).audits).toEqual([]);
});

test('an outcome stays until a certificate has it, and is said once', async () => {
  const w = await world();
  await play(w, 1);
  const one = await drawn(w);
  await answer(w, one, 1);
  const [before] = [w.auditor?.outcomes(2)];
  expect(before).toHaveLength(1);
  expect(w.auditor?.outcomes(1)).toEqual([]);
  // The round that would have said it is lost.
  w.keepFailure = new Error('the disk is full');
  expect(await w.play(2)).toBeNull();
  expect(w.auditor?.outcomes(3)).toEqual(before);
  const theta = await w.chain.theta();
  for (const { actor } of w.contributors) {
    await actor.replica.load(theta);
    actor.keeper.reset();
  }
  expect((await play(w, 3)).audits).toMatchObject([{ round: 1, outcome: 'passed' }]);
  expect(w.auditor?.outcomes(4)).toEqual([]);
  await w.until(w.at(4).judge);
  const said = w.kept.flatMap(({ certificate }) => certificate.body.audits);
  expect(said.filter(({ round }) => round === 1)).toHaveLength(1);
});

test('no more audits are under way than the machine is given, and nobody has two', async () => {
  const w = await world({ auditsPerRound: 2 });
  await play(w, 1);
  await w.until(() => w.heard('audit').length > 0);
  const asked = w.heard('audit')[0].contributors.map(toHex);
  expect(new Set(asked).size).toBe(2);
  const third = w.contributors.find(({ actor }) => !asked.includes(toHex(actor.identity.publicKey)));
  await w.until(w.at(2).start + 10);
  await play(w, 2, [third as SeatedContributor]);
  // Those who were silent failed with the commit deadline of round 2; only the third can be drawn.
  await w.until(() => w.heard('audit').some(({ round }) => round === 2));
  const second = w.heard('audit').filter(({ round }) => round === 2);
  expect(second[0].contributors.map(toHex)).toEqual([
    toHex((third as SeatedContributor).actor.identity.publicKey),
  ]);
});

test('a claim that does not continue the last one is refused, and zeros are always a way back', async () => {
  const w = await world({ contributors: 1 });
  await play(w, 1);
  const [liar] = w.contributors;
  // Whoever was drawn answers: silence would end its membership.
  await answer(w, await drawn(w), 1);
  // Error feedback out of nowhere.
  const made = liar.actor.replica.errorFeedback();
  const sent = (await liar.actor.work(9)).bytes;
  await liar.actor.keeper.finish(
    1,
    { error: made.map(() => 1), moment1: made, moment2: made, step: 4 },
    sent,
  );
  expect(await w.play(2)).toMatchObject({ accepted: [], refused: [{ reason: 'carry' }] });
  liar.actor.keeper.reset();
  await liar.actor.replica.load(await w.chain.theta());
  expect((await w.play(3))?.accepted).toHaveLength(1);
});

test('where all who are left wait for an audit they get it: its outcome is a certificate of its own', async () => {
  const w = await world({ contributors: 1 });
  const [one] = w.contributors;
  w.replays.figures = { ...w.replays.figures, work: 0.5 };
  let asked = 0;
  for (const round of [1, 2]) {
    await play(w, round);
    expect(await drawn(w, ++asked)).toBe(one);
    await answer(w, one, round);
  }
  expect(w.lastBody?.audits).toMatchObject([{ round: 1, outcome: 'failed' }]);
  // A failed audit ends membership, and the second stands in the certificate that would have admitted it.
  for (const round of [3, 4]) {
    await w.until(w.at(round).start + 100);
    await one.swarm.publish(await one.actor.join(w.chain.state.head));
    await w.until(() => w.chain.state.head.round === round);
  }
  one.actor.keeper.reset();
  w.replays.figures = { ...w.replays.figures, work: 0 };
  const { root } = w.chain.state.head;
  await one.actor.replica.load(await w.chain.theta());
  await w.until(w.at(5).start + 100);
  expect(await w.play(5)).toBeNull();
  expect(w.heard('no-certificate').at(-1)).toMatchObject({ round: 5, refused: [{ reason: 'on-trial' }] });
  expect(await drawn(w, ++asked)).toBe(one);
  await answer(w, one, 5);
  await w.until(() => w.chain.state.head.round === 6);
  expect(w.lastBody).toMatchObject({
    round: 6,
    accepted: [],
    joined: [],
    credits: [],
    root,
    audits: [{ contributor: one.actor.identity.publicKey, round: 5, outcome: 'passed' }],
  });
});

test('a stopped auditor asks nobody, hears nobody out, and closes what replays', async () => {
  const w = await world();
  await play(w, 1);
  const one = await drawn(w);
  await w.auditor?.stop();
  await answer(w, one, 1);
  expect(w.replays.asked).toEqual([]);
  expect(w.reported('audit-ended')).toEqual([]);
});
