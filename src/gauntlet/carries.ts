/**
 * The chain of what each contributor carries: every commit must start from what the one before it left, or from zeros.
 *
 * A validator cannot see error feedback and moments, but it remembers the roots: whoever wants to pass off a made-up
 * error feedback must have committed to it a round earlier, and could be audited for that round. So a round that a
 * contributor can keep from being audited, by coming late or revealing nothing, leaves nothing to go on from. A round that
 * nobody looked at, for want of room or because the validator's machine failed, leaves what it started from.
 */
import * as v from 'valibot';
import type { Outcome } from '../chain/certificate.ts';
import { bytesEqual, fromHex, toHex } from '../protocol/bytes.ts';
import type { RefusalReason } from '../protocol/messages.ts';
import type { CarryRoots } from '../training/carry.ts';
import { type Refusal, refusal } from './notes.ts';

/** What a claim says of a round and of what is carried into and out of it. */
export interface CarryClaim {
  readonly round: number;
  readonly carry: CarryRoots | null;
}

interface Entry {
  /** Round of the claim. */
  readonly round: number;
  readonly before: Uint8Array;
  readonly accepted: Uint8Array;
  readonly refused: Uint8Array;
  /**
   * What the next round may start from beside zeros: nothing, too, when it was 'short', refused for what it did not do.
   * 'refused' until more is known, as when nothing is certified.
   */
  readonly left: Left;
  /** Whether the round before left it 'short'. */
  readonly wasShort: boolean;
}

type Left = (typeof LEFT)[number];
const LEFT = ['before', 'accepted', 'refused', 'nothing', 'short'] as const;

/** Reasons for which nobody looked at a round, and its sender is not to blame: no room, or a validator that failed. */
export const isUnseen = (reason: RefusalReason): boolean => reason === 'capacity' || reason === 'unjudged';

/** Whether a contributor goes on from a refused round at all, rather than from zeros: its own doing was not the cause. */
export const goesOn = (reason: RefusalReason): boolean => reason === 'on-trial' || isUnseen(reason);

/**
 * What a refused round leaves to go on from. `refused`: what was sent is put back into the error feedback; only where the
 * round can be audited. `undone`: what the round started from, as if it had not been: what nobody can look at may not be
 * built upon, or a liar would hide in it what it made up. `reset`: zeros.
 */
export function afterRefusal(reason: RefusalReason): 'refused' | 'undone' | 'reset' {
  if (reason === 'on-trial') return 'refused';
  return isUnseen(reason) ? 'undone' : 'reset';
}

/** Reasons that say that no such work was done as was claimed: too small a step, no gain, signs of chance. */
const SHORT: ReadonlySet<RefusalReason> = new Set(['work', 'loss', 'direction']);
/** Rounds between two that are judged as a beginner's, for who was refused for one of these. */
const SECOND_CHANCE = 8;

const HexHash = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/),
  v.transform((hex) => fromHex(hex)),
);
const Stored = v.record(
  v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  v.object({
    round: v.number(),
    before: HexHash,
    accepted: HexHash,
    refused: HexHash,
    left: v.picklist(LEFT),
    wasShort: v.boolean(),
  }),
);

/** A round's verdict, as far as it decides what is left; `unlisted`: refusals that no list has room for. */
export type Settled = Pick<Outcome, 'round' | 'accepted' | 'refused'> & {
  readonly unlisted: Outcome['refused'];
};

/** Roots by contributor. */
export class CarryBook {
  readonly #zero: Uint8Array;
  readonly #entries: Map<string, Entry>;

  /** `zero`: root of a newcomer's carry. `note`: what {@link encode} gave before a restart. */
  constructor(zero: Uint8Array, note: Uint8Array | null = null) {
    this.#zero = zero;
    this.#entries = decode(note);
  }

  /** Why a claim's carry does not follow from the one before; null when it does. */
  problem(contributor: Uint8Array, { carry }: CarryClaim): Refusal | null {
    if (carry === null) return refusal('malformed', 'no-carry-roots');
    const before = this.#expected(contributor);
    if (bytesEqual(carry.before, this.#zero) || (before !== null && bytesEqual(carry.before, before)))
      return null;
    return refusal('carry', 'carry-broken');
  }

  /**
   * Whether a commit starts from zeros with good reason: a joiner's, or that of a tab that was reloaded or came too late.
   * Who was refused as {@link SHORT} before has that reason one round in eight, so that no honest tab is locked out. Ask
   * before {@link note}.
   */
  startsOver(contributor: Uint8Array, { carry, round }: CarryClaim): boolean {
    if (carry === null || !bytesEqual(carry.before, this.#zero)) return false;
    const short = this.#entries.get(toHex(contributor))?.left === 'short';
    return !short || (contributor[0] + round) % SECOND_CHANCE === 0;
  }

  /** Remembers what a claim that the round's book took leaves, once a round. */
  note(contributor: Uint8Array, claim: CarryClaim): void {
    const key = toHex(contributor);
    const { carry, round } = claim;
    const known = this.#entries.get(key);
    if ((known?.round ?? -1) >= round) return;
    if (carry === null || this.problem(contributor, claim) !== null) return;
    this.#entries.set(key, { round, ...carry, left: 'refused', wasShort: known?.left === 'short' });
  }

  /** Takes in how a round was judged. Forgets who is no member any more. */
  settle({ round, accepted, refused, unlisted }: Settled, isMember: (key: string) => boolean): void {
    const left = new Map<string, Left>();
    for (const { contributor } of accepted) left.set(toHex(contributor), 'accepted');
    for (const { contributor, reason } of refused)
      left.set(toHex(contributor), leftBy(afterRefusal(reason), reason));
    // Whoever is not listed by name is only told that it goes on, not from what: from what it had.
    for (const { contributor, reason } of unlisted)
      left.set(toHex(contributor), leftBy(goesOn(reason) ? 'undone' : 'reset', reason));
    for (const [key, entry] of this.#entries) {
      if (!isMember(key)) this.#entries.delete(key);
      else if (entry.round === round)
        this.#entries.set(key, { ...entry, left: settled(entry, left.get(key)) });
    }
  }

  /** The book as bytes: without it, after a restart everybody would have to start again from zeros. */
  encode(): Uint8Array {
    const list = [...this.#entries].map(([key, { before, accepted, refused, ...rest }]) => [
      key,
      { ...rest, before: toHex(before), accepted: toHex(accepted), refused: toHex(refused) },
    ]);
    return new TextEncoder().encode(JSON.stringify(Object.fromEntries(list)));
  }

  #expected(contributor: Uint8Array): Uint8Array | null {
    const entry = this.#entries.get(toHex(contributor));
    if (entry === undefined || entry.left === 'nothing' || entry.left === 'short') return null;
    return entry[entry.left];
  }
}

function leftBy(after: 'refused' | 'undone' | 'reset', reason: RefusalReason): Left {
  if (after === 'reset') return SHORT.has(reason) ? 'short' : 'nothing';
  return after === 'undone' ? 'before' : 'refused';
}

/** A round that nobody looked at changes nothing: not that the one before it was short of work either. */
const settled = ({ wasShort }: Entry, left: Left = 'nothing'): Left =>
  left === 'before' && wasShort ? 'short' : left;

function decode(note: Uint8Array | null): Map<string, Entry> {
  if (note === null) return new Map();
  try {
    return new Map(Object.entries(v.parse(Stored, JSON.parse(new TextDecoder().decode(note)))));
  } catch {
    return new Map();
  }
}
