#!/usr/bin/env node
/** Entry of the `tabswarm` command. Runs on the project's own Node 24 even when the system's Node is older. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const major = Number(process.versions.node.split('.')[0]);
const own = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
if (major < 24 && existsSync(own)) {
  const child = spawn(own, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    // The channel tells the child that this process is gone, also when it was killed and could pass no signal on.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  // Whoever stops this process means the one that does the work. Ctrl-C reaches both by itself; twice does no harm.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(
      `tabswarm: Node 24 of this checkout does not start (${error.message}). Run "npm ci" again.`,
    );
    process.exit(1);
  });
  child.on('exit', (code) => process.exit(code ?? 1));
} else if (major < 24) {
  console.error(
    `tabswarm needs Node 24 (this is ${process.version}). Run "npm ci" first: it brings one along.`,
  );
  process.exit(1);
} else {
  // Started by the older Node above: ends with it, in order where that is quick.
  if (process.channel !== undefined) {
    process.once('disconnect', () => {
      process.kill(process.pid, 'SIGTERM');
      setTimeout(() => process.exit(1), 10_000).unref();
    });
    process.channel.unref();
  }
  await import('../scripts/register.mjs');
  const { main } = await import('../src/cli/main.ts');
  // Whoever reads along may stop doing so (`| head`): nothing is left to say then.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const code = await main(process.argv.slice(2));
  // The threads of WebRTC and of a graphics driver may keep a process that is done.
  for (const stream of [process.stdout, process.stderr])
    await new Promise((resolve) => stream.write('', () => resolve(undefined)));
  process.exit(code);
}
