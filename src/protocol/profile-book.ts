/**
 * The newest profile of each contributor, with the sealed message it came in, so that whoever keeps one can hand it on
 * and nobody has to be believed. A tab keeps one for its leaderboard; the host keeps one for tabs that join later.
 *
 * Keys are free, so there are two shelves. One is for those whom the chain knows; it is kept and handed on. The other is for
 * strangers: small, forgotten with age, never handed on, and no place on it is one of the first shelf.
 */
import { bytesEqual, toHex } from './bytes.ts';
import { decodeCanonical, encodeCanonical } from './codec.ts';
import { open } from './envelope.ts';
import { MAX_SEALED_BYTES } from './limits.ts';
import type { MessageOf } from './messages.ts';

type Profile = MessageOf<'profile'>;

/** About 400 bytes each. When more are known than this, whoever was silent longest goes. */
const MAX_PROFILES = 4096;
/** Newcomers that wait to be admitted, and who only watches. */
const MAX_STRANGERS = 256;
/** A name is said again once a minute. */
const STRANGER_MS = 5 * 60_000;
const MAX_BYTES = MAX_PROFILES * MAX_SEALED_BYTES.profile;

export interface ShownProfile {
  readonly name: string;
  readonly team: string;
}

interface Entry extends ShownProfile {
  readonly time: number;
  readonly sealed: Uint8Array;
  readonly heardAt: number;
}

export class ProfileBook {
  readonly #run: Uint8Array;
  readonly #now: () => number;
  /** By hex key, both in the order in which they were last heard of. */
  readonly #known = new Map<string, Entry>();
  readonly #strangers = new Map<string, Entry>();
  /** Counts changes of the known, so that a keeper knows whether there is something to write. */
  changes = 0;

  constructor(run: Uint8Array, now: () => number = Date.now) {
    this.#run = run;
    this.#now = now;
  }

  /**
   * Takes an opened profile and its sealed bytes; false when it is old news or for another run. `known`: whether the chain
   * knows the sender.
   */
  offer(sender: Uint8Array, profile: Profile, sealed: Uint8Array, known: boolean): boolean {
    if (!bytesEqual(profile.run, this.#run)) return false;
    const key = toHex(sender);
    const shelf = known ? this.#known : this.#strangers;
    const { name, team, time } = profile;
    const before = this.#known.get(key) ?? this.#strangers.get(key);
    if (before !== undefined && time < before.time) return false;
    // Somebody who was known and is no longer keeps its place, and its name is only what it was.
    if (!known && this.#known.has(key)) return true;
    const changed = known && (this.#known.get(key)?.time ?? -1) !== time;
    this.#strangers.delete(key);
    shelf.delete(key);
    shelf.set(key, { name, team, time, sealed, heardAt: this.#now() });
    this.#trim();
    if (changed) this.changes++;
    return true;
  }

  /**
   * The same for sealed bytes of those who are known: own ones, or from a host or a file, which hold no others. Never throws.
   */
  async take(sealed: Uint8Array): Promise<boolean> {
    const opened = await open(sealed);
    return opened.ok && opened.message.kind === 'profile'
      ? this.offer(opened.sender, opened.message, sealed, true)
      : false;
  }

  /** By hex key; null for somebody without a profile. */
  get(contributor: string): ShownProfile | null {
    return this.#known.get(contributor) ?? this.#strangers.get(contributor) ?? null;
  }

  /** How many are held: of the known, and of strangers. */
  get sizes(): { readonly known: number; readonly strangers: number } {
    return { known: this.#known.size, strangers: this.#strangers.size };
  }

  /** Every sealed profile of the known, for handing on. */
  sealed(): Uint8Array[] {
    return [...this.#known.values()].map((entry) => entry.sealed);
  }

  encode(): Uint8Array<ArrayBuffer> {
    return encodeCanonical(this.sealed());
  }

  /** Takes what {@link encode} wrote; what does not read is left out. */
  async load(bytes: Uint8Array | null): Promise<void> {
    const decoded = bytes === null ? null : decodeCanonical(bytes, MAX_BYTES);
    if (decoded?.ok !== true || !Array.isArray(decoded.value)) return;
    for (const sealed of decoded.value) if (sealed instanceof Uint8Array) await this.take(sealed);
  }

  #trim(): void {
    const oldest = this.#now() - STRANGER_MS;
    for (const [key, { heardAt }] of this.#strangers) {
      if (heardAt >= oldest && this.#strangers.size <= MAX_STRANGERS) break;
      this.#strangers.delete(key);
    }
    for (const key of this.#known.keys()) {
      if (this.#known.size <= MAX_PROFILES) break;
      this.#known.delete(key);
    }
  }
}
