/**
 * The seam between a round and a kind of work: the book knows commits, reveals, deadlines and places; everything that
 * needs to read a claim or its bytes is asked through this interface. work/pretrain/ has one implementation.
 */
import type { Note, Score } from '../protocol/messages.ts';
import type { BlobRef } from '../protocol/schema.ts';
import type { Refusal } from './notes.ts';

/** A revealed claim, read. */
export interface ReadClaim<C> {
  readonly claim: C;
  /** Bytes that the claim is about. */
  readonly blob: BlobRef;
  /** What the ledger would count. */
  readonly units: number;
  /** Began from nothing with good reason: a newcomer, or a tab that was reloaded. Less is expected of it. */
  readonly fresh: boolean;
}

/** A contributor's work in a round whose bytes are there. */
export interface Work<C, I> {
  readonly contributor: Uint8Array;
  readonly read: ReadClaim<C>;
  readonly bytes: Uint8Array;
  readonly inspected: I;
}

/** Work among the others of its round. */
export interface Compared<C, I> {
  readonly work: Work<C, I>;
  /** Out already: it still counts as an original that others may have copied. */
  readonly refused: boolean;
  /** Belongs to the yardstick that the others are held against. */
  readonly counts: boolean;
}

/** C: what a claim says; I: what is learned of its bytes by looking at them. */
export interface RoundJudge<C, I> {
  /** Reads a revealed claim and checks it against the run's rules. Never throws for what the bytes hold. */
  read(contributor: Uint8Array, claim: Uint8Array): ReadClaim<C> | Refusal;
  /** Null when the work began from the certified state `root`. */
  stateProblem(claim: C, root: Uint8Array): Refusal | null;
  /** Looks at fetched bytes, whose hash is right. Never throws for what they hold. */
  inspect(contributor: Uint8Array, claim: C, bytes: Uint8Array): { readonly inspected: I } | Refusal;
  /** Whether the work would change anything; what would not is no yardstick. */
  moves(inspected: I): boolean;
  /** Holds the works of a round against each other, in the order of their commits. One answer each; null: still good. */
  compare(all: readonly Compared<C, I>[], seed: Uint8Array, previous: readonly I[]): (Refusal | null)[];
  /** Measures what is left, in the order of selection. One answer each. */
  measure(candidates: readonly Compared<C, I>[]): Promise<Measured[]>;
}

export interface Measured {
  readonly refusal: Refusal | null;
  /** Null when nothing was measured. */
  readonly score: Score | null;
}

/** A refusal with its sender, as an outcome lists it. */
export interface NotedRefusal extends Refusal {
  readonly contributor: Uint8Array;
}

/** The end of an audit, with the figures behind it. */
export interface NotedAudit {
  readonly contributor: Uint8Array;
  /** The round that was replayed. */
  readonly round: number;
  readonly outcome: 'passed' | 'failed';
  readonly note: Note;
}
