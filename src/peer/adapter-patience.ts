/**
 * Browsers refuse an adapter for a while: in the first moments of their life, and after the graphics process crashed. So nobody
 * takes one "none" for an answer.
 */
import { GpuUnavailableError } from '../kernels/gpu.ts';
import { messageOf } from '../protocol/errors.ts';
import { DeviceLostError } from '../training/errors.ts';

/** With {@link Participant.retrying}'s pauses: about a minute. */
export const ADAPTER_ASKS = 8;

/** No adapter is offered; it is asked for again. */
export class AdapterLateError extends Error {
  static override readonly name = 'AdapterLateError';
  override readonly name = 'AdapterLateError';
}

/** There was an adapter, and for a minute there is none any more. */
export class GpuWithdrawnError extends Error {
  static override readonly name = 'GpuWithdrawnError';
  override readonly name = 'GpuWithdrawnError';
}

/** What becomes of failed openings of one role's trainers, one after another. */
export class AdapterPatience {
  #had = false;
  #asked = 0;

  /**
   * Opens a trainer. A missing adapter is told as what passes: late before there ever was one, until the last ask; a lost
   * device after that, and then a GPU that the browser took away. Everything else is thrown as it is.
   */
  async open<T>(opening: () => Promise<T>): Promise<T> {
    try {
      const opened = await opening();
      this.#had = true;
      this.#asked = 0;
      return opened;
    } catch (error) {
      if (!lacksAdapter(error)) throw error;
      this.#asked++;
      const last = this.#asked >= ADAPTER_ASKS;
      if (this.#had)
        throw last ? new GpuWithdrawnError(messageOf(error)) : new DeviceLostError(messageOf(error));
      throw last ? error : new AdapterLateError(messageOf(error));
    }
  }
}

/** Errors that come from a worker have lost their class, but not their name and code. */
const lacksAdapter = (error: unknown): boolean =>
  error instanceof Error &&
  error.name === GpuUnavailableError.name &&
  'code' in error &&
  error.code === 'no-adapter';
