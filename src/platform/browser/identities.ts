/**
 * Who this tab is. Ed25519 seeds live in IndexedDB and never leave the browser, so credits survive reloads.
 *
 * Two tabs of one browser share that database but must not be one contributor (the second would be refused as a
 * duplicate), so each tab claims a numbered identity with a Web Lock that the browser frees when the tab goes away.
 */
import { openDB } from 'idb';
import { createIdentity, type Identity } from '../../protocol/identity.ts';
import { tryLock } from './tab-lock.ts';

const DATABASE = 'tabswarm';
const STORE = 'identities';
/** More tabs than this in one browser share nothing useful; the next one gets an identity that is not kept. */
const MAX_SLOTS = 64;

export interface ClaimedIdentity {
  readonly identity: Identity;
  readonly slot: number;
  /** False when the browser keeps nothing (private mode without storage): credits end with the tab. */
  readonly persistent: boolean;
  release(): void;
}

/** Takes the lowest identity that no other tab of this browser holds. */
export async function claimIdentity(): Promise<ClaimedIdentity> {
  for (let slot = 0; slot < MAX_SLOTS; slot++) {
    const release = await tryLock(`tabswarm-identity-${slot}`);
    if (release === null) continue;
    try {
      return { identity: await loadOrCreate(slot), slot, persistent: true, release };
    } catch {
      // No IndexedDB here (some private modes). The tab can still work; its credits stay with a key that is lost.
      return { identity: await createIdentity(), slot, persistent: false, release };
    }
  }
  return { identity: await createIdentity(), slot: MAX_SLOTS, persistent: false, release: () => {} };
}

async function loadOrCreate(slot: number): Promise<Identity> {
  const db = await openDB(DATABASE, 1, {
    upgrade(database) {
      database.createObjectStore(STORE);
    },
  });
  try {
    const seed: unknown = await db.get(STORE, slot);
    if (seed instanceof Uint8Array && seed.byteLength === 32) return await createIdentity(seed);
    const identity = await createIdentity();
    await db.put(STORE, identity.exportSeed(), slot);
    return identity;
  } finally {
    db.close();
  }
}
