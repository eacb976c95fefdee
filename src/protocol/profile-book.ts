/**
 * The newest profile of each contributor, with the sealed message it came in, so that whoever keeps one can hand it on
 * and nobody has to be believed. A tab keeps one for its leaderboard; the host keeps one for tabs that join later.
 */
import { bytesEqual, toHex } from './bytes.ts';
import { decodeCanonical, encodeCanonical } from './codec.ts';
import { open } from './envelope.ts';
import type { MessageOf } from './messages.ts';

type Profile = MessageOf<'profile'>;

/** Keys are free, so a flood of them must not fill memory: about 400 bytes each. */
const MAX_PROFILES = 4096;
const MAX_BYTES = MAX_PROFILES * 1024;

export interface ShownProfile {
  readonly name: string;
  readonly team: string;
}

interface Entry extends ShownProfile {
  readonly time: number;
  readonly sealed: Uint8Array;
}

export class ProfileBook {
  readonly #run: Uint8Array;
  readonly #entries = new Map<string, Entry>();
  /** Counts changes, so that a keeper knows whether there is something to write. */
  changes = 0;

  constructor(run: Uint8Array) {
    this.#run = run;
  }

  /** Takes an opened profile and its sealed bytes; false when it is old news, for another run, or there is no room. */
  offer(sender: Uint8Array, profile: Profile, sealed: Uint8Array): boolean {
    const key = toHex(sender);
    const known = this.#entries.get(key);
    if (!bytesEqual(profile.run, this.#run)) return false;
    if (known === undefined ? this.#entries.size >= MAX_PROFILES : profile.time < known.time) return false;
    if (known?.time === profile.time) return true;
    const { name, team, time } = profile;
    this.#entries.set(key, { name, team, time, sealed });
    this.changes++;
    return true;
  }

  /** The same for sealed bytes from a host or a file. Never throws. */
  async take(sealed: Uint8Array): Promise<boolean> {
    const opened = await open(sealed);
    return opened.ok && opened.message.kind === 'profile'
      ? this.offer(opened.sender, opened.message, sealed)
      : false;
  }

  /** By hex key; null for somebody without a profile. */
  get(contributor: string): ShownProfile | null {
    return this.#entries.get(contributor) ?? null;
  }

  /** Every sealed profile, for handing on. */
  sealed(): Uint8Array[] {
    return [...this.#entries.values()].map((entry) => entry.sealed);
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
}
