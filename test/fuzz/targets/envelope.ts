/**
 * Hostile bytes for the envelope: sealed messages of every kind, flipped, cut, spliced and filled, and noise. Each must open
 * as exactly what was sealed or be refused with a reason; anything else is a finding, as is a heap that grows.
 */
import { sha256Sync, toHex } from '../../../src/protocol/bytes.ts';
import { foreignSender, open, seal } from '../../../src/protocol/envelope.ts';
import { largestMessages, ordinaryMessages } from '../../../src/protocol/testing-messages.ts';
import { testHash, testIdentity } from '../../../src/protocol/testing.ts';
import { randomSource } from '../../../src/sparseloco/testing.ts';
import { bend, type FuzzReport, heapMb } from '../report.ts';

const REASONS = ['malformed', 'version', 'signature', 'too-large'] as const;
/** Above what a collection leaves behind by chance. */
const MOST_GROWTH_MB = 16;

export async function fuzz(runs: number, seed: number): Promise<FuzzReport> {
  const random = randomSource(seed);
  const signer = await testIdentity('signer');
  const messages = [
    ...Object.values(ordinaryMessages(testHash('run'), 3, 'peer')),
    ...Object.values(largestMessages()),
  ];
  const corpus = await Promise.all(messages.map((message) => seal(signer, message)));
  const sealed = new Set(corpus.map((bytes) => toHex(sha256Sync(bytes))));
  const counts = { opened: 0, malformed: 0, version: 0, signature: 0, 'too-large': 0 };
  const findings: string[] = [];
  let slowestMs = 0;
  const pick = (): Uint8Array => corpus[Math.floor(random() * corpus.length)];
  // Caches and compiled code settle first.
  const settle = Math.min(runs, 20_000);
  let heapBefore = heapMb();
  for (let run = 0; run < runs; run++) {
    if (run === settle) heapBefore = heapMb();
    const bytes = bend(pick(), pick(), random);
    const begin = performance.now();
    try {
      const opened = await open(bytes);
      counts[opened.ok ? 'opened' : opened.reason]++;
      if (opened.ok && !sealed.has(toHex(sha256Sync(bytes))))
        findings.push(`run ${run}: opens, and nobody sealed it`);
      if ((await foreignSender(bytes, () => true)) !== null)
        findings.push(`run ${run}: a foreign sender that never signed`);
    } catch (error) {
      findings.push(`run ${run}: ${String(error)}`);
    }
    slowestMs = Math.max(slowestMs, performance.now() - begin);
  }
  const growth = heapMb() - heapBefore;
  if (growth > MOST_GROWTH_MB) findings.push(`the heap grew by ${growth.toFixed(1)} MB`);
  return {
    figures: [
      { name: 'opened', value: counts.opened, unit: 'inputs' },
      ...REASONS.map((reason) => ({ name: reason, value: counts[reason], unit: 'inputs' })),
      { name: 'slowest', value: slowestMs, unit: 'ms' },
      { name: 'heap_growth', value: growth, unit: 'MB' },
    ],
    findings,
  };
}
