/** The swarm's time in this tab: measured against the host, and the round it is by it. */
import { type PhaseInfo, phaseAt, SwarmClock } from '../protocol/clock.ts';
import type { Schedule } from '../protocol/manifest.ts';
import { pause } from '../swarm/pause.ts';
import type { HostClient } from './host-client.ts';

/** Samples taken at start; the one with the shortest round trip is the most exact. */
const SAMPLES = 5;

export class RunClock {
  readonly #clock = new SwarmClock();

  /** Milliseconds to add to this machine's clock. */
  get offsetMs(): number {
    return this.#clock.estimate().offset;
  }

  /** Epoch milliseconds by the swarm's clock. */
  now(): number {
    return this.#clock.now();
  }

  /** A swarm time as this machine's clock will show it. */
  toLocal(swarmMs: number): number {
    return swarmMs - this.offsetMs;
  }

  phase(schedule: Schedule): PhaseInfo {
    return phaseAt(schedule, this.now());
  }

  /** Measures again. Throws HostError. */
  async measure(host: HostClient, samples = SAMPLES): Promise<void> {
    for (let i = 0; i < samples; i++) this.#clock.addSample('host', await host.time());
  }

  /** Resolves at a swarm time or when `signal` aborts, whichever is first. */
  until(swarmMs: number, signal: AbortSignal): Promise<void> {
    return pause(swarmMs - this.now(), signal);
  }
}
