/** `npm run soak -- NAME [--json] [--steps N]`: runs too long for the test command. Exits 1 where a bound is broken. */
import { soakEngine } from './engine.ts';
import { soakSession } from './session.ts';
import { soakUi } from './ui.ts';

const SOAKS = { engine: soakEngine, session: soakSession, ui: soakUi } as const;

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || !(name in SOAKS)) {
  console.error(`usage: npm run soak -- ${Object.keys(SOAKS).join('|')} [--json] [--steps N]`);
  process.exit(2);
}
const at = rest.indexOf('--steps');
const ok = await SOAKS[name as keyof typeof SOAKS]({
  json: rest.includes('--json'),
  steps: at < 0 ? undefined : Number(rest[at + 1]),
});
process.exit(ok ? 0 : 1);
