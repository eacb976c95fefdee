/** Whole runs on the shipped validator: chain and ledger whatever happens, dishonest crowds, lots, audits over rounds. */
import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { checkAnchor, checkCertificate, genesisHead } from '../chain/certificate.ts';
import { emissionAt, foldLedger } from '../chain/ledger.ts';
import { toHex } from '../protocol/bytes.ts';
import { seal } from '../protocol/envelope.ts';
import { sealOf } from '../protocol/seal.ts';
import { testHash } from '../protocol/testing.ts';
import { encodeClaim } from '../work/pretrain/claim.ts';
import type { PretendedWork } from './pretended.ts';
import { type SeatedContributor, SeatWorld, type SeatWorldOptions } from './seat-world.ts';

const worlds: SeatWorld[] = [];
afterEach(async () => {
  for (const w of worlds.splice(0)) await w.end();
});

async function world(options: SeatWorldOptions): Promise<SeatWorld> {
  const w = await SeatWorld.create(options);
  worlds.push(w);
  await w.admit();
  return w;
}

const keyOf = ({ actor }: SeatedContributor) => toHex(actor.identity.publicKey);
const blobOf = (name: string) => ({ hash: testHash(name), size: 100 });
/** Why somebody was refused in the newest certificate; null when accepted, undefined when not mentioned. */
function outcome(w: SeatWorld, one: SeatedContributor) {
  const body = w.lastBody;
  if (body?.accepted.some(({ contributor }) => toHex(contributor) === keyOf(one)) === true) return null;
  return body?.refused.find(({ contributor }) => toHex(contributor) === keyOf(one))?.reason;
}

test('any mix of rounds, some of them empty: the chain checks from any height, balances sum to the emission', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }), async (sizes) => {
      const w = await world({
        contributors: 4,
        change: { credits: { perRound: 1_000_003, total: 3_000_000, vestRounds: 2 } },
      });
      for (const [i, size] of sizes.entries()) {
        const body = await w.play(i + 1, w.contributors.slice(0, size));
        expect(body?.accepted.length ?? 0).toBe(size);
      }
      const links = w.kept.map(({ certificate }) => certificate);
      // Anybody catches up from any height with the public chain alone, and ends with the same ledger.
      for (let from = 0; from <= links.length; from++) {
        let head = genesisHead(w.run);
        if (from > 0) {
          const anchor = await checkAnchor(links[from - 1].message, w.run);
          if (!anchor.ok) throw new Error(anchor.detail);
          ({ head } = anchor.certificate);
        }
        for (const { message } of links.slice(from)) {
          const checked = await checkCertificate(message, w.run, head);
          if (!checked.ok) throw new Error(checked.detail);
          ({ head } = checked.certificate);
        }
        // What joins may be done over is known from eight certificates on.
        expect({ ...head, joinBases: [] }).toEqual({ ...w.chain.state.head, joinBases: [] });
      }
      const { credits } = w.run.manifest;
      const bodies = links.map(({ body }) => body);
      const { ledger } = w.chain.state;
      expect(foldLedger(bodies, credits)).toEqual(ledger);
      let emitted = 0;
      for (const { accepted } of bodies)
        if (accepted.length > 0) emitted += emissionAt(credits, emitted).amount;
      expect([...ledger.accounts.values()].reduce((sum, account) => sum + account.credits, 0)).toBe(emitted);
      expect(ledger.issued).toBe(emitted);
    }),
    { numRuns: 4 },
  );
});

