/** Emission, split and the fold over certificates. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareBytes } from './bytes.ts';
import {
  applyToLedger,
  awaitsAudit,
  creditsFor,
  emissionAt,
  emptyLedger,
  explainCredits,
  foldLedger,
} from './ledger.ts';
import type { CertificateBody } from './messages.ts';
import { testHash, testManifest } from './testing.ts';

const manifestOf = (perRound: number, total: number, vestRounds = 2) =>
  testManifest(testHash('organizer'), [], { credits: { perRound, total, vestRounds } });

describe('emission', () => {
  test('halves when half, three quarters, seven eighths... of the total are issued', () => {
    const manifest = manifestOf(100, 1000);
    const at = (issued: number) => emissionAt(manifest, issued);
    expect(at(0)).toEqual({ amount: 100, halvings: 0 });
    expect(at(499)).toEqual({ amount: 100, halvings: 0 });
    expect(at(500)).toEqual({ amount: 50, halvings: 1 });
    expect(at(749)).toEqual({ amount: 50, halvings: 1 });
    expect(at(750)).toEqual({ amount: 25, halvings: 2 });
    expect(at(875)).toEqual({ amount: 12, halvings: 3 });
    expect(at(1000).amount).toBe(0);
  });

  test('never issues more than the total, and ends', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 1e6 }), (perRound, total) => {
        const manifest = manifestOf(perRound, total);
        let issued = 0;
        let last = Number.POSITIVE_INFINITY;
        for (let i = 0; i < 200; i++) {
          const { amount } = emissionAt(manifest, issued);
          expect(amount).toBeLessThanOrEqual(last);
          last = amount;
          issued += amount;
        }
        expect(issued).toBeLessThanOrEqual(total);
      }),
    );
  });
});

describe('split', () => {
  const weights = fc.uniqueArray(fc.tuple(fc.nat(1e6), fc.integer({ min: 1, max: 1024 })), {
    minLength: 1,
    maxLength: 64,
    selector: ([name]) => name,
  });
  const perRound = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

  test('sums to the emission exactly; each part is within one of its exact share', () => {
    fc.assert(
      fc.property(weights, perRound, (list, amount) => {
        const manifest = manifestOf(amount, Number.MAX_SAFE_INTEGER);
        const accepted = list.map(([name, weight]) => ({ contributor: testHash(name), weight }));
        const emission = BigInt(emissionAt(manifest, 0).amount);
        const credits = creditsFor(manifest, 0, accepted);
        const total = accepted.reduce((sum, { weight }) => sum + BigInt(weight), 0n);
        expect(credits.reduce((sum, entry) => sum + BigInt(entry.amount), 0n)).toBe(emission);
        credits.forEach((entry, i) => {
          const { contributor, weight } = accepted[i];
          expect(entry.contributor).toBe(contributor);
          const floor = (emission * BigInt(weight)) / total;
          expect([floor, floor + 1n]).toContain(BigInt(entry.amount));
        });
      }),
    );
  });

  test('does not depend on the order of the contributors', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 1000 }), (list, amount) => {
        const manifest = manifestOf(amount, 1e9);
        const accepted = list.map(([name, weight]) => ({ contributor: testHash(name), weight }));
        const sort = (credits: ReturnType<typeof creditsFor>) =>
          [...credits].sort((a, b) => compareBytes(a.contributor, b.contributor));
        const forward = sort(creditsFor(manifest, 0, accepted));
        expect(sort(creditsFor(manifest, 0, [...accepted].reverse()))).toEqual(forward);
      }),
    );
  });

  test('two halves earn what one whole does', () => {
    const manifest = manifestOf(999_999, 1e9);
    const whole = creditsFor(manifest, 0, [
      { contributor: testHash('a'), weight: 1000 },
      { contributor: testHash('b'), weight: 500 },
    ]);
    const halves = creditsFor(manifest, 0, [
      { contributor: testHash('a1'), weight: 500 },
      { contributor: testHash('a2'), weight: 500 },
      { contributor: testHash('b'), weight: 500 },
    ]);
    expect(whole.map((c) => c.amount)).toEqual([666_666, 333_333]);
    expect(halves.map((c) => c.amount)).toEqual([333_333, 333_333, 333_333]);
  });
});

describe('ledger', () => {
  const manifest = manifestOf(1000, 3000);
  const rules = manifest.credits;
  const ana = testHash('ana');
  const ben = testHash('ben');

  function body(height: number, issued: number, weights: [Uint8Array, number][], refused: Uint8Array[] = []) {
    const accepted = weights.map(([contributor, weight]) => ({
      contributor,
      weight,
      submission: { hash: testHash(height), size: 10 },
      tokens: weight * 10,
      innerSteps: 1,
    }));
    const result: CertificateBody = {
      run: testHash('run'),
      round: height + 5,
      height,
      previous: testHash('previous'),
      baseRoot: testHash('base'),
      root: testHash('root'),
      accepted,
      refused: refused.map((contributor) => ({ contributor, reason: 'loss', detail: 'worse by 0.1' })),
      joined: [],
      joinBits: 4,
      audits: [],
      issued,
      credits: creditsFor(manifest, issued, accepted).map((entry) => ({ ...entry })),
      heldOutLoss: 4,
      time: 1,
    };
    return result;
  }
  const chain = [
    body(1, 0, [
      [ana, 3],
      [ben, 1],
    ]),
    body(2, 1000, [[ana, 1]], [ben]),
    body(3, 2000, [[ben, 1]]),
  ];

  test('adds up what the certificates say', () => {
    const ledger = foldLedger(chain, rules);
    expect(ledger).toMatchObject({ height: 3, issued: 2500 });
    expect([...ledger.accounts.values()]).toMatchObject([
      { contributor: ana, credits: 1750, accepted: 2, refused: 0, tokens: 40, lastRound: 7 },
      { contributor: ben, credits: 750, accepted: 2, refused: 1, tokens: 20, lastRound: 8 },
    ]);
  });

  test('may be folded in parts, and leaves the old ledger alone', () => {
    const first = foldLedger(chain.slice(0, 1), rules);
    const whole = foldLedger(chain.slice(1), rules, first);
    expect(whole).toEqual(foldLedger(chain, rules));
    expect(first).toMatchObject({ height: 1, issued: 1000 });
  });

  test('refuses a hole in the chain', () => {
    expect(() => applyToLedger(emptyLedger(), chain[1], rules)).toThrow('ledger at height 0');
  });

  test('explains each contributor its credits, and why there are none', () => {
    const [first, second, third] = chain as [CertificateBody, CertificateBody, CertificateBody];
    expect(explainCredits(manifest, first, ana)).toMatchObject({
      outcome: 'accepted',
      amount: 750,
      emission: 1000,
      halvings: 0,
      weight: 3,
      totalWeight: 4,
    });
    expect(explainCredits(manifest, third, ben)).toMatchObject({ amount: 500, halvings: 1 });
    expect(explainCredits(manifest, second, ben)).toEqual({
      outcome: 'refused',
      amount: 0,
      reason: 'loss',
      text: 'Round 7 refused your submission (loss): worse by 0.1',
    });
    expect(explainCredits(manifest, third, ana)).toMatchObject({ outcome: 'absent', amount: 0 });
  });

  const audited = (of: Uint8Array, round: number, outcome: 'passed' | 'failed') => ({
    contributor: of,
    round,
    outcome,
    detail: 'signs agree in 51 %',
  });
  const account = (bodies: CertificateBody[], of: Uint8Array) =>
    [...foldLedger(bodies, rules).accounts.values()].find((a) => a.contributor === of);

  test('credits vest after so many certificates', () => {
    expect(account(chain.slice(0, 1), ana)).toMatchObject({ provisional: 750, vested: 0 });
    expect(account(chain.slice(0, 2), ana)).toMatchObject({ provisional: 1750, vested: 0 });
    expect(account(chain, ana)).toMatchObject({ provisional: 1000, vested: 750, credits: 1750 });
  });

  test('a passed audit vests what its round and earlier ones earned; a failed one takes all that is provisional', () => {
    const [first, second, third] = chain as [CertificateBody, CertificateBody, CertificateBody];
    const passed = [first, { ...second, audits: [audited(ana, first.round, 'passed')] }];
    expect(account(passed, ana)).toMatchObject({ vested: 750, provisional: 1000, auditsPassed: 1 });
    const failed = { ...third, audits: [audited(ana, first.round, 'failed')] };
    expect(account([first, second, failed], ana)).toMatchObject({
      credits: 0,
      forfeited: 1750,
      auditsFailed: 1,
    });
    const both = [...passed, failed];
    expect(account(both, ana)).toMatchObject({ credits: 750, vested: 750, forfeited: 1000 });
    expect(explainCredits(manifest, failed, ana).text).toContain(
      'failed (signs agree in 51 %): all provisional credits are forfeited',
    );
    expect(explainCredits(manifest, passed[1], ana)).toMatchObject({ outcome: 'accepted', amount: 1000 });
  });

  test('while audits are held, who passed none since it last failed has nothing vested by age', () => {
    const [first, second, third] = chain as [CertificateBody, CertificateBody, CertificateBody];
    const later = [4, 5].map((height) => body(height, height === 4 ? 2500 : 2750, [[ben, 1]]));
    const start = { ...first, audits: [audited(ben, 4, 'passed')] };
    // Height 3: two certificates after the first, the last audit's own age is two as well.
    expect(account([start, second], ana)).toMatchObject({ provisional: 1750, vested: 0, proven: false });
    const held = { ...second, audits: [audited(ben, 6, 'passed')] };
    expect(account([start, held, third], ana)).toMatchObject({ provisional: 1750, vested: 0 });
    expect(account([start, held, third], ben)).toMatchObject({ vested: 250, proven: true });
    // Nobody holds audits any more, so nobody need wait for one.
    expect(account([start, held, third, later[0]], ana)).toMatchObject({ provisional: 0, vested: 1750 });
    const passed = { ...third, audits: [audited(ana, first.round, 'passed')] };
    expect(account([start, held, passed], ana)).toMatchObject({
      vested: 750,
      provisional: 1000,
      proven: true,
    });
    const failed = { ...later[0], audits: [audited(ana, 8, 'failed')] };
    expect(account([start, held, passed, failed], ana)).toMatchObject({
      vested: 750,
      forfeited: 1000,
      proven: false,
    });
  });

  test('whatever is audited: all that was issued is vested, provisional or forfeited, and what vested stays', () => {
    const names = ['a', 'b', 'c', 'd'].map(testHash);
    const round = fc.record({
      weights: fc.array(fc.integer({ min: 0, max: 1024 }), { minLength: 4, maxLength: 4 }),
      audits: fc.array(
        fc.option(fc.tuple(fc.nat(6), fc.constantFrom('passed' as const, 'failed' as const)), { nil: null }),
        { minLength: 4, maxLength: 4 },
      ),
    });
    fc.assert(
      fc.property(fc.array(round, { maxLength: 12 }), fc.nat(5), (rounds, vestRounds) => {
        let ledger = emptyLedger();
        for (const { weights, audits } of rounds) {
          const paid = names.flatMap((name, i): [Uint8Array, number][] =>
            weights[i] === 0 ? [] : [[name, weights[i]]],
          );
          const made = body(ledger.height + 1, ledger.issued, paid);
          const ended = audits.flatMap((audit, i) =>
            audit === null ? [] : [audited(names[i], made.round - 1 - audit[0], audit[1])],
          );
          const next = applyToLedger(ledger, { ...made, audits: ended }, { ...rules, vestRounds });
          let sum = 0;
          for (const [id, now] of next.accounts) {
            expect(now.credits).toBe(now.vested + now.provisional);
            expect(now.provisional).toBe(now.awards.reduce((n, { amount }) => n + amount, 0));
            expect(now.vested).toBeGreaterThanOrEqual(ledger.accounts.get(id)?.vested ?? 0);
            const waits = awaitsAudit(next, now, { ...rules, vestRounds });
            if (!waits)
              for (const { height } of now.awards) expect(height + vestRounds).toBeGreaterThan(next.height);
            sum += now.credits + now.forfeited;
          }
          expect(sum).toBe(next.issued);
          ledger = next;
        }
      }),
    );
  });
});
