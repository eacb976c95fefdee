/** Submissions fetched ahead, from peers that are slow, absent or quick: what a certificate needs is there all the same. */
import { expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { testHash } from '../protocol/testing.ts';
import type { FetchOptions } from '../swarm/types.ts';
import { Prefetch } from './prefetch.ts';

const ref = { hash: testHash('submission'), size: 3 };
const bytes = new Uint8Array([1, 2, 3]);
const never = new AbortController().signal;

/** `author` and `tab`: what each of these peers answers. Unanswered questions end with their signal. */
function world(author: 'drips' | 'fails' | 'serves', tab: 'fails' | 'serves' = 'serves') {
  const asked: string[] = [];
  const serving = new Set<string>();
  const prefetch = new Prefetch({
    fetch: (_hash, { prefer = [], signal }: FetchOptions) => {
      const [peer = 'anybody'] = prefer;
      asked.push(peer);
      const does = peer === 'author' ? author : tab;
      if (does === 'serves') return Promise.resolve(new Uint8Array(bytes));
      if (does === 'fails') return Promise.reject(new Error(`${peer} has it not`));
      return new Promise((_, reject) => {
        signal?.addEventListener('abort', () => {
          asked.push('ended');
          reject(new Error('aborted'));
        });
      });
    },
    serve: (hash) => void serving.add(toHex(hash)),
    forget: (hash) => void serving.delete(toHex(hash)),
  });
  prefetch.announce(ref, 'author', 5);
  return { prefetch, asked, serving };
}

test('what was fetched ahead is served and not asked for again, until its rounds are over', async () => {
  const { prefetch, asked, serving } = world('serves');
  await Promise.resolve();
  expect(await prefetch.get(ref, 'tab', never)).toEqual(bytes);
  prefetch.announce(ref, 'author', 5);
  expect(asked).toEqual(['author']);
  prefetch.prune(7);
  expect(serving.size).toBe(1);
  prefetch.prune(8);
  expect(serving.size).toBe(0);
});

test('an author that drips holds no certificate up: the tab’s bytes count, and the fetch from the author ends', async () => {
  const { prefetch, asked } = world('drips');
  expect(await prefetch.get(ref, 'tab', never)).toEqual(bytes);
  expect(asked).toEqual(['author', 'tab']);
  prefetch.release([ref.hash]);
  expect(asked).toEqual(['author', 'tab', 'ended']);
});

test('what could not be fetched is tried again when it is announced again, and from the tab', async () => {
  const { prefetch, asked } = world('fails');
  await expect(prefetch.get(ref, 'tab', never)).resolves.toEqual(bytes);
  await Promise.resolve();
  prefetch.announce(ref, 'author', 5);
  expect(asked.filter((peer) => peer === 'author')).toHaveLength(2);
  const nobody = world('fails', 'fails');
  await expect(nobody.prefetch.get(ref, 'tab', never)).rejects.toThrow('tab has it not');
});
