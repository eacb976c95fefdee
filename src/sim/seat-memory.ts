/** A validator's seat memory without a disk: what a test's seats remember, to be looked at and changed by hand. */
import type { SeatMemory, SeatNote, SignedRecord } from '../peer/seat-memory.ts';

export class SimSeatMemory implements SeatMemory {
  kept: SignedRecord[] = [];
  readonly notes = new Map<SeatNote, Uint8Array>();
  closed = 0;

  /** The newest record. Throws when nothing was signed. */
  get last(): SignedRecord {
    const last = this.kept.at(-1);
    if (last === undefined) throw new Error('nothing was signed');
    return last;
  }

  async records(): Promise<SignedRecord[]> {
    return this.kept.slice();
  }

  async saveRecord(record: SignedRecord): Promise<void> {
    this.kept = [...this.kept.filter(({ height }) => height !== record.height), record];
  }

  async forget(height: number): Promise<void> {
    this.kept = this.kept.filter((record) => record.height !== height);
  }

  async note(name: SeatNote): Promise<Uint8Array | null> {
    return this.notes.get(name) ?? null;
  }

  async saveNote(name: SeatNote, value: Uint8Array): Promise<void> {
    this.notes.set(name, value);
  }

  close(): void {
    this.closed++;
  }
}