test('dishonest and unlucky peers of each kind in one round: each hears why, and nobody honest pays for it', async () => {
  const names = [
    'last millisecond',
    'far norm',
    'harmful',
    'too many tokens',
    'too large',
    'late commit',
    'late reveal',
    'silent',
    'not served',
    'two commits',
    'five times',
    'another state',
    'old messages',
    'another’s messages',
    'noise',
    'stolen bytes',
  ] as const;
  const w = await world({ contributors: 6 + names.length });
  const honest = w.contributors.slice(0, 6);
  const odd = new Map(names.map((name, i) => [name, w.contributors[6 + i]]));
  const of = (name: (typeof names)[number]): SeatedContributor => odd.get(name) as SeatedContributor;
  await w.play(1);
  const old = w.network.published.filter(({ from }) => from === of('old messages').swarm.peerId);

  const { commit, reveal, train } = w.at(2);
  await w.until(train);
  const works = new Map<SeatedContributor, PretendedWork>();
  for (const one of w.contributors) {
    const change =
      one === of('far norm')
        ? { scale: 1000 }
        : one === of('another state')
          ? { baseRoot: testHash('x') }
          : {};
    works.set(one, await one.actor.work(2, change));
  }
  const workOf = (one: SeatedContributor) => {
    const work = works.get(one);
    if (work === undefined) throw new Error('no work');
    return work;
  };
  w.meter.worse.add(toHex(workOf(of('harmful')).submission.hash));
  const about = { run: w.run.id, round: 2 };
  /** Commit and reveal of a claim made up by hand. */
  const made = async ({ actor: { identity } }: SeatedContributor, change: object) => {
    const base = {
      submission: blobOf('x'),
      tokens: 512,
      innerSteps: 1,
      baseRoot: w.chain.state.head.root,
      carry: null,
    };
    const claim = encodeClaim({ ...base, ...change });
    const sealed = sealOf(w.run.id, 2, identity.publicKey, claim);
    return {
      commit: await seal(identity, { kind: 'commit', ...about, seal: sealed }),
      reveal: await seal(identity, { kind: 'reveal', ...about, claim, peer: 'p' }),
    };
  };
  const lies = new Map([
    [of('too many tokens'), await made(of('too many tokens'), { tokens: 513 })],
    [of('too large'), await made(of('too large'), { submission: { hash: testHash('x'), size: 1 << 28 } })],
    [of('stolen bytes'), await made(of('stolen bytes'), { submission: workOf(honest[0]).submission })],
  ]);
  const said = (one: SeatedContributor) => lies.get(one) ?? workOf(one);
  const quiet = new Set([
    of('late commit'),
    of('last millisecond'),
    of('noise'),
    of('old messages'),
    of('another’s messages'),
  ]);
  for (const one of w.contributors) if (!quiet.has(one)) await one.swarm.publish(said(one).commit);
  const second = await made(of('two commits'), {});
  await of('two commits').swarm.publish(second.commit);
  for (let i = 0; i < 4; i++) await of('five times').swarm.publish(workOf(of('five times')).commit);
  for (let i = 0; i < 50; i++) await of('noise').swarm.publish(testHash(i));
  for (const { bytes } of old) await of('old messages').swarm.publish(bytes);
  await of('another’s messages').swarm.publish(workOf(honest[1]).commit);
  // Five milliseconds on the way: it arrives in the last one.
  await w.until(commit - 6);
  await of('last millisecond').swarm.publish(workOf(of('last millisecond')).commit);
  await w.until(commit);
  await of('late commit').swarm.publish(workOf(of('late commit')).commit);
  const mute = new Set([...quiet, of('silent'), of('late reveal')]);
  mute.delete(of('last millisecond'));
  for (const one of w.contributors) {
    if (mute.has(one)) continue;
    const { submission, bytes } = workOf(one);
    if (one !== of('not served')) one.swarm.serve(submission.hash, bytes);
    await one.swarm.publish(said(one).reveal);
  }
  for (let i = 0; i < 4; i++) await of('five times').swarm.publish(workOf(of('five times')).reveal);
  await w.until(reveal);
  await of('late reveal').swarm.publish(workOf(of('late reveal')).reveal);
  await w.until(() => w.decided(2));

  for (const one of honest) expect(outcome(w, one)).toBeNull();
  expect(Object.fromEntries([...odd].map(([name, one]) => [name, outcome(w, one)]))).toEqual({
    'last millisecond': null,
    'far norm': 'norm',
    harmful: 'loss',
    'too many tokens': 'malformed',
    'too large': 'too-large',
    'late commit': 'late',
    'late reveal': 'late',
    silent: 'not-revealed',
    'not served': 'not-revealed',
    'two commits': 'duplicate',
    'five times': null,
    'another state': 'state',
    'old messages': undefined,
    'another’s messages': undefined,
    noise: undefined,
    // Its own header names another: bytes cannot be handed in twice.
    'stolen bytes': 'malformed',
  });
  expect(w.network.verdicts.filter(({ error }) => error !== undefined)).toEqual([]);
});

test('more good work than a certificate holds: a lot decides, the rest hears why, and everybody has a turn', async () => {
  const w = await world({ contributors: 12, gauntlet: { maxAccepted: 5 } });
  const winners = new Set<string>();
  for (let round = 1; round <= 8; round++) {
    const body = await w.play(round);
    expect(body?.accepted).toHaveLength(5);
    expect(body?.refused.map((entry) => entry.reason)).toEqual(new Array(7).fill('capacity'));
    for (const entry of body?.accepted ?? []) winners.add(toHex(entry.contributor));
  }
  expect(winners.size).toBe(12);
});

