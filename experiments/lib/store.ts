/** Results on disk: experiments/results/NAME/RUN.json, one file a run. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { ResultSchema, type RunResult } from './result.ts';
import { type RunSettings, settingsKey, variantName } from './settings.ts';

export class ResultStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Results of an experiment, in order of their file names; none when it never ran. */
  list(experiment: string): RunResult[] {
    const folder = join(this.folder, experiment);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => this.#read(join(folder, name)));
  }

  experiments(): string[] {
    if (!existsSync(this.folder)) return [];
    return readdirSync(this.folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  }

  /** A result with exactly these settings, from whichever experiment made it. */
  find(settings: RunSettings): RunResult | undefined {
    const key = settingsKey(settings);
    for (const name of this.experiments()) {
      const found = this.list(name).find((result) => settingsKey(result.settings) === key);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  save(experiment: string, result: RunResult): string {
    const folder = join(this.folder, experiment);
    mkdirSync(folder, { recursive: true });
    const { corpus, seed } = result.settings;
    const path = join(folder, `${corpus}-${variantName(result.settings)}-seed${seed}.json`);
    // Whole or not at all: a run may be stopped at any moment.
    writeFileSync(`${path}.part`, `${JSON.stringify(result, null, 1)}\n`);
    renameSync(`${path}.part`, path);
    return path;
  }

  #read(path: string): RunResult {
    try {
      return v.parse(ResultSchema, JSON.parse(readFileSync(path, 'utf8')));
    } catch (cause) {
      throw new Error(`"${path}" is no result of an experiment: delete it and run the experiment again.`, {
        cause,
      });
    }
  }
}
