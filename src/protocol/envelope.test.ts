/** Envelopes: round trip of every message, each way to fail by its reason, and bytes from hostile peers. */
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { concatBytes, sha256Sync, toHex } from './bytes.ts';
import { decodeCanonical, encodeCanonical } from './codec.ts';
import { open, openManifest, seal, signedBytes, signManifest } from './envelope.ts';
import type { Identity } from './identity.ts';
import {
  MAX_ACCEPTED,
  MAX_AUDITS,
  MAX_CLAIM_BYTES,
  MAX_GOSSIP_BYTES,
  MAX_JOINED,
  MAX_PASSED_OVER,
  MAX_REFUSED,
  PROTOCOL_VERSION,
} from './limits.ts';
import { type Message, REFUSAL_REASONS, ROUND_FAILURES } from './messages.ts';
import { encodePassedOver } from './passed-over.ts';
import { cleanName } from './profile.ts';
import { testHash, testIdentity, testManifest } from './testing.ts';

let alice: Identity;
let bob: Identity;
beforeAll(async () => {
  alice = await testIdentity('alice');
  bob = await testIdentity('bob');
});

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const claim = fc.uint8Array({ minLength: 1, maxLength: MAX_CLAIM_BYTES });
const real = (min: number, max: number) => fc.double({ min, max, noNaN: true }).map((x) => x + 0);
/** Printable ASCII without blanks. */
const token = (maxLength: number) =>
  fc.string({ minLength: 1, maxLength }).map((s) => s.replaceAll(' ', '-'));
const refused = fc.record({ contributor: bytes32, reason: fc.constantFrom(...REFUSAL_REASONS) });
const note = fc.record({
  code: token(40),
  figures: fc.dictionary(
    // Names of an object's own machinery are left out when a record is read.
    token(24).filter((name) => !['__proto__', 'prototype', 'constructor'].includes(name)),
    fc.oneof(real(-1e300, 1e300), fc.string({ maxLength: 64 })),
    { maxKeys: 8, noNullPrototype: true },
  ),
});
const noted = fc.record({ contributor: bytes32, note });
const base = { run: bytes32, round: u32 };
const nonce = fc.nat(Number.MAX_SAFE_INTEGER);

