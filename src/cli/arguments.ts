/** The command line: what each command takes, with help. Parsed by node:util, so that a typo is an error. */
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { PRESET_NAMES } from '../model/presets.ts';

/** A command line that makes no sense; the message says what is wrong. */
export class UsageError extends Error {
  static override readonly name = 'UsageError';
  override readonly name = 'UsageError';
}

const OPTIONS = {
  start: {
    preset: { type: 'string' },
    port: { type: 'string' },
    listen: { type: 'string' },
    cert: { type: 'string' },
    key: { type: 'string' },
    'public-url': { type: 'string' },
    data: { type: 'string' },
    'round-seconds': { type: 'string' },
    corpus: { type: 'string' },
    name: { type: 'string' },
    audits: { type: 'string' },
    validator: { type: 'string' },
    evaluator: { type: 'string' },
    ice: { type: 'string', multiple: true },
    config: { type: 'string' },
  },
  status: { url: { type: 'string' }, json: { type: 'boolean' } },
  verify: { url: { type: 'string' }, manifest: { type: 'string' }, json: { type: 'boolean' } },
} as const satisfies Record<string, ParseArgsOptionsConfig>;

export type Command = keyof typeof OPTIONS;

/** One line of each command, and its options. */
const COMMANDS = {
  start: {
    usage: 'start [options]',
    does: 'serve the page, relay, validate',
    options: `  --preset NAME          ${PRESET_NAMES.join(', ')} (default 1m)
  --port N               default 8780
  --listen ADDRESS       127.0.0.1 (default): this machine only; 0.0.0.0: your networks too
  --cert FILE --key FILE PEM certificate and key; browsers need HTTPS for WebGPU except on localhost
  --public-url URL       what tabs use when a proxy is in front of this host
  --data DIR             where the run lives (default .tabswarm); a new run needs an empty or new folder
  --round-seconds N      length of a round, 5 to 86400 (the 1m preset: 30); each must fit training and judging
  --corpus FILE|DIR      your own text (default: State of the Union addresses)
  --name TEXT            name of the run
  --audits N             contributors whose work is replayed each round, on this machine's GPU (default: the preset's
                         number where there is a real GPU; 0: none)
  --validator PLACE      who judges and certifies: host (default), or tab: a browser tab that has validator.key, at
                         URL/#validate; this host then only relays and keeps the chain
  --evaluator NAME       what measures losses: auto (default: a real GPU, else the CPU), ort (CPU) or webgpu
  --ice URL              STUN or TURN server for tabs, e.g. stun:stun.example.org:3478; may be repeated
  --config FILE          JSON with settings: model, training, schedule, sparseloco, gauntlet, admission, credits,
                         organizer, description, iceServers

  --preset, --round-seconds, --corpus, --name, --audits and --config make a new run; a run that exists keeps its own
  (but --audits 0 keeps this host from replaying).`,
  },
  status: {
    usage: 'status --url URL',
    does: 'how a run is doing',
    options: `  --url URL              the host (default http://localhost:8780)
  --json                 one JSON object, for scripts`,
  },
  verify: {
    usage: 'verify CHECKPOINT',
    does: "recompute a checkpoint's state root",
    options: `  --url URL              also compare with the certificates of a host
  --manifest FILE        the run's manifest, saved from URL/api/run: reads a model that is no preset without asking a
                         host, and with --url trusts only the validators that it names
  --json                 one JSON object, for scripts`,
  },
} as const satisfies Record<Command, { usage: string; does: string; options: string }>;

/** What `help` prints: every command, or all options of one. */
export function helpText(command: Command | null): string {
  if (command !== null) {
    const { usage, does, options } = COMMANDS[command];
    return `tabswarm ${usage}: ${does}\n\n${options}\n`;
  }
  const all = Object.entries(COMMANDS);
  const lines = all.map(([, { usage, does }]) => `  tabswarm ${usage.padEnd(22)} ${does}`);
  const sections = all.map(([name, { options }]) => `${name}\n${options}`);
  return (
    ['tabswarm: train a language model in browser tabs', lines.join('\n'), ...sections].join('\n\n') + '\n'
  );
}

/** Options of one command. Throws {@link UsageError} on unknown ones, missing values and stray words. */
export function parseCommand<C extends Command>(command: C, args: readonly string[], positionals = 0) {
  let parsed: ReturnType<typeof parseArgs<{ options: (typeof OPTIONS)[C]; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: [...args], options: OPTIONS[command], allowPositionals: true });
  } catch (cause) {
    const [first] = (cause as Error).message.split('. ');
    throw new UsageError(`${first}.`, { cause });
  }
  if (parsed.positionals.length !== positionals) {
    throw new UsageError(
      parsed.positionals.length > positionals
        ? `"${parsed.positionals.at(-1)}" is not understood.`
        : `"tabswarm ${command}" needs a file name.`,
    );
  }
  return parsed;
}

export const isCommand = (name: string): name is Command => Object.hasOwn(OPTIONS, name);

/** A whole number in [min, max]; undefined when the option is absent. */
export function numberOption(
  name: string,
  value: string | undefined,
  min: number,
  max: number,
): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isInteger(number) || number < min || number > max)
    throw new UsageError(`--${name} is a whole number from ${min} to ${max}, not "${value}".`);
  return number;
}

/** An http(s) URL without a trailing slash. */
export function urlOption(name: string, value: string): string {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    throw new UsageError(`--${name} "${value}" is no URL; write it with http:// or https://.`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new UsageError(`--${name} "${value}" must begin with http:// or https://.`);
  return url.href.replace(/\/$/, '');
}
