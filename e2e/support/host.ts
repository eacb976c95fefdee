/** Starts the organizer's command as a user would, on a port that the system chooses and a throw-away data folder. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const tabswarm = join(root, 'bin/tabswarm.mjs');

export interface RunningHost {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  /** Everything it has printed so far. */
  output(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export async function startHost(
  args: string[],
  options: { dataDir?: string; port?: number; env?: Readonly<Record<string, string>> } = {},
): Promise<RunningHost> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'tabswarm-e2e-'));
  const child: ChildProcess = spawn(
    process.execPath,
    [tabswarm, 'start', '--data', dataDir, '--port', String(options.port ?? 0), ...args],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } },
  );
  let output = '';
  const exited = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
  const url = await new Promise<string>((done, fail) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const found = /https?:\/\/(?:127\.0\.0\.1|localhost):\d+\/?/.exec(output);
      if (found !== null && output.includes('Ctrl-C')) done(found[0].replace(/\/$/, ''));
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    void exited.then((code) =>
      fail(new Error(`the host ended with ${code} before it was ready:\n${output}`)),
    );
  });
  return {
    url,
    port: Number(new URL(url).port),
    dataDir,
    output: () => output,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await exited;
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Runs `tabswarm …` to its end. Throws with everything it printed when it does not end with 0. */
export async function cli(...args: string[]): Promise<string> {
  return new Promise((done, fail) => {
    execFile(process.execPath, [tabswarm, ...args], { cwd: root }, (error, stdout, stderr) => {
      if (error === null) done(stdout);
      else fail(new Error(`tabswarm ${args.join(' ')} ended with ${error.code}:\n${stdout}${stderr}`));
    });
  });
}
