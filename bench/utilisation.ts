/**
 * `npm run bench -- utilisation [--json] [--preset NAME]... [--speed TOKENS/S]... [--rounds 6]`: which share of the time that
 * a volunteer offers goes into inner steps, by preset and device speed.
 *
 * The simulated swarm (src/sim/) runs the shipped contributor, validator and chain with a preset's schedule and sizes of
 * work on a virtual clock. A device is its speed. Packing and applying take no time there, so the figure shows what the
 * schedule and the size of the work cost, at best. Joining is left out: figures begin with the first round of work.
 *
 * - `utilisation.share`: time in steps over all time but rests, with the share of each cause beside it.
 */
import { parseArgs } from 'node:util';
import { PRESET_NAMES, preset } from '../src/model/presets.ts';
import { TimeUse, type Times, USES } from '../src/peer/time-use.ts';
import { createSimSwarm, simManifest } from '../src/sim/swarm.ts';
import { VIRTUAL_START } from '../src/sim/virtual-clock.ts';
import { reporter } from './lib/report.ts';

/** Tokens a second: a phone's processor to a server's GPU. */
const SPEEDS = [2e2, 1e3, 1e4, 1e5, 1e6];
/** What the project wants of every device. */
const TARGET = 0.97;

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    preset: { type: 'string', multiple: true },
    speed: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '6' },
  },
});
const report = reporter(options.json);
const rounds = Number(options.rounds);
const names = options.preset ?? [...PRESET_NAMES];
const speeds = options.speed?.map(Number) ?? SPEEDS;
const unknown = names.find((name) => !(PRESET_NAMES as readonly string[]).includes(name));
if (unknown !== undefined || !Number.isInteger(rounds) || rounds < 1 || !speeds.every((speed) => speed > 0)) {
  console.error(
    unknown === undefined
      ? '--rounds takes a whole number from 1 on, --speed a number of tokens a second above 0'
      : `no preset is named "${unknown}"; there are ${PRESET_NAMES.join(', ')}`,
  );
  process.exit(2);
}

for (const name of names)
  for (const speed of speeds) {
    const times = await play(name, speed);
    const asked = USES.reduce((sum, use) => sum + (use === 'rest' ? 0 : times[use]), 0);
    const part = (use: (typeof USES)[number]): number => Number((times[use] / asked).toFixed(4));
    report({
      name: 'utilisation.share',
      value: times.steps / asked,
      unit: 'share',
      preset: name,
      tokensPerSecond: speed,
      target: TARGET,
      simulated: true,
      rounds,
      wait: part('wait'),
      fetch: part('fetch'),
      commit: part('commit'),
    });
  }

/** Where the time of a device went in `rounds` rounds of work. */
async function play(name: string, speed: number): Promise<Times> {
  const { training, schedule } = preset(name);
  const { manifest: base } = await simManifest();
  const swarm = await createSimSwarm({
    manifest: {
      task: { ...base.task, training },
      schedule: { ...schedule, startMs: VIRTUAL_START },
    },
  });
  const time = new TimeUse(() => swarm.clock.now());
  const stepMs = (1000 * training.batch * training.accumulation * training.sequence) / speed;
  let first: number | null = null;
  let begun: Times | null = null;
  const peer = await swarm.add({
    trainer: { stepMs },
    hooks: {
      activity: (activity, waiting) => {
        time.does(activity, waiting);
        // From the first window of training on.
        if (activity === 'training' && begun === null) {
          begun = time.sum;
          first = swarm.run.rounds.round(swarm.clock.now());
        }
      },
      progress: (round, { busyMs }) => time.steps(round, busyMs),
    },
  });
  const longest = 4 * schedule.roundMs;
  await swarm.clock.run(() => first !== null || swarm.clock.now() > VIRTUAL_START + longest);
  if (first === null || begun === null) throw new Error(`${peer.name} was not admitted in four rounds`);
  await swarm.clock.run(swarm.run.rounds.start(first + rounds));
  const end = time.sum;
  const from: Times = begun;
  await swarm.stop();
  return Object.fromEntries(USES.map((use) => [use, end[use] - from[use]])) as Record<
    (typeof USES)[number],
    number
  >;
}
