/**
 * Looks before each round whether the disk has room for it, so that a full disk is said before a round is lost, and again when
 * there is room: nothing needs to be started again.
 */
import { type Clock, every } from '../protocol/timer.ts';
import { freeBytes } from './disk.ts';

/** `full`: the next round cannot be written. `low`: not many more can. */
export type DiskRoom = 'enough' | 'low' | 'full';

export interface DiskState {
  readonly room: DiskRoom;
  /** Null where the system does not say. */
  readonly freeBytes: number | null;
  readonly neededBytes: number;
}

/** Rounds that must have room on the disk. */
const ROUNDS_AHEAD = 20;
/** The database's journal, and what the system needs to list files. */
const BESIDE_BYTES = 2 ** 20;
const LOOK_MS = 5000;

export class DiskWatch {
  readonly #free: () => number | null;
  readonly #needed: () => number;
  readonly #onChange: (state: DiskState) => void;
  #state: DiskState;

  /** `needed`: bytes that a round writes. `onChange` is called when the room becomes another. */
  constructor(free: () => number | null, needed: () => number, onChange: (state: DiskState) => void) {
    this.#free = free;
    this.#needed = needed;
    this.#onChange = onChange;
    this.#state = { room: 'enough', freeBytes: null, neededBytes: needed() };
    this.look();
  }

  get state(): DiskState {
    return this.#state;
  }

  look(): void {
    const free = this.#free();
    const neededBytes = this.#needed() + BESIDE_BYTES;
    const room = roomFor(free, neededBytes);
    const before = this.#state.room;
    this.#state = { room, freeBytes: free, neededBytes };
    if (room !== before) this.#onChange(this.#state);
  }
}

function roomFor(free: number | null, needed: number): DiskRoom {
  if (free === null) return 'enough';
  if (free < needed) return 'full';
  return free < ROUNDS_AHEAD * needed ? 'low' : 'enough';
}

/** Watches the disk of a folder; `stop` ends it. */
export function watchDisk(
  dir: string,
  needed: () => number,
  clock: Clock,
  onChange: (state: DiskState) => void,
): { readonly watch: DiskWatch; readonly stop: () => void } {
  const watch = new DiskWatch(() => freeBytes(dir), needed, onChange);
  return { watch, stop: every(clock, LOOK_MS, () => watch.look()) };
}
