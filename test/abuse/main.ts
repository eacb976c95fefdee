/**
 * `npm run abuse -- [--json] [--flood NAME]... [--seconds N] [--tabs browser|node]`: a real host with two contributors who
 * work, on the loopback, and what a stranger without an account can do to it, one flood after another. Exits 1 when a target
 * is missed.
 *
 * The stranger has an address of its own (127.0.0.66), since an address is what it has to pay for.
 */
import { parseArgs } from 'node:util';
import { Attacker } from './attacker.ts';
import { FLOODS } from './floods.ts';
import { hasBrowser, Target } from './target.ts';

/** Long enough for two software GPUs on two shared cores. */
const ROUND_SECONDS = 12;
/** Targets: at most, but `honest_heard` at least. */
const TARGETS = {
  rss_growth_mb: 64,
  rounds_lost: 0,
  newcomer_seconds: 20,
  honest_heard: 1,
  ledger_growth: 0,
} as const;
type Figure = keyof typeof TARGETS;
const UNITS: Readonly<Record<Figure, string>> = {
  rss_growth_mb: 'MB',
  rounds_lost: 'rounds',
  newcomer_seconds: 's',
  honest_heard: 'share',
  ledger_growth: 'accounts',
};
/** A newcomer that has no link by then will have none. */
const PATIENCE_MS = 60_000;
/** Memory is looked at this often. */
const LOOK_MS = 500;

const usage = `usage: npm run abuse -- [--json] [--flood ${Object.keys(FLOODS).join('|')}]... [--seconds N] [--tabs browser|node]`;
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    flood: { type: 'string', multiple: true },
    seconds: { type: 'string', default: '30' },
    tabs: { type: 'string', default: hasBrowser() ? 'browser' : 'node' },
  },
});
const names = values.flood ?? Object.keys(FLOODS);
const seconds = Number(values.seconds);
const { tabs } = values;
if (
  !names.every((name) => name in FLOODS) ||
  !(Number.isInteger(seconds) && seconds >= 5 && seconds <= 600) ||
  (tabs !== 'browser' && tabs !== 'node')
) {
  console.error(usage);
  process.exit(2);
}
// Progress is for people; the figures alone go to stdout.
const say = (line: string): void => console.error(line);

/** The highest memory while `during` lasts, and the highest of a calm time before. */
async function watchMemory(target: Target, during: Promise<unknown>): Promise<number> {
  const over = new AbortController();
  void during.finally(() => over.abort());
  let most = 0;
  while (!over.signal.aborted) {
    most = Math.max(most, await target.megabytes().catch(() => 0));
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return most;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function play(target: Target, name: string): Promise<Record<Figure, number>> {
  const flood = FLOODS[name];
  if (flood === undefined) throw new Error(name);
  say(`${name}: a calm round first`);
  const idle = await watchMemory(target, wait(1000 * ROUND_SECONDS));
  const before = await target.status();
  const accounts = await target.accounts();
  let round = before.round;
  const clock = setInterval(
    () =>
      void target.status().then(
        (status) => {
          round = status.round;
        },
        () => {},
      ),
    1000,
  );
  const attacker = await Attacker.start(target.aim);
  const end = new AbortController();
  say(`${name}: ${seconds} s of it, the host at ${idle.toFixed(0)} MB`);
  const flooding = flood({ attacker, round: () => round, checkpoint: target.checkpoint }, end.signal);
  const memory = watchMemory(target, flooding);
  // In the midst of it, somebody new comes.
  await wait((1000 * seconds) / 3);
  const [came] = await Promise.all([target.newcomer(PATIENCE_MS), wait((2000 * seconds) / 3)]);
  const flooded = round;
  end.abort();
  const got = await flooding;
  const most = await memory;
  await attacker.close();
  clearInterval(clock);
  // Until the last flooded round is judged, and its certificate heard.
  let after = await target.status();
  while (after.round <= flooded + 1) {
    await wait(500);
    after = await target.status();
  }
  await wait(2000);
  const handed = (await target.heard(before.round, flooded)).flat();
  const heard = handed.filter((one) => one.heard).length;
  for (const one of handed) if (!one.heard) say(`${name}: round ${one.round} ${one.outcome}`);
  say(
    `${name}: ${JSON.stringify(got)}, rounds ${before.round} to ${flooded}, heard ${heard} of ${handed.length}`,
  );
  return {
    rss_growth_mb: Math.max(0, Math.round(most - idle)),
    rounds_lost: after.roundsLost - before.roundsLost,
    newcomer_seconds: came === null ? PATIENCE_MS / 1000 : Math.round(10 * came) / 10,
    honest_heard: handed.length === 0 ? 0 : heard / handed.length,
    ledger_growth: (await target.accounts()) - accounts,
  };
}

const missed: string[] = [];
const target = await Target.start({ guests: tabs, roundSeconds: ROUND_SECONDS, say });
let interrupted = false;
const stop = (): void => {
  if (interrupted) process.exit(130);
  interrupted = true;
  void target.stop().finally(() => process.exit(130));
};
process.on('SIGINT', stop);
process.on('SIGTERM', stop);
try {
  for (const name of names) {
    const figures = await play(target, name);
    for (const figure of Object.keys(TARGETS) as Figure[]) {
      const [value, bound] = [figures[figure], TARGETS[figure]];
      const ok = figure === 'honest_heard' ? value >= bound : value <= bound;
      if (!ok) missed.push(`${name}: ${figure} is ${value}, the target ${bound}`);
      if (values.json)
        console.log(JSON.stringify({ name: `abuse.${figure}`, value, unit: UNITS[figure], flood: name }));
      else console.log(`${name}: ${figure} ${value} ${UNITS[figure]}${ok ? '' : ' (missed)'}`);
    }
  }
} finally {
  await target.stop();
}
for (const line of missed) say(line);
process.exit(missed.length === 0 ? 0 : 1);
