/**
 * Hostile bytes for a host's port: bent requests on connections of many addresses of this machine. The host answers, refuses or
 * hangs up; it never fails at one (no 500, nothing thrown), and holds nothing when they are gone.
 */
import { connect } from 'node:net';
import { join } from 'node:path';
import { startHost } from '../../../src/host/run.ts';
import { smallRun, temporaryFolder, writeCorpus } from '../../../src/host/testing/fixtures.ts';
import { PretendedLosses } from '../../../src/sim/pretended.ts';
import { randomSource } from '../../../src/sparseloco/testing.ts';
import { bend, type FuzzReport, heapMb } from '../report.ts';

const MOST_GROWTH_MB = 32;
const AT_A_TIME = 32;
/** Whoever gets no answer by then hangs up: a host waits for the rest of a request. */
const PATIENCE_MS = 200;

const PATHS = [
  '/',
  '/api/run',
  '/api/head',
  '/api/time',
  '/api/status',
  '/api/ledger?from=0',
  '/api/certificates?from=1',
  '/api/profiles',
  '/metrics',
  '/sw.js',
  '//x',
  '/%2e%2e/%00',
  '/api/blob/zz',
];
const HEADERS = [
  'range: bytes=0-9',
  'range: bytes=-1',
  'range: bytes=99999999999999-',
  'accept-encoding: br;q=0, *',
  'if-none-match: "x"',
  'x-forwarded-for: 1.1.1.1, [::1]:80, %',
  'x-forwarded-host: a"b',
  'x-forwarded-proto: https',
  'host: [::1',
  'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  'origin: null',
  'content-length: 5',
  'transfer-encoding: chunked',
  'expect: 100-continue',
];

export async function fuzz(runs: number, seed: number): Promise<FuzzReport> {
  const random = randomSource(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const folder = temporaryFolder();
  const findings: string[] = [];
  const host = await startHost({
    ...smallRun(writeCorpus(folder.dir)),
    startMs: Date.now() + 360_000_000,
    dataDir: join(folder.dir, 'data'),
    appDir: null,
    port: 0,
    lossMeter: new PretendedLosses(),
    report: (event) => {
      if (event.is === 'http-failed') findings.push(`${event.method} ${event.path}: ${event.error}`);
    },
  });
  const thrown = (error: unknown): void => void findings.push(`thrown: ${String(error)}`);
  process.on('uncaughtException', thrown);
  process.on('unhandledRejection', thrown);
  const blob = `/api/blob/${Buffer.from(host.opened.run.manifest.genesis.checkpoint.hash).toString('hex')}`;

  const made = (): Uint8Array => {
    const method = ['GET', 'HEAD', 'POST', 'OPTIONS', 'CONNECT', 'PRI'][below(6)];
    const path = [...PATHS, blob][below(PATHS.length + 1)];
    const headers = Array.from({ length: below(4) }, () => `${HEADERS[below(HEADERS.length)]}\r\n`).join('');
    const body = below(4) === 0 ? 'hello' : '';
    return Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n${body}`);
  };
  const statuses = new Map<string, number>();
  const one = (i: number): Promise<void> =>
    new Promise((resolve) => {
      const input = below(3) === 0 ? made() : bend(made(), made(), random);
      const localAddress = `127.${1 + (i % 250)}.${below(250)}.${1 + below(250)}`;
      const socket = connect({ port: host.port, host: '127.0.0.1', localAddress });
      const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
      socket.on('error', () => {});
      socket.on('data', (data) => {
        const status = /^HTTP\/1\.1 (\d{3})/.exec(data.toString('latin1'))?.[1];
        if (status === undefined) return;
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === '500') findings.push(`500 for ${Buffer.from(input).toString('base64').slice(0, 400)}`);
        socket.destroy();
      });
      socket.on('close', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.end(input);
    });
  let before = 0;
  for (let i = 0; i < runs; i += AT_A_TIME) {
    await Promise.all(Array.from({ length: Math.min(AT_A_TIME, runs - i) }, (_, k) => one(i + k)));
    if (before === 0 && i >= Math.min(runs / 2, 20_000)) before = heapMb();
  }
  const growth = Math.max(0, heapMb() - before);
  if (growth > MOST_GROWTH_MB) findings.push(`the heap grew by ${growth.toFixed(1)} MB`);
  const metrics = await (await fetch(`${host.url}metrics`)).text();
  const held = (name: string): number =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics)?.[1] ?? 'NaN');
  const left =
    held('tabswarm_http_answers') + held('tabswarm_http_waiting') + held('tabswarm_http_websockets');
  // The one that asks.
  if (left !== 1) findings.push(`${left - 1} answers are left`);
  process.off('uncaughtException', thrown);
  process.off('unhandledRejection', thrown);
  await host.stop();
  folder.remove();
  return {
    figures: [
      ...[...statuses].map(([status, value]) => ({ name: `status_${status}`, value, unit: 'answers' })),
      { name: 'heap_growth_mb', value: Math.round(growth * 10) / 10, unit: 'MB' },
      { name: 'left', value: left - 1, unit: 'answers' },
    ],
    findings,
  };
}
