/** Contributors without a browser and other commands that run until Ctrl-C, started as a user would start them. */
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import type { RoundReport } from '../../src/cli/round-log.ts';

const ROOT = resolve(import.meta.dirname, '../..');

export interface RunningCommand {
  /** Whole lines of stdout so far. */
  lines(): string[];
  /** Everything it has printed so far. */
  output(): string;
  /** One Ctrl-C; resolves to the exit code. */
  interrupt(): Promise<number | null>;
  /** Resolves to the exit code. */
  readonly exited: Promise<number | null>;
}

export interface RunningContributor extends RunningCommand {
  reports(): RoundReport[];
}

/** Runs one of the project's scripts with the Node of the tests. */
export function startCommand(args: readonly string[], env: NodeJS.ProcessEnv = {}): RunningCommand {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let [out, all] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    all += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    all += text;
  });
  // After 'close' nothing more is read, and nobody has its pipes open any more.
  const exited = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
  return {
    lines: () => out.split('\n').slice(0, -1),
    output: () => all,
    interrupt: () => {
      child.kill('SIGINT');
      return exited;
    },
    exited,
  };
}

/** `tabswarm join` on the processor, its key and its cache in `folder`. */
export function startContributor(url: string, name: string, folder: string): RunningContributor {
  const key = join(folder, `${name}.key`);
  const options = ['--json', '--device', 'cpu', '--name', name, '--key', key];
  const command = startCommand([join(ROOT, 'bin/tabswarm.mjs'), 'join', url, ...options], {
    XDG_CACHE_HOME: folder,
  });
  return {
    ...command,
    reports: () => command.lines().map((line) => JSON.parse(line) as RoundReport),
  };
}