test('forty peers, a third of them dishonest: every place goes to honest work', async () => {
  const w = await world({ contributors: 40, gauntlet: { maxAccepted: 16 } });
  const dishonest = w.contributors.filter((_, i) => i % 3 === 1);
  const bad = new Set(dishonest.map(keyOf));
  for (const round of [1, 2]) {
    await w.until(w.at(round).train);
    const works = [];
    for (const [i, one] of w.contributors.entries()) {
      const work = await one.actor.work(round, bad.has(keyOf(one)) && i % 2 === 0 ? { scale: 1000 } : {});
      if (bad.has(keyOf(one)) && i % 2 === 1) w.meter.worse.add(toHex(work.submission.hash));
      works.push(work);
      await one.swarm.publish(work.commit);
    }
    await w.reveal(round, works);
    await w.until(() => w.decided(round));
    await w.follow(round);
    const body = w.lastBody;
    expect(body?.round).toBe(round);
    expect(body?.accepted.length).toBeGreaterThanOrEqual(10);
    for (const { contributor } of body?.accepted ?? []) expect(bad.has(toHex(contributor))).toBe(false);
    for (const { contributor, reason } of body?.refused ?? [])
      if (!bad.has(toHex(contributor))) expect(reason).toBe('capacity');
  }
});

describe('audits over rounds', () => {
  /** Plays rounds: whoever is no member joins, the drawn answer unless they are mute. */
  async function play(w: SeatWorld, rounds: number, mute: ReadonlySet<SeatedContributor> = new Set()) {
    let heard = 0;
    for (let round = 1; round <= rounds; round++) {
      await w.until(w.at(round).start + 100);
      const members: SeatedContributor[] = [];
      for (const one of w.contributors) {
        if (w.chain.state.members.has(keyOf(one))) members.push(one);
        else {
          one.actor.keeper.reset();
          await one.swarm.publish(await one.actor.join(w.chain.state.head));
        }
      }
      await w.play(round, members);
      await w.until(w.clock.now() + 100);
      const asked = w.heard('audit').slice(heard);
      heard += asked.length;
      for (const { contributors, round: of } of asked) {
        for (const key of contributors) {
          const one = w.contributors.find((c) => keyOf(c) === toHex(key));
          if (one === undefined || mute.has(one) || of !== round) continue;
          const { answer, parts } = await one.actor.show(of);
          for (const [hash, part] of parts) one.swarm.serve(Uint8Array.from(Buffer.from(hash, 'hex')), part);
          await one.swarm.publish(answer);
        }
      }
    }
  }
  const audited = (contributors: number) =>
    world({
      contributors,
      gauntlet: { auditsPerRound: 2 },
      change: { credits: { perRound: 1000, total: 1e6, vestRounds: 50 } },
    });
  const accountOf = (w: SeatWorld, one: SeatedContributor) => w.chain.state.ledger.accounts.get(keyOf(one));

  test('honest credits are all vested by audits in time', async () => {
    const w = await audited(4);
    await play(w, 7);
    for (const one of w.contributors) {
      expect(accountOf(w, one)).toMatchObject({ auditsFailed: 0, accepted: 7 });
      expect(accountOf(w, one)?.auditsPassed).toBeGreaterThan(0);
      expect(accountOf(w, one)?.vested).toBeGreaterThan(0);
    }
  });

  test('a liar and one that does not answer keep nothing, and join again each time', async () => {
    const w = await audited(6);
    const [liar, mute, ...honest] = w.contributors;
    // Shows the carry of somebody else.
    liar.actor.keeper.snapshot = (round) => honest[0].actor.keeper.snapshot(round);
    await play(w, 10, new Set([mute]));
    for (const one of [liar, mute]) {
      expect(accountOf(w, one)?.auditsFailed).toBeGreaterThan(1);
      expect(accountOf(w, one)?.vested).toBe(0);
      // At most what it got since its last audit.
      expect(accountOf(w, one)?.credits).toBeLessThan((accountOf(w, honest[0])?.credits ?? 0) / 3);
    }
    for (const one of honest) expect(accountOf(w, one)).toMatchObject({ auditsFailed: 0, forfeited: 0 });
    const { ledger } = w.chain.state;
    const total = [...ledger.accounts.values()].reduce((sum, a) => sum + a.credits + a.forfeited, 0);
    expect(total).toBe(ledger.issued);
  });
});
