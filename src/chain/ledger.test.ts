/** Emission, split and the fold over certificates. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareBytes } from '../protocol/bytes.ts';
import {
  applyToLedger,
  awaitsAudit,
  creditsFor,
  emissionAt,
  emptyLedger,
  explainCredits,
  foldLedger,
} from './ledger.ts';
import type { CreditRules } from '../protocol/manifest.ts';
import type { CertificateBody } from '../protocol/messages.ts';
import { encodePassedOver } from '../protocol/passed-over.ts';
import { testHash } from '../protocol/testing.ts';

const rulesOf = (perRound: number, total: number, vestRounds = 2): CreditRules => ({
  perRound,
  total,
  vestRounds,
});

describe('emission', () => {
  test('halves when half, three quarters, seven eighths... of the total are issued', () => {
    const rules = rulesOf(100, 1000);
    const at = (issued: number) => emissionAt(rules, issued);
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
        const rules = rulesOf(perRound, total);
        let issued = 0;
        let last = Number.POSITIVE_INFINITY;
        for (let i = 0; i < 200; i++) {
          const { amount } = emissionAt(rules, issued);
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
        const rules = rulesOf(amount, Number.MAX_SAFE_INTEGER);
        const accepted = list.map(([name, weight]) => ({ contributor: testHash(name), weight }));
        const emission = BigInt(emissionAt(rules, 0).amount);
        const credits = creditsFor(rules, 0, accepted);
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
        const rules = rulesOf(amount, 1e9);
        const accepted = list.map(([name, weight]) => ({ contributor: testHash(name), weight }));
        const sort = (credits: ReturnType<typeof creditsFor>) =>
          [...credits].sort((a, b) => compareBytes(a.contributor, b.contributor));
        const forward = sort(creditsFor(rules, 0, accepted));
        expect(sort(creditsFor(rules, 0, [...accepted].reverse()))).toEqual(forward);
      }),
    );
  });

  test('two halves earn what one whole does', () => {
    const rules = rulesOf(999_999, 1e9);
    const whole = creditsFor(rules, 0, [
      { contributor: testHash('a'), weight: 1000 },
      { contributor: testHash('b'), weight: 500 },
    ]);
    const halves = creditsFor(rules, 0, [
      { contributor: testHash('a1'), weight: 500 },
      { contributor: testHash('a2'), weight: 500 },
      { contributor: testHash('b'), weight: 500 },
    ]);
    expect(whole.map((c) => c.amount)).toEqual([666_666, 333_333]);
    expect(halves.map((c) => c.amount)).toEqual([333_333, 333_333, 333_333]);
  });
});

describe('ledger', () => {
  const rules = rulesOf(1000, 3000);
  const ana = testHash('ana');
  const ben = testHash('ben');

  function body(height: number, issued: number, weights: [Uint8Array, number][], refused: Uint8Array[] = []) {
    const accepted = weights.map(([contributor, weight]) => ({
      contributor,
      weight,
      claim: testHash(height),
      units: weight * 10,
    }));
    const result: CertificateBody = {
      run: testHash('run'),
      round: height + 5,
      height,
      previous: testHash('previous'),
      baseRoot: testHash('base'),
      root: testHash('root'),
      accepted,
      refused: refused.map((contributor) => ({ contributor, reason: 'loss' })),
      passedOver: new Uint8Array(0),
      joined: [],
      joinBits: 4,
      audits: [],
      issued,
      credits: creditsFor(rules, issued, accepted).map((entry) => ({ ...entry })),
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
      { contributor: ana, credits: 1750, accepted: 2, refused: 0, units: 40, lastRound: 7 },
      { contributor: ben, credits: 750, accepted: 2, refused: 1, units: 20, lastRound: 8 },
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
    expect(explainCredits(rules, first, ana)).toMatchObject({
      outcome: 'accepted',
      amount: 750,
      emission: 1000,
      halvings: 0,
      weight: 3,
      totalWeight: 4,
      units: 30,
    });
    expect(explainCredits(rules, third, ben)).toMatchObject({ amount: 500, halvings: 1 });
    expect(explainCredits(rules, second, ben)).toEqual({ outcome: 'refused', reason: 'loss' });
    expect(explainCredits(rules, third, ana)).toEqual({ outcome: 'absent' });
    const admitted = { ...third, joined: [{ contributor: ana, nonce: 0, age: 0 }] };
    expect(explainCredits(rules, admitted, ana)).toEqual({ outcome: 'joined' });
  });

  const audited = (of: Uint8Array, round: number, outcome: 'passed' | 'failed') => ({
    contributor: of,
    round,
    outcome,
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
    // The audit stands in the certificate itself; what the round paid is told apart from it.
    expect(explainCredits(rules, failed, ana)).toEqual({ outcome: 'absent' });
    expect(explainCredits(rules, passed[1], ana)).toMatchObject({ outcome: 'accepted', amount: 1000 });
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

  describe('verified rounds', () => {
    /** `n` rounds of ana's accepted work. */
    const worked = (n: number) =>
      Array.from({ length: n }, (_, i) => body(i + 1, issuedBefore(i), [[ana, 1]]));
    const issuedBefore = (n: number): number =>
      Array.from({ length: n }).reduce<number>((issued) => issued + emissionAt(rules, issued).amount, 0);
    const next = (bodies: CertificateBody[], change: Partial<CertificateBody>): CertificateBody[] => [
      ...bodies,
      { ...body(bodies.length + 1, foldLedger(bodies, rules).issued, []), ...change },
    ];

    test.each([
      ['copy', 0],
      ['direction', 0],
      ['hash-mismatch', 0],
      ['malformed', 0],
      ['norm', 0],
      ['not-finite', 0],
      ['loss', 4],
      ['late', 8],
      ['capacity', 8],
      ['on-trial', 8],
    ] as const)('refusal for %s leaves %i of 8', (reason, left) => {
      const refused = [{ contributor: ana, reason }];
      expect(account(next(worked(8), { refused }), ana)).toMatchObject({ verified: left, refused: 1 });
    });

    test('what the validator could not judge is no refusal, and costs nothing', () => {
      const refused = [{ contributor: ana, reason: 'unjudged' as const }];
      expect(account(next(worked(8), { refused }), ana)).toMatchObject({ verified: 8, refused: 0 });
    });

    test('who is passed over hears so from the certificate', () => {
      const [last] = next(worked(1), { passedOver: encodePassedOver([ben]) }).slice(-1);
      expect(explainCredits(rules, last, ben)).toEqual({ outcome: 'refused', reason: 'capacity' });
    });

    test('a failed audit leaves none, and none come back before an audit is passed', () => {
      const verified = (...outcomes: (null | 'passed' | 'failed')[]) => {
        const bodies = worked(outcomes.length).map((made, i) => {
          const outcome = outcomes[i];
          return outcome === null ? made : { ...made, audits: [audited(ana, made.round - 1, outcome)] };
        });
        return account(bodies, ana)?.verified;
      };
      expect(verified(null, null)).toBe(2);
      expect(verified(null, null, 'failed')).toBe(-1);
      expect(verified(null, null, 'failed', null, null)).toBe(-1);
      expect(verified(null, null, 'failed', null, null, 'passed')).toBe(0);
      expect(verified(null, null, 'failed', null, null, 'passed', null)).toBe(1);
    });

    test('a lie after a failed audit is no way back to zero', () => {
      const failed = worked(2).map((made) => ({ ...made, audits: [audited(ana, made.round - 1, 'failed')] }));
      const refused = [{ contributor: ana, reason: 'copy' as const }];
      expect(account(next(failed, { refused }), ana)?.verified).toBe(-1);
    });

    test('proven is who passed the last audit', () => {
      const after = (...outcomes: ('passed' | 'failed')[]) => {
        let bodies = worked(1);
        for (const outcome of outcomes) bodies = next(bodies, { audits: [audited(ana, 6, outcome)] });
        const { proven, verified, auditsPassed, auditsFailed } = account(bodies, ana) ?? {};
        return { proven, verified, auditsPassed, auditsFailed };
      };
      expect(after()).toEqual({ proven: false, verified: 1, auditsPassed: 0, auditsFailed: 0 });
      expect(after('passed')).toEqual({ proven: true, verified: 1, auditsPassed: 1, auditsFailed: 0 });
      expect(after('passed', 'failed')).toEqual({
        proven: false,
        verified: -1,
        auditsPassed: 1,
        auditsFailed: 1,
      });
      expect(after('failed', 'passed')).toEqual({
        proven: true,
        verified: 0,
        auditsPassed: 1,
        auditsFailed: 1,
      });
    });
  });
});
