/** Claims and answers as bytes: one encoding each, and no bytes that throw. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeCanonical } from '../../protocol/codec.ts';
import { MAX_CLAIM_BYTES, MAX_INNER_STEPS } from '../../protocol/limits.ts';
import { decodeAnswer, decodeClaim, encodeAnswer, encodeClaim, type PretrainClaim } from './claim.ts';
import { pretrain } from './workload.ts';
import { testRun } from '../../chain/testing.ts';
import { testHash, testManifest } from '../../protocol/testing.ts';
import { maxSubmissionBytes } from '../../sparseloco/wire.ts';

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const roots = fc.record({ before: hash, accepted: hash, refused: hash });
const claims: fc.Arbitrary<PretrainClaim> = fc.record({
  submission: fc.record({ hash, size: fc.integer({ min: 1, max: 1 << 30 }) }),
  tokens: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  innerSteps: fc.integer({ min: 1, max: MAX_INNER_STEPS }),
  baseRoot: hash,
  carry: fc.option(roots),
});
const digests = fc.record({
  error: hash,
  moment1: hash,
  moment2: hash,
  step: fc.nat(Number.MAX_SAFE_INTEGER),
});
const answers = fc.record({ before: fc.option(digests), after: digests });

const claim = (change: object = {}) => ({
  submission: { hash: testHash('s'), size: 100 },
  tokens: 512,
  innerSteps: 4,
  baseRoot: testHash('root'),
  carry: null,
  ...change,
});
const carry = { error: testHash('e'), moment1: testHash('m'), moment2: testHash('v'), step: 4 };

test('claims and answers come back as they were, and the largest fit into a message', () => {
  fc.assert(
    fc.property(claims, answers, (one, other) => {
      expect(decodeClaim(encodeClaim(one))).toEqual(one);
      expect(decodeAnswer(encodeAnswer(other))).toEqual(other);
    }),
  );
  const three = { before: testHash(1), accepted: testHash(2), refused: testHash(3) };
  const most = { tokens: Number.MAX_SAFE_INTEGER, innerSteps: MAX_INNER_STEPS, carry: three };
  expect(encodeClaim(claim(most)).byteLength).toBeLessThanOrEqual(MAX_CLAIM_BYTES);
  const full = { ...carry, step: Number.MAX_SAFE_INTEGER };
  expect(encodeAnswer({ before: full, after: full }).byteLength).toBeLessThanOrEqual(MAX_CLAIM_BYTES);
});

describe('what is no claim', () => {
  test.each([
    ['a missing field', { carry: undefined, tokens: 5, innerSteps: 1 }],
    ['a field more', claim({ trainLoss: 3 })],
    ['no tokens', claim({ tokens: 0 })],
    ['a fraction', claim({ tokens: 1.5 })],
    ['no steps', claim({ innerSteps: 0 })],
    ['steps beyond all runs', claim({ innerSteps: MAX_INNER_STEPS + 1 })],
    ['a short root', claim({ baseRoot: new Uint8Array(31) })],
    ['a blob without bytes', claim({ submission: { hash: testHash('s'), size: 0 } })],
    ['two roots', claim({ carry: { before: testHash(1), accepted: testHash(2) } })],
    ['a list', [1, 2]],
  ])('%s', (_, value) => {
    const { carry: absent, ...rest } = value as { carry?: unknown };
    expect(
      decodeClaim(encodeCanonical(absent === undefined && !Array.isArray(value) ? rest : value)),
    ).toBeNull();
  });

  test('bytes beyond the limit, in another form, or none at all', () => {
    expect(decodeClaim(new Uint8Array(0))).toBeNull();
    expect(decodeClaim(new Uint8Array([...encodeClaim(claim()), 0]))).toBeNull();
    expect(decodeClaim(encodeCanonical(claim({ baseRoot: 'x'.repeat(MAX_CLAIM_BYTES) })))).toBeNull();
  });

  test('an answer is no claim, and a claim no answer', () => {
    expect(decodeClaim(encodeAnswer({ before: null, after: carry }))).toBeNull();
    expect(decodeAnswer(encodeClaim(claim()))).toBeNull();
    expect(decodeAnswer(encodeCanonical({ before: null, after: { ...carry, step: -1 } }))).toBeNull();
    expect(decodeAnswer(encodeCanonical({ after: carry }))).toBeNull();
  });
});

test('every peer learns from a claim which bytes it is about, and from noise nothing', () => {
  const run = testRun(testManifest(testHash('organizer'), []));
  const workload = pretrain(run);
  expect(workload.blobOf(encodeClaim(claim()))).toEqual({ hash: testHash('s'), size: 100 });
  expect(workload.maxBytes).toBe(maxSubmissionBytes(run.layout, run.manifest.sparseloco));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(workload.blobOf(bytes)).toBeNull();
    }),
  );
});
