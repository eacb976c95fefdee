/** What a fuzz target reports, and what several of them need: the heap's size, and bytes bent in random ways. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** One figure of a target, as a JSON line shows it. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

export interface FuzzReport {
  readonly figures: readonly Figure[];
  /** One line for each input that was not handled, and for each thing that grew. Empty: all is well. */
  readonly findings: readonly string[];
}

/** What a file in targets/ exports as `fuzz`. The same seed gives the same inputs. */
export type Fuzz = (runs: number, seed: number) => Promise<FuzzReport>;

/** What is in use on the heap after a full collection, in MB (10^6 bytes). */
export function heapMb(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1e6;
}

/** One hostile version of `bytes`: bits flipped, cut short, appended to, spliced with `other`, filled, or noise. */
export function bend(bytes: Uint8Array, other: Uint8Array, random: () => number): Uint8Array {
  const below = (n: number) => Math.floor(random() * n);
  const out = bytes.slice();
  switch (below(6)) {
    case 0:
      if (out.length === 0) return out;
      for (let i = below(8); i >= 0; i--) out[below(out.length)] ^= 1 << below(8);
      return out;
    case 1:
      return out.subarray(0, below(out.length));
    case 2:
      return Uint8Array.from([...out, ...Uint8Array.from({ length: 1 + below(64) }, () => below(256))]);
    case 3: {
      const cut = below(Math.min(out.length, other.length));
      out.set(other.subarray(cut, out.length), cut);
      return out;
    }
    case 4:
      return out.fill([0, 255, below(256)][below(3)], below(out.length + 1));
    default:
      return Uint8Array.from({ length: below(200) }, () => below(256));
  }
}
