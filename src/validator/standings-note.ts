/** The validator's standings as bytes for the store. Losing them costs contributors their ramp, so they are kept. */
import * as v from 'valibot';
import type { Standings } from '../gauntlet/standings.ts';
import { fromHex, toHex } from '../protocol/bytes.ts';

const Stored = v.array(
  v.object({
    contributor: v.pipe(
      v.string(),
      v.regex(/^[0-9a-f]{64}$/),
      v.transform((hex) => fromHex(hex)),
    ),
    rating: v.object({ mu: v.pipe(v.number(), v.finite()), sigma: v.pipe(v.number(), v.finite()) }),
    work: v.pipe(v.number(), v.finite()),
    measurements: v.number(),
    lastRound: v.number(),
  }),
);

export function encodeStandings(standings: Standings): Uint8Array {
  const list = [...standings.values()].map((s) => ({ ...s, contributor: toHex(s.contributor) }));
  return new TextEncoder().encode(JSON.stringify(list));
}

/** Empty when there are none, or none that can be read: everybody then starts anew. */
export function decodeStandings(bytes: Uint8Array | null): Standings {
  if (bytes === null) return new Map();
  try {
    const list = v.parse(Stored, JSON.parse(new TextDecoder().decode(bytes)));
    return new Map(list.map((standing) => [toHex(standing.contributor), standing]));
  } catch {
    return new Map();
  }
}