/** Any legal message. */
const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ kind: fc.constant('join' as const), run: bytes32, certificate: bytes32, nonce }),
  fc.record({ kind: fc.constant('commit' as const), ...base, seal: bytes32 }),
  fc.record({
    kind: fc.constant('reveal' as const),
    ...base,
    claim,
    peer: token(80),
  }),
  fc.record({
    kind: fc.constant('audit' as const),
    ...base,
    contributors: fc.array(bytes32, { minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    kind: fc.constant('answer' as const),
    ...base,
    answer: claim,
    peer: token(80),
  }),
  fc.record({
    kind: fc.constant('presence' as const),
    ...base,
    peer: token(80),
    role: fc.constantFrom('contributor' as const, 'watcher' as const, 'validator' as const),
    state: fc.string({ maxLength: 40 }),
    adapter: fc.string({ maxLength: 120 }),
    tokensPerSecond: real(0, 1e12),
    root: bytes32,
    height: u32,
  }),
  fc.record({
    kind: fc.constant('profile' as const),
    run: bytes32,
    name: fc.string({ maxLength: 40 }).map(cleanName),
    team: fc.string({ maxLength: 40 }).map(cleanName),
    time: fc.nat(),
  }),
  fc.record({
    kind: fc.constant('opinion' as const),
    ...base,
    height: u32,
    heldOutLoss: fc.option(real(0, 1e6)),
    refused: fc.array(noted, { maxLength: 5 }),
    audits: fc.array(noted, { maxLength: 3 }),
    scores: fc.array(
      fc.record({ contributor: bytes32, assigned: real(-1e6, 1e6), unassigned: real(-1e6, 1e6) }),
      { maxLength: 5 },
    ),
  }),
  fc.record({
    kind: fc.constant('certificate' as const),
    body: fc.uint8Array({ maxLength: 2000 }),
    signatures: fc.array(
      fc.record({ validator: bytes32, signature: fc.uint8Array({ minLength: 64, maxLength: 64 }) }),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  fc.record({
    kind: fc.constant('no-certificate' as const),
    ...base,
    failure: fc.constantFrom(null, ...ROUND_FAILURES),
    passedOver: fc.array(bytes32, { maxLength: 9 }).map(encodePassedOver),
    refused: fc.array(refused, { maxLength: 5 }),
  }),
);

test('every message comes back as it was sealed, with its sender', async () => {
  await fc.assert(
    fc.asyncProperty(anyMessage, async (message) => {
      const opened = await open(await seal(alice, message));
      expect(opened).toEqual({ ok: true, sender: alice.publicKey, message });
    }),
    { numRuns: 300 },
  );
});

const commit = (): Message => ({
  kind: 'commit',
  run: testHash('run'),
  round: 3,
  seal: testHash('seal'),
});

const reveal = (): Message => ({
  kind: 'reveal',
  run: testHash('run'),
  round: 3,
  claim: testHash('claim'),
  peer: 'somebody',
});

/** An envelope made by hand, with any of its parts replaced. */
async function envelope(
  signer: Identity,
  body: unknown,
  change: { version?: number; kind?: string; sender?: Uint8Array } = {},
) {
  const bytes = encodeCanonical(body);
  const signature = await signer.sign(signedBytes(change.kind ?? 'commit', bytes));
  return encodeCanonical([
    change.version ?? PROTOCOL_VERSION,
    change.sender ?? signer.publicKey,
    signature,
    bytes,
  ]);
}

describe('what does not open', () => {
  test('another version is told apart from garbage, whatever else the envelope holds', async () => {
    const opened = await open(await envelope(alice, commit(), { version: PROTOCOL_VERSION + 1 }));
    expect(opened).toEqual({
      ok: false,
      reason: 'version',
      detail: `protocol version ${PROTOCOL_VERSION + 1}, this is ${PROTOCOL_VERSION}`,
    });
    expect(await open(encodeCanonical([7, 'a future layout']))).toMatchObject({ reason: 'version' });
    expect(await openManifest(encodeCanonical([9]))).toMatchObject({ reason: 'version' });
  });

  test('a body signed as another kind, by another key or altered', async () => {
    expect(await open(await envelope(alice, commit(), { kind: 'reveal' }))).toMatchObject({
      reason: 'signature',
    });
    expect(await open(await envelope(alice, commit(), { sender: bob.publicKey }))).toMatchObject({
      reason: 'signature',
    });
    const decoded = decodeCanonical(await seal(alice, commit()), MAX_GOSSIP_BYTES);
    if (!decoded.ok || !Array.isArray(decoded.value)) throw new Error('not an envelope');
    const [version, sender, signature] = decoded.value as unknown[];
    const altered = encodeCanonical([version, sender, signature, encodeCanonical({ ...commit(), round: 4 })]);
    expect(await open(altered)).toMatchObject({ reason: 'signature' });
  });

  test.each([
    ['an unknown kind', { kind: 'gift' }],
    ['an unknown field', { ...commit(), extra: 1 }],
    ['a missing field', { kind: 'commit' }],
    ['a short hash', { ...commit(), seal: new Uint8Array(31) }],
    ['a negative count', { ...commit(), round: -1 }],
    ['an empty claim', { ...reveal(), claim: new Uint8Array(0) }],
    ['a claim too long', { ...reveal(), claim: new Uint8Array(MAX_CLAIM_BYTES + 1) }],
    ['a fraction', { ...commit(), round: 1.5 }],
    ['a round past u32', { ...commit(), round: 2 ** 32 }],
    ['a list', [commit()]],
    ['nothing', null],
  ])('malformed: %s', async (_, body) => {
    const { kind } = (body ?? {}) as { kind?: string };
    const signed = await envelope(alice, body, { kind: kind ?? 'commit' });
    expect(await open(signed)).toMatchObject({ ok: false, reason: 'malformed' });
  });

  test('a second encoding of the same message', async () => {
    // The round as a 64-bit float instead of an integer; properly signed.
    const body = encodeCanonical(commit());
    const float = Uint8Array.of(0xfb, 0x40, 0x08, 0, 0, 0, 0, 0, 0);
    const at = toHex(body).indexOf(`${toHex(new TextEncoder().encode('round'))}03`) / 2 + 5;
    const twin = concatBytes(body.subarray(0, at), float, body.subarray(at + 1));
    const signature = await alice.sign(signedBytes('commit', twin));
    const bytes = encodeCanonical([PROTOCOL_VERSION, alice.publicKey, signature, twin]);
    expect(await open(bytes)).toEqual({ ok: false, reason: 'malformed', detail: 'not in canonical form' });
  });

  test('too many bytes are not even decoded', async () => {
    expect(await open(new Uint8Array(MAX_GOSSIP_BYTES + 1))).toMatchObject({ reason: 'too-large' });
  });

  test('deep nesting', async () => {
    expect(await open(new Uint8Array(MAX_GOSSIP_BYTES).fill(0x81))).toMatchObject({ reason: 'malformed' });
  });
});

test('sealing our own mistake throws and names it', async () => {
  const bad = { ...commit(), round: -1 } as Message;
  await expect(seal(alice, bad)).rejects.toThrow('cannot seal a commit: round');
});

test('20,000 random and mutated envelopes neither throw nor open as anything that was not signed', async () => {
  const samples = await Promise.all(fc.sample(anyMessage, 40).map((message) => seal(alice, message)));
  const honest = new Set(samples.map((sample) => toHex(sha256Sync(sample))));
  const mutated = fc
    .tuple(
      fc.constantFrom(...samples),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.constantFrom('flip', 'cut', 'insert'),
    )
    .map(([sample, edits, how]) => {
      let bytes = sample.slice();
      for (const [where, value] of edits) {
        const at = where % bytes.byteLength;
        if (how === 'flip') bytes[at] = bytes[at] ^ (value | 1);
        else if (how === 'cut')
          bytes = concatBytes(bytes.subarray(0, at), bytes.subarray(at + 1 + (value % 8)));
        else bytes = concatBytes(bytes.subarray(0, at), Uint8Array.of(value), bytes.subarray(at));
        if (bytes.byteLength === 0) break;
      }
      return bytes;
    });
  const random = fc.uint8Array({ maxLength: 400 });
  const reasons = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.oneof({ weight: 3, arbitrary: mutated }, { weight: 1, arbitrary: random }),
      async (bytes) => {
        const opened = await open(bytes);
        const outcome = opened.ok ? 'opened' : opened.reason;
        reasons.set(outcome, (reasons.get(outcome) ?? 0) + 1);
        if (opened.ok) expect(honest.has(toHex(sha256Sync(bytes)))).toBe(true);
      },
    ),
    { numRuns: 20_000 },
  );
  // The mutations reach every check, not only the first.
  for (const reason of ['malformed', 'signature']) expect(reasons.get(reason) ?? 0).toBeGreaterThan(100);
});

/** More than any of gauntlet/notes.ts: the longest code, five figures, two texts of the longest kind. */
const LARGEST_NOTE = {
  code: 'other-carry-refused',
  figures: { moment1: 0.123, moment2: 0.123, expected: 0.123, from: 'x'.repeat(64), error: 'x'.repeat(64) },
};

describe('the largest legal messages fit into gossip', () => {
  const key = (i: number) => testHash(i);
  const entry = (i: number) => ({
    contributor: key(i),
    claim: new Uint8Array(MAX_CLAIM_BYTES),
    units: Number.MAX_SAFE_INTEGER,
    weight: 1024,
  });
  const many = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));
  const joinedEntry = (i: number) => ({ contributor: key(i), nonce: Number.MAX_SAFE_INTEGER, age: 7 });
  const auditEntry = (i: number) => ({
    contributor: key(i),
    round: 0xffffffff,
    outcome: 'failed' as const,
  });
  const refusedEntry = (i: number) => ({ contributor: key(i), reason: 'hash-mismatch' as const });
  const notedEntry = (i: number) => ({ contributor: key(i), note: LARGEST_NOTE });

  test('an opinion with the largest notes that a validator makes', async () => {
    const message: Message = {
      kind: 'opinion',
      run: key(0),
      round: 0xffffffff,
      height: 0xffffffff,
      heldOutLoss: 1.2345,
      refused: many(MAX_REFUSED, notedEntry),
      scores: many(MAX_ACCEPTED + MAX_REFUSED, (i) => ({
        contributor: key(i),
        assigned: 0.123,
        unassigned: -0.456,
      })),
      audits: many(MAX_AUDITS, notedEntry),
    };
    expect((await open(await seal(alice, message))).ok).toBe(true);
  });

  test('certificate', async () => {
    const body = encodeCanonical({
      run: key(0),
      round: 0xffffffff,
      height: 0xffffffff,
      previous: key(0),
      baseRoot: key(0),
      root: key(0),
      accepted: many(MAX_ACCEPTED, entry),
      refused: many(MAX_REFUSED, refusedEntry),
      passedOver: encodePassedOver(many(MAX_PASSED_OVER, key)),
      joined: many(MAX_JOINED, joinedEntry),
      joinBits: 40,
      audits: many(MAX_AUDITS, auditEntry),
      issued: Number.MAX_SAFE_INTEGER,
      credits: many(MAX_ACCEPTED, (i) => ({ contributor: key(i), amount: Number.MAX_SAFE_INTEGER })),
    });
    const signatures = many(64, (i) => ({ validator: key(i), signature: new Uint8Array(64) }));
    const bytes = await seal(alice, { kind: 'certificate', body, signatures });
    expect((await open(bytes)).ok).toBe(true);
    expect(bytes.byteLength).toBeGreaterThan(0.6 * MAX_GOSSIP_BYTES);
  });
});

