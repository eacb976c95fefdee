/** The command line: what each command takes, with help. Parsed by node:util, so that a typo is an error. */
import { isIP } from 'node:net';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { PRESET_NAMES } from '../model/presets.ts';
import { TrustedProxies } from '../swarm/address-share.ts';
import { complaints } from './say.ts';

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
    'trusted-proxy': { type: 'string', multiple: true },
    data: { type: 'string' },
    'round-seconds': { type: 'string' },
    corpus: { type: 'string' },
    list: { type: 'boolean' },
    name: { type: 'string' },
    audits: { type: 'string' },
    validator: { type: 'string' },
    evaluator: { type: 'string' },
    ice: { type: 'string', multiple: true },
    'ice-user': { type: 'string' },
    'ice-password-file': { type: 'string' },
    config: { type: 'string' },
    'new-run': { type: 'boolean' },
    clock: { type: 'string' },
  },
  join: {
    device: { type: 'string' },
    share: { type: 'string' },
    name: { type: 'string' },
    key: { type: 'string' },
    json: { type: 'boolean' },
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
  --public-url URL       what tabs use when a proxy is in front of this host; may have a path, https://example.org/app/
  --trusted-proxy IP     address or CIDR block of the proxy, whose X-Forwarded-For is then believed (default: this
                         machine; none: no proxy); may be repeated
  --data DIR             where the run lives (default .tabswarm); a new run needs an empty or new folder
  --new-run              make a new run in --data although keys or files of another lie there without their database
  --clock run|system     only when the host asks: the run goes on right after its last round, whatever this computer's
                         clock says (run), or this computer's clock is right (system)
  --round-seconds N      length of a round, 5 to 86400 (the 1m preset: 30); each must fit training and judging
  --corpus FILE|DIR      your own text (default: State of the Union addresses); it becomes public
  --list                 print which files of the corpus would be published, and start nothing
  --name TEXT            name of the run
  --audits N             contributors whose work is replayed each round, on this machine's GPU (default: the preset's
                         number where there is a real GPU; 0: none)
  --validator PLACE      who judges and certifies: host (default), or tab: a browser tab that has validator.key, at
                         URL/#validate; this host then only relays and keeps the chain
  --evaluator NAME       what measures losses: auto (default: a real GPU, else the CPU), ort (CPU) or webgpu
  --ice URL              STUN or TURN server for tabs, e.g. stun:stun.example.org:3478; may be repeated. A TURN server,
                         e.g. turn:turn.example.org:3478?transport=udp, needs the next two
  --ice-user NAME --ice-password-file FILE
                         user name and password of the TURN servers; every tab gets them, so they are no secret
  --config FILE          JSON with settings: model, training, schedule, sparseloco, gauntlet, admission, credits,
                         organizer, description, iceServers

  --preset, --round-seconds, --corpus, --name, --audits and --config make a new run; a run that exists keeps its own
  (but --audits 0 keeps this host from replaying).`,
  },
  join: {
    usage: 'join URL [options]',
    does: 'contribute without a browser',
    options: `  URL                    the host, as a browser opens it
  --device gpu|cpu       what trains (default: a graphics card, else the processor)
  --share N              percent of the device's time, 10 to 100 (default 100)
  --name TEXT            what others see beside your key
  --key FILE             your key, made when it is missing; credits belong to it (default: one for each run in
                         $XDG_STATE_HOME/tabswarm or ~/.local/state/tabswarm)
  --json                 one JSON object a round on stdout, for scripts; everything else goes to stderr

  Ctrl-C finishes the round in hand, a second one stops at once. Exit code: 0 ended by the first Ctrl-C, 1 failed,
  2 not understood, 130 stopped by the second`,
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

/** The words that a command needs beside its options. */
const WORDS: Readonly<Record<Command, readonly string[]>> = {
  start: [],
  join: ["the host's URL"],
  status: [],
  verify: ['a file name'],
};

/** What `help` prints: every command, or all options of one. */
export function helpText(command: Command | null): string {
  if (command !== null) {
    const { usage, does, options } = COMMANDS[command];
    return `tabswarm ${usage}: ${does}\n\n${options}`;
  }
  const all = Object.entries(COMMANDS);
  const lines = all.map(([, { usage, does }]) => `  tabswarm ${usage.padEnd(22)} ${does}`);
  const sections = all.map(([name, { options }]) => `${name}\n${options}`);
  return ['tabswarm: train a language model in browser tabs', lines.join('\n'), ...sections].join('\n\n');
}

/** Options and words of one command. Throws {@link UsageError} on unknown options, missing values and stray words. */
export function parseCommand<C extends Command>(command: C, args: readonly string[]) {
  let parsed: ReturnType<typeof parseArgs<{ options: (typeof OPTIONS)[C]; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: [...args], options: OPTIONS[command], allowPositionals: true });
    refuseTwice(command, args);
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    const [first] = (cause as Error).message.split('. ');
    throw new UsageError(`${first}.`, { cause });
  }
  refuseEmpty(parsed);
  const words = WORDS[command];
  const given = parsed.positionals.length;
  if (given > words.length) throw new UsageError(complaints.strayWord(parsed.positionals.at(-1) ?? ''));
  if (given < words.length) throw new UsageError(`"tabswarm ${command}" needs ${words[given]}.`);
  return parsed;
}

/** An option that takes one value and is given twice would lose the first without a word. */
function refuseTwice(command: Command, args: readonly string[]): void {
  const options: ParseArgsOptionsConfig = OPTIONS[command];
  const { tokens } = parseArgs({ args: [...args], options, allowPositionals: true, tokens: true });
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const { multiple = false } = options[token.name] ?? {};
    if (!multiple && seen.has(token.name)) throw new UsageError(complaints.givenTwice(token.rawName));
    seen.add(token.name);
  }
}

/** An empty text is no value: Node would read it as all addresses, port 0 or the current folder. */
function refuseEmpty({ values, positionals }: { values: object; positionals: readonly string[] }): void {
  for (const [name, value] of Object.entries(values))
    for (const text of [value].flat())
      if (typeof text === 'string' && text.trim() === '')
        throw new UsageError(complaints.emptyOption(`--${name}`));
  if (positionals.some((word) => word.trim() === '')) throw new UsageError(complaints.emptyOption('A word'));
}

/** The options of a command that take a text, without their dashes. */
export const textOptions = (command: Command): string[] =>
  Object.entries(OPTIONS[command] as ParseArgsOptionsConfig)
    .filter(([, { type }]) => type === 'string')
    .map(([name]) => name);

export const isCommand = (name: string): name is Command => Object.hasOwn(OPTIONS, name);

/** An option's text as a number in [min, max]. Throws {@link UsageError}. */
export function numberFrom(name: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (text.trim() === '' || !(number >= min && number <= max))
    throw new UsageError(`--${name} is a number from ${min} to ${max}, not "${text}".`);
  return number;
}

/** An option's text as a whole number in [min, max]. Throws {@link UsageError}. */
export function wholeFrom(name: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (!/^-?\d+$/.test(text) || number < min || number > max)
    throw new UsageError(`--${name} is a whole number from ${min} to ${max}, not "${text}".`);
  return number;
}

/** The same for an option that may be absent. */
export const numberOption = (
  name: string,
  text: string | undefined,
  min: number,
  max: number,
): number | undefined => (text === undefined ? undefined : wholeFrom(name, text, min, max));

/**
 * The address of `--public-url`, without a trailing slash. It may have a path, and nothing else: a page cannot be
 * served under a query, and credentials would be public.
 */
export function publicUrlOption(value: string): string {
  const text = urlOption('--public-url', value);
  const { username, password, search, hash, pathname } = new URL(text);
  const complain = (why: string) =>
    new UsageError(
      `--public-url ${why}; write only the address of the page, for example https://example.org/app/.`,
    );
  if (username !== '' || password !== '')
    throw complain('has a user name or password, which everybody would see');
  if (search !== '' || hash !== '' || /[?#]/.test(value)) throw complain(`"${value}" has a "?" or "#" in it`);
  const [, first = ''] = pathname.split('/');
  if (RESERVED.has(first.toLowerCase()))
    throw complain(`"${value}" has a path that begins with a name of the host's own ("${first}")`);
  if (!/^[\w./~-]*$/.test(pathname))
    throw complain(`"${value}" has a path with other than letters, digits and -._~/`);
  if (pathname.includes('//')) throw complain(`"${value}" has an empty part in its path`);
  return text;
}

/** First parts of a path that the host itself answers: a path of these could not be told from its own. */
const RESERVED = new Set(['api', 'assets', 'metrics']);

/** Entries of `--trusted-proxy`; undefined: the default. `none` stands alone and trusts nobody. */
export function trustedProxiesOption(values: readonly string[] | undefined): readonly string[] | undefined {
  if (values === undefined) return undefined;
  if (values.includes('none')) {
    if (values.length > 1) throw new UsageError('--trusted-proxy none goes with no other --trusted-proxy.');
    return [];
  }
  for (const value of values) {
    if (!TrustedProxies.isEntry(value))
      throw new UsageError(
        `--trusted-proxy "${value}" is no address or CIDR block, such as 10.0.0.2 or 10.0.0.0/8.`,
      );
  }
  return values;
}

/**
 * An address to listen on, as Node takes it. A number is none, though a resolver reads "0" as all networks. Throws
 * {@link UsageError}.
 */
export function listenOption(text: string): string {
  if (isIP(text) !== 0) return text;
  const last = text.split('.').at(-1) ?? '';
  const isName = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text) && !/^(\d+|0x[0-9a-f]*)$/i.test(last);
  if (!isName) throw new UsageError(complaints.badListen(text));
  return text;
}

/** The address of a host as a browser shows it: a page of it, with "#validate" or a query, will do. */
export function hostUrl(name: string, value: string): string {
  const url = new URL(urlOption(name, value));
  url.hash = '';
  url.search = '';
  return url.href.replace(/\/$/, '');
}

/** An http(s) URL without a trailing slash. `name`: of the option or word, as an error says it. */
export function urlOption(name: string, value: string): string {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    throw new UsageError(`${name} "${value}" is no URL; write it with http:// or https://.`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new UsageError(`${name} "${value}" must begin with http:// or https://.`);
  return url.href.replace(/\/$/, '');
}
