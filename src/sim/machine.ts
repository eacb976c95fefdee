/** Machines of a simulation whose clocks can be set: the shipped steady clock over a virtual one, and one that follows. */
import { SteadyClock } from '../protocol/steady-clock.ts';
import type { Clock } from '../protocol/timer.ts';
import type { VirtualClock } from './virtual-clock.ts';

export class SimMachine {
  readonly clock: SteadyClock;
  #ahead: number;

  /** `aheadMs`: how far the shown time is ahead from the beginning. */
  constructor(virtual: VirtualClock, aheadMs = 0) {
    this.#ahead = aheadMs;
    const booted = virtual.now();
    this.clock = new SteadyClock({
      wall: () => virtual.now() + this.#ahead,
      counter: () => virtual.now() - booted,
      wait: (ms, callback) => virtual.at(virtual.now() + ms, callback),
    });
  }

  /** Somebody sets the clock: forwards, or (below 0) back. */
  step(byMs: number): void {
    this.#ahead += byMs;
  }
}

/** A clock that follows whoever sets it, and waits as a participant's clock does: the host's, seen from outside. */
export class SetClock implements Clock {
  readonly #virtual: VirtualClock;
  aheadMs = 0;

  constructor(virtual: VirtualClock) {
    this.#virtual = virtual;
  }

  now(): number {
    return this.#virtual.now() + this.aheadMs;
  }

  at(time: number, callback: () => void): () => void {
    let cancel = (): void => {};
    const due = time - this.aheadMs;
    const look = (): void => {
      const now = this.#virtual.now();
      if (this.now() >= time || (now >= due && time - this.now() > 1000)) callback();
      else
        cancel = this.#virtual.at(
          Math.min(time - this.aheadMs, now < due ? due : now + 1000, now + 1000),
          look,
        );
    };
    cancel = this.#virtual.at(Math.min(due, this.#virtual.now() + 1000), look);
    return () => cancel();
  }
}
