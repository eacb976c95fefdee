/** For tests of the book: a kind of work whose claims say what a judge would find, so that a test decides it. */
import { decodeCanonical, encodeCanonical } from '../protocol/codec.ts';
import { MAX_CLAIM_BYTES } from '../protocol/limits.ts';
import type { BlobRef } from '../protocol/schema.ts';
import type { Compared, Measured, ReadClaim, RoundJudge } from './judge.ts';
import { type Refusal, refusal } from './notes.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';

export interface ScriptedClaim {
  readonly blob: BlobRef;
  readonly units: number;
  readonly baseRoot: Uint8Array;
}

export const scriptedClaim = (claim: ScriptedClaim): Uint8Array => encodeCanonical(claim);

/** What is learned of bytes: who sent them. */
export interface ScriptedWork {
  readonly name: string;
}

/** Takes every claim that it can read, and refuses what a test put into its lists, by hex key. */
export class ScriptedJudge implements RoundJudge<ScriptedClaim, ScriptedWork> {
  /** What was asked, in order: the method, then for whom (hex key) or for how many. */
  readonly asked: string[] = [];
  readonly refusedClaims = new Map<string, Refusal>();
  readonly refusedBytes = new Map<string, Refusal>();
  readonly compared = new Map<string, Refusal>();
  readonly measured = new Map<string, Measured>();
  /** Work that changes nothing. */
  readonly still = new Set<string>();
  /** What compare() was given last. */
  lastCompared: readonly Compared<ScriptedClaim, ScriptedWork>[] = [];
  lastPrevious: readonly ScriptedWork[] = [];

  read(contributor: Uint8Array, bytes: Uint8Array): ReadClaim<ScriptedClaim> | Refusal {
    const key = toHex(contributor);
    this.asked.push(`read ${key}`);
    const refused = this.refusedClaims.get(key);
    if (refused !== undefined) return refused;
    const decoded = decodeCanonical(bytes, MAX_CLAIM_BYTES);
    if (!decoded.ok) return refusal('malformed', 'unreadable-claim');
    const claim = decoded.value as ScriptedClaim;
    return { claim, blob: claim.blob, units: claim.units, fresh: false };
  }

  stateProblem({ baseRoot }: ScriptedClaim, root: Uint8Array): Refusal | null {
    return bytesEqual(baseRoot, root) ? null : refusal('state', 'other-state');
  }

  inspect(contributor: Uint8Array): { readonly inspected: ScriptedWork } | Refusal {
    const name = toHex(contributor);
    this.asked.push(`inspect ${name}`);
    return this.refusedBytes.get(name) ?? { inspected: { name } };
  }

  moves({ name }: ScriptedWork): boolean {
    return !this.still.has(name);
  }

  compare(
    all: readonly Compared<ScriptedClaim, ScriptedWork>[],
    _seed: Uint8Array,
    previous: readonly ScriptedWork[],
  ): (Refusal | null)[] {
    this.asked.push(`compare ${all.length}`);
    this.lastCompared = all;
    this.lastPrevious = previous;
    return all.map(({ work }) => this.compared.get(work.inspected.name) ?? null);
  }

  async measure(candidates: readonly Compared<ScriptedClaim, ScriptedWork>[]): Promise<Measured[]> {
    this.asked.push(`measure ${candidates.length}`);
    return candidates.map(({ work: { contributor } }) => {
      const found = this.measured.get(toHex(contributor));
      return found ?? { refusal: null, score: { contributor, assigned: 0.2, unassigned: 0.1 } };
    });
  }
}
