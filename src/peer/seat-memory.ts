/**
 * What a validator's seat must not forget where the chain itself is kept by a host: the last certificates that it signed, with the
 * work they accept, and notes that may be lost without harm. Never the key.
 *
 * A record is on disk before a byte of the certificate leaves: whatever happens then, the seat can hand over the same
 * certificate again and never signs another one of that height.
 */
import type { NoteName } from '../validator/note-store.ts';

/** A signed certificate. */
export interface SignedRecord {
  readonly height: number;
  /** Of the certificate's body. */
  readonly hash: Uint8Array;
  /** Sealed, as they are handed over and published. */
  readonly message: Uint8Array;
  readonly opinions: readonly Uint8Array[];
  /** Wire bytes of the accepted submissions, in the body's order. */
  readonly submissions: readonly Uint8Array[];
  /** Whether the host said that it is on disk; only then others may have heard of it. */
  readonly stored: boolean;
}

/** What a seat notes, and the peer id of its last visit. */
export type SeatNote = NoteName | 'peer';

/** The memory of one seat: a run and a validator's key. */
export interface SeatMemory {
  /** The last certificates that were signed here, lowest first, without gaps between those that a host may still lack. */
  records(): Promise<SignedRecord[]>;
  /** Replaces the one of that height; forgets the oldest beyond what is kept. */
  saveRecord(record: SignedRecord): Promise<void>;
  /** Of a certificate that was never used: the host took another one of that height. */
  forget(height: number): Promise<void>;
  note(name: SeatNote): Promise<Uint8Array | null>;
  saveNote(name: SeatNote, value: Uint8Array): Promise<void>;
  close(): void;
}

/** What is remembered of the last certificates cannot be read: the seat may not go on. */
export class SeatMemoryError extends Error {
  static override readonly name = 'SeatMemoryError';
  override readonly name = 'SeatMemoryError';
}
