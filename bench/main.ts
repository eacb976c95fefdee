/**
 * `npm run bench -- NAME [options]`: runs bench/NAME.ts, which reads its options from `process.argv` as if it had been
 * started itself. Every bench takes --json and then prints one `{name, value, unit, ...}` object a line.
 */
import { readdirSync } from 'node:fs';

const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && file !== 'main.ts')
  .map((file) => file.slice(0, -'.ts'.length))
  .sort();
const [name = ''] = process.argv.splice(2, 1);
if (!names.includes(name)) {
  console.error(`usage: npm run bench -- ${names.join('|')} [--json] [options]`);
  process.exit(2);
}
await import(new URL(`./${name}.ts`, import.meta.url).href);
