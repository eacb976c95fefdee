/** `tabswarm start`: the organizer's process, with start-up lines that say what runs and who can reach it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { type HostOptions, type RunningHost, startHost } from '../host/run.ts';
import { isLoopback } from '../swarm/address-share.ts';
import { parseCommand } from './arguments.ts';
import { listCorpus } from './list-corpus.ts';
import type { Output } from './output.ts';
import { complaints, eventText } from './say.ts';
import { progressLines, publishedLines } from './say-corpus.ts';
import { hostOptions } from './start-options.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const IMPATIENCE_MS = 1500;
/** How long a start may take to end by itself. */
const STARTING_STOPS_MS = 700;

export async function start(args: readonly string[], output: Output): Promise<number> {
  // A flood leaves rubbish: V8 would let the heap grow by it for minutes, and never give the memory back.
  setFlagsFromString('--optimize-for-size');
  const options = hostOptions(args);
  if (parseCommand('start', args).values.list === true) return listCorpus(options.corpus, output);
  const { out, err } = output;
  const interrupted = new AbortController();
  let first = 0;
  const onSignal = (): void => {
    // Ctrl-C may arrive twice at once (terminal and wrapper); pressed again later it means "now".
    if (first === 0) first = Date.now();
    else if (Date.now() - first > IMPATIENCE_MS) process.exit(130);
    interrupted.abort(new Error('stopped'));
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    const progressLine = progressLines(() => performance.now());
    const starting = startHost({
      ...options,
      report: (event) => out(`${clockTime()} ${eventText(event)}`),
      signal: interrupted.signal,
      onText: (listing) => publishedLines(listing).forEach(out),
      onProgress: (progress) => {
        const line = progressLine(progress);
        if (line !== null) out(line);
      },
    });
    const host = await unlessLong(starting, interrupted.signal);
    const { run, created, store, key } = host.opened;
    const { manifest, name, rules } = run;
    const { head } = host.view.chain;
    out('');
    out(`  Open       ${host.url}`);
    out(
      `  Run        ${manifest.name} (${name.slice(0, 12)}), ${created ? 'new' : `continued at height ${head.height}`}`,
    );
    const seconds = manifest.schedule.roundMs / 1000;
    const inTab = key === null;
    const does = inTab ? 'relays and keeps the chain' : 'relays, validates and keeps the ledger';
    out(`  Rounds     ${seconds} s each; this host ${does}`);
    if (inTab) {
      const path = join(store.dir, 'validator.key');
      // It may have been moved to the machine that validates.
      const named = existsSync(path) ? path : 'validator.key';
      const page = options.publicUrl === undefined ? host.url : `${options.publicUrl}/`;
      out(`  Validator  open ${page}#validate with ${named}, and keep that tab open:`);
      out('             no round is certified without it');
    }
    out(`  Text       ${manifest.task.data.source}`);
    out(`  Data       ${store.dir}`);
    for (const line of reachLines(host.otherUrls, options)) out(`  ${line}`);
    out('  Stop       Ctrl-C; the next start continues where this one ended');
    out('');
    const { publicUrl, trustedProxies, listen = '127.0.0.1' } = options;
    if (publicUrl !== undefined && trustedProxies === undefined && !isLoopback(listen))
      err(complaints.noTrustedProxy(listen));
    if (host.opened.nodeKeyMade) err(complaints.nodeKeyMade(store.dir));
    if (host.opened.movedAside > 0) err(complaints.movedAside(store.dir, host.opened.movedAside));
    const idle = newRunOptions(args);
    if (!created && idle.length > 0) {
      err(
        `tabswarm: the run in ${store.dir} was made before, so ${idle.join(', ')} changed nothing. For a new run, name another folder with --data.`,
      );
    }
    const own = rules.auditsPerRound;
    if (!created && (options.audits ?? 0) > 0 && options.audits !== own)
      err(
        `tabswarm: the run in ${store.dir} was made with ${own} audits a round and keeps them; --audits only says whether this machine replays.`,
      );
    await new Promise<void>((resolve) => {
      if (interrupted.signal.aborted) resolve();
      else interrupted.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    out('Stopping.');
    await host.stop();
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) return 130;
    throw error;
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
  }
}

/**
 * The started host. Once interrupted, a start that does not end soon is left alone: the process ends instead, and
 * nothing is lost by that.
 */
async function unlessLong(starting: Promise<RunningHost>, signal: AbortSignal): Promise<RunningHost> {
  const tooLong = Promise.withResolvers<never>();
  signal.addEventListener(
    'abort',
    () => setTimeout(() => tooLong.reject(signal.reason), STARTING_STOPS_MS).unref(),
    { once: true },
  );
  return Promise.race([starting, tooLong.promise]);
}

/** Who can reach the page, and what keeps others from training. */
function reachLines(otherUrls: readonly string[], options: HostOptions): string[] {
  if (options.publicUrl !== undefined) return [`Others     ${options.publicUrl}/`];
  if (otherUrls.length === 0)
    return [
      'Others     cannot reach it: it listens on this machine only (--listen 0.0.0.0 opens it to your network)',
    ];
  const lines = otherUrls.map((url, i) => `${i === 0 ? 'Others    ' : '          '} ${url}`);
  if (options.tls === undefined)
    lines.push(
      '           Browsers give WebGPU to HTTPS pages only, except on localhost: for other machines',
      '           start with --cert FILE --key FILE, or put an HTTPS proxy in front and say --public-url.',
    );
  return lines;
}

const NEW_RUN_OPTIONS = ['--new-run', '--preset', '--round-seconds', '--corpus', '--name', '--config'];

const newRunOptions = (args: readonly string[]): string[] =>
  NEW_RUN_OPTIONS.filter((name) => args.some((arg) => arg === name || arg.startsWith(`${name}=`)));

const clockTime = (): string => new Date().toTimeString().slice(0, 8);
