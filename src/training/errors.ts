/** What the training engine throws, as classes a caller can act on. */

/** The GPU went away (driver reset, sleep, another program). Build a new device and engine from what you last read. */
export class DeviceLostError extends Error {
  static override readonly name = 'DeviceLostError';
  override readonly name = 'DeviceLostError';
}

/** Which need of the model is above what the device has, in bytes. */
export interface Misfit {
  readonly of: /** One buffer, by the device's limit on buffers. */
    | 'buffer'
    /** One buffer, by what its shaders can bind. A smaller batch or sequence needs less. */
    | 'binding'
    /** One matrix of a layer, by what shaders can bind. */
    | 'matrix'
    /** Everything together, by what the caller grants. */
    | 'budget'
    /** Everything together: the device ran out of memory. How much it had is not known. */
    | 'memory';
  /** Name of the buffer; '' where none is meant. */
  readonly name: string;
  readonly bytes: number;
  /** Null where it is not known. */
  readonly most: number | null;
}

export interface MisfitFacts {
  readonly misfit: Misfit;
  readonly batch: number;
  readonly sequence: number;
  /** The largest preset that fits; null when none does, or where nobody looked. */
  readonly largest: string | null;
}

/** The model cannot fit this device; the facts have the numbers. */
export class DoesNotFitError extends Error {
  static override readonly name = 'DoesNotFitError';
  override readonly name = 'DoesNotFitError';
  readonly facts: MisfitFacts;

  constructor(facts: MisfitFacts) {
    const { of, name, bytes, most } = facts.misfit;
    super(`${of}${name === '' ? '' : ` "${name}"`}: needs ${bytes} bytes, there are ${most ?? 'fewer'}`);
    this.facts = facts;
  }
}
