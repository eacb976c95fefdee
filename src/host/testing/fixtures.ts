/** Small runs for the host's tests: a folder, a made-up text, the smallest preset. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { preset } from '../../model/presets.ts';
import { VIRTUAL_START } from '../../sim/virtual-clock.ts';
import { randomSource } from '../../sparseloco/testing.ts';
import type { NewRun } from '../open-run.ts';

/** A folder that is removed by the returned function. */
export function temporaryFolder(): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'tabswarm-host-'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** Makes copies of `prepared` in `dir`, each in a folder of its own. */
export function copier(dir: string, prepared: string): () => string {
  let copies = 0;
  return () => {
    const copy = join(dir, `copy-${copies++}`);
    cpSync(prepared, copy, { recursive: true });
    return copy;
  };
}

/** About 60 KB of made-up sentences: enough for the smallest tokenizer, prepared in a fraction of a second. */
export function writeCorpus(dir: string): string {
  const random = randomSource(11);
  const words =
    'the of people union states government great year congress public peace war law nation may shall'.split(
      ' ',
    );
  const lines: string[] = [];
  for (let i = 0; i < 900; i++) {
    const sentence = Array.from(
      { length: 8 + Math.floor(8 * random()) },
      () => words[Math.floor(words.length * random() ** 2)],
    );
    lines.push(`${sentence.join(' ')}.`);
  }
  const path = join(dir, 'corpus.txt');
  writeFileSync(path, lines.join('\n'));
  return path;
}

/** The `tiny` preset on the made-up text, with short sequences. */
export function smallRun(corpus: string, change: NewRun['overrides'] = {}): NewRun {
  return {
    preset: preset('tiny'),
    name: 'test run',
    corpus,
    shardTokens: 1024,
    startMs: START,
    overrides: {
      ...change,
      training: { sequence: 32, ...change?.training },
      gauntlet: { evaluationSequences: 2, heldOutSequences: 4, ...change?.gauntlet },
      admission: { joinBits: 4, ...change?.admission },
    },
  };
}

/** Round 0 of {@link smallRun} begins here; rounds last 10 s, as in the preset. */
export const START = VIRTUAL_START;
