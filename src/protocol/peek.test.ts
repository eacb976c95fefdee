/** What a reader knows before it decodes: version, kind, limit of bytes, claimed sender; and who spoke another version. */
import * as fc from 'fast-check';
import * as v from 'valibot';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { concatBytes } from './bytes.ts';
import * as codec from './codec.ts';
import { foreignSender, open, peek, seal, signedBytes } from './envelope.ts';
import type { Identity } from './identity.ts';
import { MAX_GOSSIP_BYTES, MAX_SEALED_BYTES, PROTOCOL_VERSION } from './limits.ts';
import type { MessageKind } from './messages.ts';
import { kindOf, readOuter, versionOf } from './outer.ts';
import { Key, Signature, uint } from './schema.ts';
import { largestMessages, ordinaryMessages } from './testing-messages.ts';
import { testHash, testIdentity } from './testing.ts';

const { decodeCanonical, encodeCanonical } = codec;

let ada: Identity;
beforeAll(async () => {
  ada = await testIdentity('ada');
});

const kinds = Object.keys(MAX_SEALED_BYTES) as MessageKind[];
const ordinary = ordinaryMessages(testHash('run'), 3, 'peer');

test.each(kinds)('the first bytes of a %s say so, and whom it claims to be of', async (kind) => {
  const sealed = await seal(ada, ordinary[kind]);
  expect(peek(sealed)).toMatchObject({ ok: true, kind, sender: ada.publicKey });
  expect(await open(sealed)).toEqual({ ok: true, sender: ada.publicKey, message: ordinary[kind] });
});

describe('sizes', () => {
  test.each(Object.entries(largestMessages()))(
    'the largest %s is within its limit, and not far below',
    async (kind, message) => {
      const sealed = await seal(ada, message);
      expect((await open(sealed)).ok).toBe(true);
      expect(sealed.byteLength).toBeGreaterThan(0.75 * MAX_SEALED_BYTES[kind as MessageKind]);
    },
  );

  test('a longer one is refused before anything of it is decoded or verified', async () => {
    const decode = vi.spyOn(codec, 'decodeCanonical');
    for (const kind of kinds) {
      const most = MAX_SEALED_BYTES[kind];
      if (most === MAX_GOSSIP_BYTES) continue;
      // Form and signature are good; only the size is not.
      const body = encodeCanonical({ kind, run: testHash('run'), stuffing: new Uint8Array(most) });
      const signature = await ada.sign(signedBytes(kind, body));
      const bytes = encodeCanonical([PROTOCOL_VERSION, ada.publicKey, signature, body]);
      expect(await open(bytes)).toEqual({
        ok: false,
        reason: 'too-large',
        detail: `${bytes.byteLength} bytes, limit ${most}`,
      });
    }
    expect(decode).not.toHaveBeenCalled();
    await open(await seal(ada, ordinary.commit));
    expect(decode).toHaveBeenCalled();
    decode.mockRestore();
  });
});

describe('the outside of an envelope', () => {
  const schema = v.strictTuple([uint(0xffffffff), Key, Signature, v.instance(Uint8Array)]);

  test('is read as it would be decoded, whatever the bytes', async () => {
    const sealed = await seal(ada, ordinary.commit);
    const parts = fc.tuple(
      fc.oneof(
        fc.nat(30),
        fc.nat(0xffffffff),
        fc.constant('3'),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
      ),
      fc.uint8Array({ minLength: 31, maxLength: 33 }),
      fc.uint8Array({ minLength: 63, maxLength: 65 }),
      fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string()),
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      parts.map((list) => encodeCanonical(list)),
      fc
        .tuple(fc.nat(sealed.length - 1), fc.nat(255))
        .map(([at, value]) => sealed.map((byte, i) => (i === at ? value : byte))),
      fc
        .tuple(fc.nat(sealed.length), fc.uint8Array({ maxLength: 3 }))
        .map(([at, more]) => concatBytes(sealed.subarray(0, at), more, sealed.subarray(at))),
    );
    fc.assert(
      fc.property(bytes, (candidate) => {
        const decoded = decodeCanonical(candidate, MAX_GOSSIP_BYTES);
        const parsed = v.safeParse(schema, decoded.ok ? decoded.value : null);
        const outer = readOuter(candidate);
        expect(outer !== null).toBe(parsed.success);
        if (outer === null || !parsed.success) return;
        expect([outer.version, outer.sender, outer.signature, outer.body]).toEqual(parsed.output);
      }),
      { numRuns: 3000 },
    );
  });

  test('nothing that random bytes hold makes it throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        versionOf(bytes);
        kindOf(bytes);
        peek(bytes);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('another version', () => {
  const version = PROTOCOL_VERSION + 1;
  const foreign = async (signer: Identity, change: { kind?: string; body?: Uint8Array } = {}) => {
    const body = change.body ?? encodeCanonical({ kind: 'commit', run: testHash('run'), more: [1] });
    const signature = await signer.sign(signedBytes(change.kind ?? 'commit', body, version));
    return encodeCanonical([version, signer.publicKey, signature, body]);
  };

  test('is known by the first bytes, however many follow, without decoding', () => {
    const decode = vi.spyOn(codec, 'decodeCanonical');
    const padded = new Uint8Array(MAX_GOSSIP_BYTES);
    padded.set([0x84, version]);
    expect(peek(padded)).toMatchObject({ ok: false, reason: 'version' });
    expect(versionOf(Uint8Array.of(0x82, 0x18, 24))).toBe(24);
    expect(versionOf(Uint8Array.of(0x98, 24, 0x1a, 0xff, 0xff, 0xff, 0xff))).toBe(0xffffffff);
    for (const none of [
      [],
      [0x80],
      [0x84],
      [0x84, 0x18, 3],
      [0x84, 0x19, 1],
      [0x84, 0x63],
      [0xa1, 3],
      [0x9f, 4],
    ])
      expect(versionOf(Uint8Array.from(none))).toBeNull();
    expect(decode).not.toHaveBeenCalled();
    decode.mockRestore();
  });

  test('has a sender when it is signed by one that is wanted', async () => {
    const bytes = await foreign(ada);
    expect(await foreignSender(bytes, () => true)).toEqual(ada.publicKey);
    expect(await foreignSender(bytes, () => false)).toBeNull();
    expect(await foreignSender(await foreign(ada, { kind: 'reveal' }), () => true)).toBeNull();
    expect(await foreignSender(await foreign(ada, { body: Uint8Array.of(0xff) }), () => true)).toBeNull();
    expect(await foreignSender(Uint8Array.of(0x84, version, 0, 0), () => true)).toBeNull();
    expect(await foreignSender(new Uint8Array(MAX_GOSSIP_BYTES + 1), () => true)).toBeNull();
    // Of our own version there is no foreign sender.
    expect(await foreignSender(await seal(ada, ordinary.commit), () => true)).toBeNull();
  });
});
