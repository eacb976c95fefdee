/** A picture signed from a chain holds what the chain says; the check of it is in peer/verify-contribution.test.ts. */
import { expect, it } from 'vitest';
import { testChain } from '../chain/testing.ts';
import { toHex } from '../protocol/bytes.ts';
import { joinPng } from '../protocol/png-text.ts';
import { testHash, testIdentity } from '../protocol/testing.ts';
import { readPicture, verifyContribution } from '../peer/verify-contribution.ts';
import { Contributions } from './contributions.ts';

/** The smallest PNG there is: one black pixel. */
const PIXEL = new Uint8Array(
  Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==',
    'base64',
  ),
);
const NOBODY = { name: '', team: '', runName: '', organizer: '', contributor: '' };

it('what is drafted from a chain is genuine once it is signed', async () => {
  const ada = await testIdentity('ada');
  const chain = await testChain(ada, { rounds: 12, without: [0, 5], refused: [7] });
  const made = new Contributions({ identity: ada, run: chain.run });
  for (const certificate of chain.certificates) made.add(certificate);
  const shown = { ...NOBODY, name: 'Ada', team: 'Moss', contributor: toHex(ada.publicKey) };
  const draft = made.draft(chain.account(ada.publicKey), shown, 1_700_000_000_000);
  if (draft === null) throw new Error('nothing to certify');
  expect(draft).toMatchObject({ height: 12, accepted: 9, firstRound: 1, lastRound: 11 });
  const { file } = await draft.finish(PIXEL);
  expect(file.length).toBeGreaterThan(joinPng(PIXEL, '').length);
  const reading = readPicture(file);
  if (!reading.ok) throw new Error(reading.reason);
  const found = await verifyContribution(reading.value, null, () => {}, new AbortController().signal);
  expect(found).toMatchObject({ genuine: true, proof: 'all', claim: { name: 'Ada', team: 'Moss' } });
});

it('nothing is certified before anything was accepted', async () => {
  const run = { id: testHash('r'), manifestBytes: new Uint8Array(1) };
  const none = new Contributions({ identity: await testIdentity('ada'), run });
  expect(none.draft(undefined, NOBODY, 0)).toBeNull();
});
