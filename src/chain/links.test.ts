/** Links as bytes: both ways, bounded, and only a validator's word on that round counts as an opinion. */
import { expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import { seal } from '../protocol/envelope.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';
import { decodeLink, encodeLink, MAX_LINK_BYTES, opinionsOn } from './links.ts';
import { testRun } from './testing.ts';

const bytes = (length: number, fill = 1) => new Uint8Array(length).fill(fill);

test('a link comes out as it went in', () => {
  for (const opinions of [[], [bytes(40)], [bytes(40), bytes(9, 2)]]) {
    const link = { certificate: bytes(500, 3), opinions };
    expect(decodeLink(encodeLink(link))).toEqual(link);
  }
});

test('opinions that do not fit are left out, the certificate never', () => {
  const certificate = bytes(90_000, 3);
  const encoded = encodeLink({ certificate, opinions: Array.from({ length: 70 }, () => bytes(90_000)) });
  expect(encoded.byteLength).toBeLessThanOrEqual(MAX_LINK_BYTES);
  const decoded = decodeLink(encoded);
  expect(decoded?.certificate).toEqual(certificate);
  expect(decoded?.opinions).toHaveLength(10);
});

test('nothing else is a link', () => {
  const good = { certificate: bytes(5), opinions: [] };
  for (const wrong of [
    {},
    { ...good, more: 1 },
    { certificate: 'text', opinions: [] },
    { certificate: bytes(200_000), opinions: [] },
    { ...good, opinions: Array.from({ length: 65 }, () => bytes(1)) },
    { ...good, opinions: [7] },
  ])
    expect(decodeLink(encodeCanonical(wrong))).toBeNull();
  expect(decodeLink(bytes(0))).toBeNull();
  expect(decodeLink(bytes(50, 255))).toBeNull();
  expect(decodeLink(encodeLink(good).subarray(1))).toBeNull();
  expect(decodeLink(bytes(MAX_LINK_BYTES + 1))).toBeNull();
});

test('one opinion of each validator counts, of this run and round', async () => {
  const [organizer, one, two, stranger] = await Promise.all(
    ['organizer', 'one', 'two', 'stranger'].map((name) => testIdentity(name)),
  );
  const keys = [one, two].map(({ publicKey }) => ({ key: publicKey, weight: 1 }));
  const run = testRun(testManifest(organizer.publicKey, keys));
  const opinion = (heldOutLoss: number, change: Partial<MessageOf<'opinion'>> = {}) => ({
    kind: 'opinion' as const,
    run: run.id,
    round: 4,
    height: 2,
    heldOutLoss,
    scores: [],
    refused: [],
    audits: [],
    ...change,
  });
  const found = await opinionsOn(run, 4, [
    await seal(stranger, opinion(1)),
    await seal(one, opinion(2, { round: 3 })),
    await seal(one, opinion(3, { run: testHash('another') })),
    await seal(one, opinion(4)),
    await seal(one, opinion(5)),
    await seal(two, {
      kind: 'no-certificate',
      run: run.id,
      round: 4,
      failure: null,
      passedOver: new Uint8Array(0),
      refused: [],
    }),
    bytes(80),
    await seal(two, opinion(6)),
  ]);
  expect(found.map(({ validator, opinion: said }) => [validator, said.heldOutLoss])).toEqual([
    [toHex(one.publicKey), 4],
    [toHex(two.publicKey), 6],
  ]);
});
