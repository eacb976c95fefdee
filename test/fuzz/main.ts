/**
 * `npm run fuzz -- TARGET [--runs N] [--seed N] [--json]`: hostile inputs until one is not handled. Each file in targets/
 * is one target; its name is the file's. Exits 1 on a finding.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type { Fuzz } from './report.ts';

const FOLDER = join(import.meta.dirname, 'targets');
const targets = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3))
  .sort();

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const name = positionals[0] ?? '';
const [runs, seed] = [Number(values.runs), Number(values.seed)];
if (!targets.includes(name) || !Number.isInteger(runs) || runs < 1 || !Number.isInteger(seed)) {
  console.error(`usage: npm run fuzz -- ${targets.join('|')} [--runs N] [--seed N] [--json]`);
  process.exit(2);
}
const { fuzz } = (await import(pathToFileURL(join(FOLDER, `${name}.ts`)).href)) as { fuzz: Fuzz };
const { figures, findings } = await fuzz(runs, seed);
const all = [
  { name: 'runs', value: runs, unit: 'inputs' },
  ...figures,
  { name: 'findings', value: findings.length, unit: 'inputs' },
];
for (const figure of all) {
  if (values.json) console.log(JSON.stringify({ ...figure, name: `fuzz.${name}.${figure.name}` }));
  else console.log(`${figure.name}: ${figure.value} ${figure.unit}`);
}
for (const finding of findings.slice(0, 20)) console.error(finding);
process.exit(findings.length === 0 ? 0 : 1);