describe('manifest', () => {
  test('opens to itself; its run id is the hash of its own bytes', async () => {
    const manifest = testManifest(alice.publicKey, [{ key: alice.publicKey, weight: 1 }]);
    const opened = await openManifest(await signManifest(alice, manifest));
    expect(opened).toEqual({ ok: true, manifest, runId: sha256Sync(encodeCanonical(manifest)) });
  });

  test('is refused when signed by anyone but its organizer, when altered, or when its schedule makes no sense', async () => {
    const manifest = testManifest(alice.publicKey, [{ key: alice.publicKey, weight: 1 }]);
    await expect(signManifest(bob, manifest)).rejects.toThrow('organizer.key');
    const forged = await envelope(bob, manifest, { kind: 'manifest' });
    expect(await openManifest(forged)).toMatchObject({ reason: 'signature' });
    const asCommit = await envelope(alice, manifest, { kind: 'commit' });
    expect(await openManifest(asCommit)).toMatchObject({ reason: 'signature' });
    const badSchedule = { ...manifest, schedule: { ...manifest.schedule, commitMs: 1 } };
    await expect(signManifest(alice, badSchedule)).rejects.toThrow('trainMs < commitMs');
    const signed = await envelope(alice, badSchedule, { kind: 'manifest' });
    expect(await openManifest(signed)).toMatchObject({ reason: 'malformed' });
    expect(await openManifest(await seal(alice, commit()))).toMatchObject({ reason: 'malformed' });
    expect(await openManifest(new Uint8Array(0))).toMatchObject({ reason: 'malformed' });
  });
});
