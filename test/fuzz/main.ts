/** `npm run fuzz -- codec [--runs N] [--seed N] [--json]`: hostile inputs until one is not handled. Exits 1 on a finding. */
import { parseArgs } from 'node:util';
import { fuzzCodec } from './codec.ts';

const FUZZERS = { codec: fuzzCodec } as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const name = positionals[0] ?? '';
if (!Object.hasOwn(FUZZERS, name)) {
  console.error(`usage: npm run fuzz -- ${Object.keys(FUZZERS).join('|')} [--runs N] [--seed N] [--json]`);
  process.exit(2);
}
const report = await FUZZERS[name as keyof typeof FUZZERS](Number(values.runs), Number(values.seed));
if (values.json) {
  for (const key of ['runs', 'refused', 'decoded'] as const) {
    console.log(JSON.stringify({ name: `fuzz.${name}.${key}`, value: report[key], unit: 'inputs' }));
  }
  console.log(
    JSON.stringify({ name: `fuzz.${name}.findings`, value: report.findings.length, unit: 'inputs' }),
  );
  console.log(JSON.stringify({ name: `fuzz.${name}.slowest`, value: report.slowestMs, unit: 'ms' }));
} else {
  console.log(
    `${report.runs} inputs: ${report.refused} refused, ${report.decoded} decoded, slowest ${report.slowestMs.toFixed(1)} ms`,
  );
}
for (const finding of report.findings.slice(0, 20)) console.error(finding);
process.exit(report.findings.length === 0 ? 0 : 1);
