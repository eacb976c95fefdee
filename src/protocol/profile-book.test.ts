/** Profiles: the newest of each key, for this run, sealed as it came. */
import { expect, test } from 'vitest';
import { toHex } from './bytes.ts';
import { encodeCanonical } from './codec.ts';
import { seal } from './envelope.ts';
import { ProfileBook } from './profile-book.ts';
import { testHash, testIdentity } from './testing.ts';

const run = testHash('run');
const profile = (name: string, time: number, of = run) =>
  ({ kind: 'profile', run: of, name, team: 'Moss', time }) as const;

test('the newest profile counts, survives being written down, and nobody else’s run gets in', async () => {
  const ada = await testIdentity('ada');
  const key = toHex(ada.publicKey);
  const book = new ProfileBook(run);
  expect(await book.take(await seal(ada, profile('Ada', 5)))).toBe(true);
  expect(await book.take(await seal(ada, profile('Old', 4)))).toBe(false);
  expect(await book.take(await seal(ada, profile('Other run', 9, testHash('x'))))).toBe(false);
  expect(book.get(key)).toMatchObject({ name: 'Ada', team: 'Moss' });
  // The same again is no change, but may be passed on.
  expect(await book.take(await seal(ada, profile('Ada', 5)))).toBe(true);
  expect(book.changes).toBe(1);

  const again = new ProfileBook(run);
  await again.load(book.encode());
  expect(again.get(key)).toMatchObject({ name: 'Ada', team: 'Moss' });
});

test('a changed byte is nobody’s profile', async () => {
  const sealed = await seal(await testIdentity('ada'), profile('Ada', 5));
  for (let i = 0; i < sealed.length; i += 7) {
    const book = new ProfileBook(run);
    const bent = sealed.slice();
    bent[i] ^= 1;
    expect(await book.take(bent)).toBe(false);
  }
});

test('a name with hidden characters cannot be sealed', async () => {
  await expect(seal(await testIdentity('ada'), profile('A\u202Eda', 1))).rejects.toThrow('hidden');
});

test('a flood of keys does not push out those that are known, and known ones may still change', () => {
  const book = new ProfileBook(run);
  const key = (i: number) => testHash(i);
  const offer = (i: number, time: number) =>
    book.offer(key(i), { kind: 'profile', run, name: `n${i}`, team: '', time }, Uint8Array.of(i));
  for (let i = 0; i < 4096; i++) expect(offer(i, 1)).toBe(true);
  expect(offer(4096, 1)).toBe(false);
  expect(book.get(toHex(key(4096)))).toBeNull();
  expect(offer(0, 2)).toBe(true);
  expect(book.sealed().length).toBe(4096);
  expect(book.changes).toBe(4097);
});

test('another message is no profile, and what does not read is left out', async () => {
  const ada = await testIdentity('ada');
  const join = await seal(ada, { kind: 'join', run, certificate: testHash('c'), nonce: 1 });
  const sealed = await seal(ada, profile('Ada', 5));
  const book = new ProfileBook(run);
  expect(await book.take(join)).toBe(false);
  for (const bytes of [
    null,
    new Uint8Array(),
    Uint8Array.of(0xff),
    encodeCanonical('text'),
    encodeCanonical({ a: sealed }),
    encodeCanonical([1, 'text', null, [sealed], join, sealed.slice(1)]),
  ])
    await book.load(bytes);
  expect(book.sealed()).toEqual([]);
  await book.load(encodeCanonical([1, join, sealed]));
  expect(book.sealed()).toEqual([sealed]);
});
