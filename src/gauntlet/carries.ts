/**
 * The chain of what each contributor carries: every commit must start from what the one before it left, or from zeros.
 *
 * A validator cannot see error feedback and moments, but it remembers the roots: whoever wants to pass off a made-up
 * error feedback must have committed to it a round earlier, and could be audited for that round.
 */
import * as v from 'valibot';
import { bytesEqual, fromHex, toHex } from '../protocol/bytes.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { type Refusal, refusal } from './checks.ts';

type Commit = MessageOf<'commit'>;

interface Entry {
  /** Round of the commit. */
  readonly round: number;
  readonly accepted: Uint8Array;
  readonly refused: Uint8Array;
  /** Whether it was accepted; until that is known it counts as refused, which it is when nothing is certified. */
  readonly applied: boolean;
}

const HexHash = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/),
  v.transform((hex) => fromHex(hex)),
);
const Stored = v.record(
  v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  v.object({ round: v.number(), accepted: HexHash, refused: HexHash, applied: v.boolean() }),
);

/** Roots by contributor. */
export class CarryBook {
  readonly #zero: Uint8Array;
  readonly #entries: Map<string, Entry>;

  /** `zero`: root of a newcomer's carry. `note`: what {@link encode} gave before a restart. */
  constructor(zero: Uint8Array, note: Uint8Array | null = null) {
    this.#zero = zero;
    this.#entries = decode(note);
  }

  /** Why a commit's carry does not follow from the one before; null when it does. */
  problem(contributor: Uint8Array, { carry }: Commit): Refusal | null {
    if (carry === undefined)
      return refusal('malformed', 'this run audits: a commit names the roots of error feedback and moments');
    const before = this.#expected(contributor);
    if (bytesEqual(carry.before, this.#zero) || (before !== null && bytesEqual(carry.before, before)))
      return null;
    return refusal(
      'carry',
      'error feedback and moments are not those of the last commit; start again from zeros',
    );
  }

  /** Remembers what a commit leaves, once a round, also when it came too late to be judged. */
  note(contributor: Uint8Array, commit: Commit): void {
    const key = toHex(contributor);
    const { carry, round } = commit;
    if ((this.#entries.get(key)?.round ?? -1) >= round) return;
    if (carry === undefined || this.problem(contributor, commit) !== null) return;
    this.#entries.set(key, { round, accepted: carry.accepted, refused: carry.refused, applied: false });
  }

  /** A round is certified: these were accepted in it. Forgets who is no member any more. */
  settle(round: number, accepted: readonly Uint8Array[], isMember: (key: string) => boolean): void {
    for (const contributor of accepted) {
      const key = toHex(contributor);
      const entry = this.#entries.get(key);
      if (entry?.round === round) this.#entries.set(key, { ...entry, applied: true });
    }
    for (const key of this.#entries.keys()) if (!isMember(key)) this.#entries.delete(key);
  }

  /** The book as bytes: without it, after a restart everybody would have to start again from zeros. */
  encode(): Uint8Array {
    const list = [...this.#entries].map(([key, { round, accepted, refused, applied }]) => [
      key,
      { round, accepted: toHex(accepted), refused: toHex(refused), applied },
    ]);
    return new TextEncoder().encode(JSON.stringify(Object.fromEntries(list)));
  }

  #expected(contributor: Uint8Array): Uint8Array | null {
    const entry = this.#entries.get(toHex(contributor));
    if (entry === undefined) return null;
    return entry.applied ? entry.accepted : entry.refused;
  }
}

function decode(note: Uint8Array | null): Map<string, Entry> {
  if (note === null) return new Map();
  try {
    return new Map(Object.entries(v.parse(Stored, JSON.parse(new TextDecoder().decode(note)))));
  } catch {
    return new Map();
  }
}
