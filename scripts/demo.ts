/**
 * `npm run demo`: a whole swarm in one terminal and without a browser. A host in this process, two contributors in
 * processes of their own (`tabswarm join`), and a line for each certified round, until Ctrl-C.
 *
 * Options: `--data FOLDER` keeps the run (default: a temporary folder, removed at the end), `--preset NAME` (default
 * tiny), `--rounds N` ends by itself after N certified rounds.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { errorText, eventText } from '../src/cli/say.ts';
import { platformText } from '../src/cli/say-join.ts';
import type { HostEvent } from '../src/host/events.ts';
import { type RunningHost, startHost } from '../src/host/run.ts';
import { PRESET_NAMES } from '../src/model/presets.ts';
import { PlatformError } from '../src/platform/node/errors.ts';
import { chooseDevice, type NodeDevice } from '../src/platform/node/trainer.ts';

const ROOT = resolve(import.meta.dirname, '..');
const CONTRIBUTORS = ['anna', 'ben'] as const;
/** Ctrl-C may arrive twice at once (terminal and npm). */
const IMPATIENCE_MS = 1500;

const { values } = parseArgs({
  options: { data: { type: 'string' }, preset: { type: 'string' }, rounds: { type: 'string' } },
});
const preset = PRESET_NAMES.find((name) => name === (values.preset ?? 'tiny'));
if (preset === undefined) fail(`There is no preset "${values.preset}". Presets: ${PRESET_NAMES.join(', ')}.`);
const rounds = values.rounds === undefined ? null : Number(values.rounds);
if (rounds !== null && !(Number.isInteger(rounds) && rounds >= 1))
  fail(`--rounds is a whole number from 1 on, not "${values.rounds}".`);

const say = (line: string): boolean => process.stdout.write(`${line}\n`);

function fail(why: string): never {
  process.stderr.write(`demo: ${why}\n`);
  process.exit(2);
}

/** A graphics card, or the processor once the set-up of the tests has brought what that needs. */
async function findDevice(): Promise<NodeDevice> {
  try {
    return await chooseDevice();
  } catch (error) {
    if (!(error instanceof PlatformError) || error.facts['install'] !== 'chromium') throw error;
    say(platformText(error));
    say('Trying that now, as "npm run setup" does:');
    spawnSync(process.execPath, ['--import', './scripts/register.mjs', 'scripts/setup.ts'], {
      cwd: ROOT,
      stdio: 'inherit',
    });
    return chooseDevice();
  }
}

function contributor(name: string, url: string, device: NodeDevice, key: string): ChildProcess {
  const child = spawn(
    process.execPath,
    [
      join(ROOT, 'bin/tabswarm.mjs'),
      'join',
      url,
      '--json',
      '--name',
      name,
      '--key',
      key,
      '--device',
      device.kind,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  // Its rounds are told by the host. A pipe that nobody reads would stop it.
  child.stdout?.resume();
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    // Its start and its troubles, and not each round.
    for (const line of text.split('\n'))
      if (line !== '' && !line.startsWith('round ')) say(`${name.padEnd(5)} ${line.trim()}`);
  });
  return child;
}

let certified = 0;
const losses: number[] = [];

function told(event: HostEvent): void {
  if (event.is === 'certified') {
    certified++;
    const loss = event.opinion?.heldOutLoss ?? null;
    if (loss !== null) losses.push(loss);
    const { round, height, accepted, joined } = event.body;
    say(
      [
        `round ${round}`,
        `height ${height}`,
        `${accepted.length} ${accepted.length === 1 ? 'contributor' : 'contributors'}`,
        ...(joined.length === 0 ? [] : [`${joined.length} joined`]),
        ...(loss === null ? [] : [`held-out loss ${loss.toFixed(4)} before it`]),
      ].join(' · '),
    );
    if (certified === rounds) interrupt();
  } else if (event.is === 'nothing-certified' && certified === 0 && event.refused.length === 0) {
    // Contributors get ready; that was said.
  } else if (event.is !== 'audits-off') say(`host  ${eventText(event)}`);
}

let asked: number | null = null;
let end: () => void = () => {};
const ended = new Promise<void>((done) => {
  end = done;
});

function interrupt(): void {
  const now = Date.now();
  if (asked !== null && now - asked > IMPATIENCE_MS) {
    code = 130;
    for (const child of children) child.kill('SIGKILL');
  }
  if (asked === null) say('Finishing the round. Ctrl-C again stops at once.');
  asked ??= now;
  end();
}

const children: ChildProcess[] = [];
const folder = values.data ?? mkdtempSync(join(tmpdir(), 'tabswarm-demo-'));
let host: RunningHost | null = null;
let code = 0;
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
// Nobody reads along any more (`| head`).
process.stdout.on('error', () => {
  if (asked === null) interrupt();
});
try {
  const device = await findDevice();
  mkdirSync(folder, { recursive: true });
  host = await startHost({
    dataDir: join(folder, 'host'),
    appDir: null,
    port: 0,
    preset,
    name: 'Demo',
    report: told,
  });
  say(`A run in ${folder}, trained on ${device.adapter.description} by two contributors. Ctrl-C ends it.`);
  say('Rounds pass unused until their device is ready: about a minute on a processor with other work.');
  for (const name of CONTRIBUTORS)
    children.push(contributor(name, host.url, device, join(folder, `${name}.key`)));
  const gone = children.map(
    (child) =>
      new Promise<number>((done) =>
        child.once('exit', (status, signal) => done(status ?? (signal === null ? 1 : 130))),
      ),
  );
  // A contributor that ends by itself has said why.
  const first = await Promise.race([ended, ...gone]);
  if (first !== undefined) code = 1;
  for (const child of children) child.kill('SIGINT');
  await Promise.all(gone);
} catch (error) {
  process.stderr.write(`demo: ${errorText(error)}\n`);
  code = 1;
}
await host?.stop();
if (values.data === undefined) rmSync(folder, { recursive: true, force: true });
if (losses.length > 1)
  say(
    `Held-out loss ${losses[0]?.toFixed(4)} at the start, ${losses.at(-1)?.toFixed(4)} after ${certified - 1} certified rounds.`,
  );
process.exit(code);
