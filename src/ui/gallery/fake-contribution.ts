/** A contribution certificate that is really signed, over a chain that exists only here. */
import { type ContributionDraft, Contributions } from '../../app/contributions.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { ShownProfile } from '../../protocol/profile-book.ts';
import { testChain, type TestChain } from '../../chain/testing.ts';
import { testIdentity } from '../../protocol/testing.ts';

const ROUNDS = 24;

/** The gallery's run: the e2e test serves it as a host would. */
export const galleryChain = async (): Promise<TestChain> =>
  testChain(await testIdentity('gallery'), { rounds: ROUNDS, without: [0, 1], refused: [9] });

export async function fakeContribution(profile: ShownProfile): Promise<ContributionDraft | null> {
  const identity = await testIdentity('gallery');
  const { run, certificates, account } = await galleryChain();
  const { manifest } = run;
  const contributions = new Contributions({ identity, run });
  for (const certificate of certificates) contributions.add(certificate);
  const shown = {
    ...profile,
    runName: manifest.name,
    organizer: manifest.organizer.name,
    contributor: toHex(identity.publicKey),
  };
  return contributions.draft(account(identity.publicKey), shown, 1_795_000_000_000);
}
