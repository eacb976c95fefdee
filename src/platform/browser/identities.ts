/**
 * Who this tab is. Ed25519 seeds live in IndexedDB and never leave the browser, so credits survive reloads.
 *
 * Two tabs of one browser share that database but must not be one contributor (the second would be refused as a
 * duplicate), so each tab claims a numbered identity with a Web Lock that the browser frees when the tab goes away. Where the
 * browser refuses either, the tab works with a key of its own that ends with it, and says why.
 */
import type { ClaimedIdentity, NotKept } from '../../peer/platform.ts';
import { createIdentity, type Identity } from '../../protocol/identity.ts';
import { addSeed, readSeed, refusalOf } from './key-storage.ts';
import { tryLock } from './tab-lock.ts';

/** More tabs than this in one browser share nothing useful; the next one gets an identity that is not kept. */
const MAX_SLOTS = 64;

/** Claims identities for one tab, one at a time. */
export function identityClaims(): () => Promise<ClaimedIdentity> {
  /** A key that is not kept is the same until the tab goes: its credits last as long. */
  let own: Promise<Identity> | null = null;
  /** The last one's lock is free: a tab that starts again must get the same key. */
  let free: Promise<void> = Promise.resolve();
  const unkept = async (notKept: NotKept): Promise<ClaimedIdentity> => {
    own ??= createIdentity();
    return { identity: await own, notKept, release: () => {} };
  };
  return async () => {
    await free;
    for (let slot = 0; slot < MAX_SLOTS; slot++) {
      let unlock: (() => Promise<void>) | null = null;
      const release = (): void => {
        if (unlock !== null) free = unlock();
      };
      try {
        unlock = await tryLock(`tabswarm-identity-${slot}`);
        if (unlock === null) continue;
        const identity = await loadOrCreate(slot);
        if (identity !== null) return { identity, notKept: null, release };
        release();
      } catch (error) {
        release();
        return unkept(refusalOf(error));
      }
    }
    return unkept('too-many-tabs');
  };
}

/** Null when something is stored under this number that is no seed: it is left alone, as nobody can tell what it is. */
async function loadOrCreate(slot: number): Promise<Identity | null> {
  const seed = await readSeed(slot);
  if (seed instanceof Uint8Array && seed.byteLength === 32) return createIdentity(seed);
  if (seed !== undefined) return null;
  const identity = await createIdentity();
  await addSeed(slot, identity.exportSeed());
  return identity;
}
