/** The swarm's time on this machine: its own clock, corrected by what the host says the time is. */
import { SwarmClock } from '../protocol/clock.ts';
import type { Clock } from '../protocol/timer.ts';
import type { Host } from './host.ts';

/** Samples taken at start; the one with the shortest round trip is the most exact. */
const SAMPLES = 5;
/** Longest wait between two looks at the time: the estimate may have changed meanwhile. */
const LONGEST_WAIT_MS = 10_000;

export class RunClock implements Clock {
  readonly #machine: Clock;
  readonly #swarm: SwarmClock;

  /** `machine`: this machine's own clock. */
  constructor(machine: Clock) {
    this.#machine = machine;
    this.#swarm = new SwarmClock(() => machine.now());
  }

  /** Milliseconds to add to this machine's clock. */
  get offsetMs(): number {
    return this.#swarm.estimate().offset;
  }

  now(): number {
    return this.#swarm.now();
  }

  at(time: number, callback: () => void): () => void {
    let cancel = (): void => {};
    const arm = (): void => {
      const soon = this.#machine.now() + LONGEST_WAIT_MS;
      cancel = this.#machine.at(Math.min(this.toLocal(time), soon), look);
    };
    const look = (): void => {
      if (this.now() >= time) callback();
      else arm();
    };
    arm();
    return () => cancel();
  }

  /** A swarm time as this machine's clock will show it. */
  toLocal(swarmMs: number): number {
    return swarmMs - this.offsetMs;
  }

  /** Measures again. Rejects as the host does. */
  async measure(host: Pick<Host, 'time'>, samples = SAMPLES): Promise<void> {
    for (let i = 0; i < samples; i++) this.#swarm.addSample('host', await host.time());
  }
}
