/** Profiles: the newest of each key, for this run, sealed as it came. */
import { describe, expect, test } from 'vitest';
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

describe('two shelves', () => {
  let now = 0;
  const key = (i: number) => testHash(i);
  const name = (i: number, time = 1) => ({ kind: 'profile', run, name: `n${i}`, team: '', time }) as const;

  test('strangers never take a place of the known, are few, and are not handed on', () => {
    const book = new ProfileBook(run, () => now);
    for (let i = 0; i < 4096; i++) expect(book.offer(key(i), name(i), Uint8Array.of(1), true)).toBe(true);
    const { changes } = book;
    for (let i = 5000; i < 10_000; i++) book.offer(key(i), name(i), Uint8Array.of(2), false);
    expect(book.sizes).toEqual({ known: 4096, strangers: 256 });
    expect([book.changes, book.sealed().length]).toEqual([changes, 4096]);
    expect(book.sealed().every(([of]) => of === 1)).toBe(true);
    // Of strangers the last ones are shown, of the known all; and those may still change.
    expect([0, 4095, 5000, 9999].map((i) => book.get(toHex(key(i)))?.name)).toEqual([
      'n0',
      'n4095',
      undefined,
      'n9999',
    ]);
    expect(book.offer(key(0), name(0, 2), Uint8Array.of(1), true)).toBe(true);
    expect(book.changes).toBe(changes + 1);
  });

  test('when more are known than there is room for, whoever was silent longest goes', () => {
    const book = new ProfileBook(run, () => now);
    for (let i = 0; i < 4096; i++) book.offer(key(i), name(i), Uint8Array.of(1), true);
    book.offer(key(0), name(0), Uint8Array.of(1), true);
    book.offer(key(4096), name(4096), Uint8Array.of(1), true);
    expect([0, 1, 4096].map((i) => book.get(toHex(key(i)))?.name)).toEqual(['n0', undefined, 'n4096']);
  });

  test('a stranger is forgotten with age, and one that is admitted moves to the known', () => {
    const book = new ProfileBook(run, () => now);
    book.offer(key(1), name(1), Uint8Array.of(1), false);
    book.offer(key(2), name(2), Uint8Array.of(2), false);
    now += 200_000;
    expect(book.offer(key(2), name(2), Uint8Array.of(2), true)).toBe(true);
    expect([book.changes, book.sizes]).toEqual([1, { known: 1, strangers: 1 }]);
    now += 200_000;
    book.offer(key(3), name(3), Uint8Array.of(3), false);
    expect([1, 2, 3].map((i) => book.get(toHex(key(i)))?.name)).toEqual([undefined, 'n2', 'n3']);
    // One that the chain forgot keeps the name that it had.
    expect(book.offer(key(2), { ...name(2, 9), name: 'new' }, Uint8Array.of(2), false)).toBe(true);
    expect(book.get(toHex(key(2)))?.name).toBe('n2');
    expect(book.offer(key(2), { ...name(2, 0) }, Uint8Array.of(2), false)).toBe(false);
  });
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
