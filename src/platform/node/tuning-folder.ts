/** Tuning results of a Node peer, one JSON file each. A result that cannot be read or kept is measured again. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import type { TuningStore } from '../../work/pretrain/trainer.ts';

/** Environment variable that tells the trainer's process where its results are kept. */
export const TUNING_FOLDER = 'TABSWARM_TUNING_FOLDER';

/** A tuning result as a file may hold it: another version, or another program, may have written there. */
const StoredTuning = v.object({
  key: v.string(),
  matmul: v.record(v.string(), v.string()),
  measured: v.record(v.string(), v.record(v.string(), v.number())),
  storage: v.picklist(['f16', 'f32']),
  attention: v.record(v.string(), v.number()),
});

export function tuningFolder(folder: string): TuningStore {
  const pathOf = (key: string): string =>
    join(folder, `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`);
  return {
    async load(key) {
      try {
        const stored = v.safeParse(StoredTuning, JSON.parse(await readFile(pathOf(key), 'utf8')));
        return stored.success ? stored.output : undefined;
      } catch {
        return undefined;
      }
    },
    async save(key, tuning) {
      const draft = join(folder, `${randomUUID()}.new`);
      try {
        await mkdir(folder, { recursive: true });
        await writeFile(draft, JSON.stringify(tuning));
        await rename(draft, pathOf(key));
      } catch {
        await rm(draft, { force: true }).catch(() => {});
      }
    },
  };
}
