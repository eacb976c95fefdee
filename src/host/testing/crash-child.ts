/** Child process of the crash test: certifies rounds and kills itself at a named step of the last one's writes. */
import { createIdentity } from '../../protocol/identity.ts';
import { loadSeed } from '../seeds.ts';
import { Store } from '../store.ts';
import { certifyRound, openChain } from './one-round.ts';

const [dir = '', step = '', occurrence = '1'] = process.argv.slice(2);
let armed = false;
let left = Number(occurrence);
const store = Store.open(dir, {
  onStep: (name) => {
    // SIGKILL: no handler, no flush, as close to a power cut as a test can get.
    if (armed && name === step && --left === 0) process.kill(process.pid, 'SIGKILL');
  },
});
const chain = await openChain(store);
const validator = await createIdentity(loadSeed(dir, 'validator'));
await certifyRound(chain, validator, 0);
armed = true;
await certifyRound(chain, validator, 1);
process.stdout.write('survived\n');
