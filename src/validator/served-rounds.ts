/** Serves certified rounds' submissions to tabs that missed them, and forgets those of old rounds. */
import type { Swarm } from '../swarm/types.ts';

/** Submissions of this many certified rounds are served. */
export const SERVED_ROUNDS = 8;

export class ServedRounds {
  readonly #swarm: Pick<Swarm, 'serve' | 'forget'>;
  readonly #rounds: Uint8Array[][] = [];

  constructor(swarm: Pick<Swarm, 'serve' | 'forget'>) {
    this.#swarm = swarm;
  }

  /** One round more. */
  add(submissions: readonly (readonly [hash: Uint8Array, bytes: Uint8Array | undefined])[]): void {
    for (const [hash, bytes] of submissions) if (bytes !== undefined) this.#swarm.serve(hash, bytes);
    this.#rounds.push(submissions.map(([hash]) => hash));
    while (this.#rounds.length > SERVED_ROUNDS)
      for (const hash of this.#rounds.shift() ?? []) this.#swarm.forget(hash);
  }
}
