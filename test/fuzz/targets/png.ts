/** Hostile pictures for the reader of certificates: it never throws, and never accepts two texts. */
import { concatBytes } from '../../../src/protocol/bytes.ts';
import { joinPng, splitPng } from '../../../src/protocol/png-text.ts';
import { readPicture } from '../../../src/peer/verify-contribution.ts';
import { randomSource } from '../../../src/sparseloco/testing.ts';
import { bend, type FuzzReport, heapMb } from '../report.ts';

const MOST_GROWTH_MB = 32;

/** A PNG of one grey pixel; chunks as `zlib` and the specification give them. */
const PIXEL = Uint8Array.from(
  Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==',
    'base64',
  ),
);

export async function fuzz(runs: number, seed: number): Promise<FuzzReport> {
  const random = randomSource(seed);
  const seeds = [
    joinPng(PIXEL, 'a claim'),
    joinPng(PIXEL, 'A'.repeat(3000)),
    PIXEL,
    concatBytes(joinPng(PIXEL, 'x'), PIXEL),
  ];
  const pick = (): Uint8Array<ArrayBuffer> => seeds[Math.floor(random() * seeds.length)] ?? PIXEL;
  const findings: string[] = [];
  let [accepted, before] = [0, 0];
  for (let i = 0; i < runs; i++) {
    const input = new Uint8Array(bend(pick(), pick(), random));
    try {
      const split = splitPng(input);
      if (split.ok) accepted++;
      if (split.ok && splitPng(split.picture).ok) findings.push(`run ${i}: two texts`);
      readPicture(input);
    } catch (error) {
      findings.push(
        `run ${i} threw ${String(error)}: ${Buffer.from(input).toString('base64').slice(0, 400)}`,
      );
    }
    if (i === Math.min(runs >> 1, 20_000)) before = heapMb();
  }
  const growth = Math.max(0, heapMb() - before);
  if (growth > MOST_GROWTH_MB) findings.push(`the heap grew by ${growth.toFixed(1)} MB`);
  return {
    figures: [
      { name: 'accepted', value: accepted, unit: 'inputs' },
      { name: 'heap_growth_mb', value: Math.round(growth * 10) / 10, unit: 'MB' },
    ],
    findings,
  };
}
