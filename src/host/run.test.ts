/** A whole host over real HTTP: endpoints, hostile requests, restart, and what a person is told when it cannot start. */
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cli } from '../cli/testing.ts';
import { fromHex, sha256, toHex } from '../protocol/bytes.ts';
import { checkCertificate, genesisHead } from '../chain/certificate.ts';
import { openRun } from '../chain/run.ts';
import { open } from '../protocol/envelope.ts';
import { createIdentity } from '../protocol/identity.ts';
import { PROTOCOL_VERSION } from '../protocol/limits.ts';
import type { HostEvent } from './events.ts';
import { type HostOptions, type RunningHost, startHost } from './run.ts';
import { loadSeed } from './seeds.ts';
import { parseRange } from './serve-blob.ts';
import { createApp } from './server.ts';
import { Store } from './store.ts';
import { cert, key } from './testing/localhost-tls.ts';
import { TrustedProxies } from '../swarm/address-share.ts';
import { PretendedLosses } from '../sim/pretended.ts';
import { smallRun, temporaryFolder, writeCorpus } from './testing/fixtures.ts';
import { certifyRound, openChain } from './testing/one-round.ts';

const folder = temporaryFolder();
const dataDir = join(folder.dir, 'data');
const appDir = join(folder.dir, 'app');
let host: RunningHost;
let options: HostOptions;
let base = '';
const own = { publicUrl: null, tls: false, trusted: new TrustedProxies() };

beforeAll(async () => {
  mkdirSync(join(appDir, 'assets'), { recursive: true });
  writeFileSync(join(appDir, 'index.html'), '<!doctype html><title>t</title>');
  writeFileSync(
    join(appDir, 'assets', 'main-abc123.js'),
    `export const x = 1;\n${'// filler\n'.repeat(300)}`,
  );
  writeFileSync(join(folder.dir, 'secret.txt'), 'secret');
  options = {
    ...smallRun(writeCorpus(folder.dir)),
    // Far ahead: the clock opens no round while the test certifies its own.
    startMs: Date.now() + 3_600_000,
    dataDir,
    appDir,
    port: 0,
    lossMeter: new PretendedLosses(),
  };
  host = await startHost(options);
  await host.stop();
  // Two certified rounds, as a validator would leave them.
  const store = Store.open(dataDir);
  const chain = await openChain(store);
  const validator = await createIdentity(loadSeed(dataDir, 'validator'));
  await certifyRound(chain, validator, 0);
  await certifyRound(chain, validator, 2);
  store.close();
  host = await startHost(options);
  base = host.url.replace(/\/$/, '');
});
afterAll(async () => {
  await host.stop();
  folder.remove();
});

const json = async (path: string, init?: RequestInit) => (await fetch(`${base}${path}`, init)).json();
const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));

/** Status line and body of a request written by hand, so that no client tidies it up. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(host.port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}

test('run, head, certificates and ledger describe one chain that anybody can check', async () => {
  const run = await json('/api/run');
  const opened = await openRun(bytesOf(run.manifest));
  if (!opened.ok) throw new Error(opened.detail);
  expect(opened.run.name).toBe(host.opened.run.name);
  expect(run.run).toBe(opened.run.name);
  expect(run.peer).toBe(host.view.swarm.peerId);
  expect(run).toMatchObject({ protocol: PROTOCOL_VERSION, iceServers: [] });

  const { links, height } = await json('/api/certificates?from=1');
  expect(height).toBe(2);
  let head = genesisHead(opened.run);
  for (const { certificate, opinions } of links) {
    const message = await open(bytesOf(certificate));
    if (!message.ok || message.message.kind !== 'certificate') throw new Error('no certificate');
    const checked = await checkCertificate(message.message, opened.run, head);
    if (!checked.ok) throw new Error(checked.detail);
    head = checked.certificate.head;
    const said = await Promise.all(opinions.map((text: string) => open(bytesOf(text))));
    expect(said).toMatchObject([{ message: { kind: 'opinion', round: head.round } }]);
  }
  const answer = await json('/api/head');
  expect(answer).toMatchObject({ height: 2, round: 2, root: toHex(head.root), checkpoint: { height: 2 } });
  expect(answer.certificate).toBe(links[1].certificate);
  const ledger = await json('/api/ledger');
  expect(ledger).toMatchObject({ height: 2, issued: 200_000_000 });
  expect(ledger.accounts.map((a: { credits: number }) => a.credits)).toEqual([100_000_000, 100_000_000, 0]);
  expect(ledger.count).toBe(3);
  expect((await json('/api/ledger?from=2')).accounts).toEqual(ledger.accounts.slice(2));
  expect((await json('/api/ledger?from=9999')).accounts).toEqual([]);
  expect((await fetch(`${base}/api/ledger?from=-1`)).status).toBe(400);
  expect((await json('/api/certificates?from=2')).links).toHaveLength(1);
  expect((await json('/api/certificates?from=99999999')).links).toEqual([]);
  expect((await fetch(`${base}/api/certificates?from=1;DROP`)).status).toBe(400);
  const { time } = await json('/api/time');
  expect(Math.abs(time - Date.now())).toBeLessThan(60_000);
});

test('a policy names the WebSocket by the address that was asked for; a hostile Host header is not repeated', async () => {
  const ask = (hostHeader: string) =>
    raw(`GET /api/run HTTP/1.1\r\nhost: ${hostHeader}\r\nconnection: close\r\n\r\n`);
  expect(await ask('192.168.1.20:8780')).toMatch(/connect-src 'self' ws:\/\/192\.168\.1\.20:8780 wss:/);
  expect(await ask('tabs.example.org')).toMatch(/connect-src 'self' ws:\/\/tabs\.example\.org wss:/);
  // No source of a policy may be an IPv6 address: 'self' stands for it.
  expect(await ask('[fd00::5]:8780')).toMatch(/connect-src 'self';/);
  for (const bad of ['a b', 'x"><script>', 'evil.example;x', 'evil.example/path', 'evil.example:99999', '']) {
    const answer = await ask(bad);
    expect(answer).toMatch(/^HTTP\/1\.1 (200|400)/);
    expect(answer).not.toMatch(/evil|script>|a b/);
    if (answer.startsWith('HTTP/1.1 200')) expect(answer).toContain("connect-src 'self' ws://localhost");
  }
});

test('blobs: whole, ranges, caching; nothing that the run does not name', async () => {
  const { checkpoint, tokenizer } = {
    ...(await json('/api/head')),
    tokenizer: host.opened.run.manifest.tokenizer,
  };
  const response = await fetch(`${base}/api/blob/${checkpoint.hash}`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  expect(bytes.byteLength).toBe(checkpoint.size);
  expect(toHex(await sha256(bytes))).toBe(checkpoint.hash);
  expect(response.headers.get('cache-control')).toMatch(/immutable/);
  const part = await fetch(`${base}/api/blob/${checkpoint.hash}`, { headers: { range: 'bytes=100-299' } });
  expect(part.status).toBe(206);
  expect(part.headers.get('content-range')).toBe(`bytes 100-299/${checkpoint.size}`);
  expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytes.subarray(100, 300));
  const past = await fetch(`${base}/api/blob/${checkpoint.hash}`, {
    headers: { range: `bytes=${checkpoint.size}-` },
  });
  expect(past.status).toBe(416);
  const again = await fetch(`${base}/api/blob/${checkpoint.hash}`, {
    headers: { 'if-none-match': `"${checkpoint.hash}"` },
  });
  expect(again.status).toBe(304);
  const head = await fetch(`${base}/api/blob/${toHex(tokenizer.hash)}`, { method: 'HEAD' });
  expect(head.headers.get('content-length')).toBe(String(tokenizer.size));
  for (const name of [
    '00'.repeat(32),
    'x',
    `${checkpoint.hash}00`,
    '..%2f..%2fstore.sqlite',
    '..%2fvalidator.key',
  ])
    expect((await fetch(`${base}/api/blob/${name}`)).status).toBe(404);
});

test.each([
  [null, null],
  ['bytes=0-0', [0, 0]],
  ['bytes=5-', [5, 99]],
  ['bytes=-7', [93, 99]],
  ['bytes=-700', [0, 99]],
  ['bytes=90-900', [90, 99]],
  ['bytes=100-', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=9-5', null],
  ['bytes=-', null],
  ['bytes=0-1,4-5', null],
  ['bytes=0x1-2', null],
  [`bytes=${'9'.repeat(40)}-`, null],
  ['lines=1-2', null],
] as const)('range %s', (header, expected) => {
  expect(parseRange(header, 100)).toEqual(expected);
});

test('the page: types, caching, compression and security headers', async () => {
  const page = await fetch(`${base}/`);
  expect(page.status).toBe(200);
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(page.headers.get('cache-control')).toBe('no-cache');
  const policy = page.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("script-src 'self' 'wasm-unsafe-eval'");
  expect(policy).toContain(`connect-src 'self' ws://localhost:${host.port}`);
  expect(page.headers.get('x-content-type-options')).toBe('nosniff');
  const script = await fetch(`${base}/assets/main-abc123.js`, { headers: { 'accept-encoding': 'br' } });
  expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  expect(script.headers.get('cache-control')).toMatch(/immutable/);
  expect(script.headers.get('content-encoding')).toBe('br');
  expect(await script.text()).toMatch(/^export const x = 1;/);
  for (const [accept, encoding] of [
    ['br;q=0', null],
    ['br;q=0, *', null],
    ['identity', null],
    ['', null],
    ['gzip, br;q=0.5', 'br'],
    ['BR', 'br'],
  ] as const) {
    const { headers } = await fetch(`${base}/assets/main-abc123.js`, {
      headers: { 'accept-encoding': accept },
    });
    expect([accept, headers.get('content-encoding')]).toEqual([accept, encoding]);
  }
  expect(page.headers.has('strict-transport-security')).toBe(false);
  const etag = page.headers.get('etag') ?? '';
  expect((await fetch(`${base}/`, { headers: { 'if-none-match': etag } })).status).toBe(304);
});

test('hostile paths and methods reach no file', async () => {
  const paths = [
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/assets/%00',
    '/..\\secret.txt',
    '//etc/passwd',
    '/%',
    `/${'a'.repeat(8000)}`,
  ];
  for (const path of paths) {
    const answer = await raw(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d/);
    expect(answer).not.toContain('secret');
  }
  const post = await raw(
    'POST /api/run HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc',
  );
  expect(post).toMatch(/^HTTP\/1\.1 405/);
  expect(await raw('nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/);
  expect((await fetch(`${base}/api/nothing`)).status).toBe(404);
  expect((await fetch(`${base}/api/time`)).status).toBe(200);
});

test('a flood from one address is slowed down, and only that address', async () => {
  const app = createApp({ view: host.view, files: null, own, report: () => {} });
  const from = async (remoteAddress: string, forwarded?: string) => {
    const headers = new Headers(forwarded === undefined ? [] : [['x-forwarded-for', forwarded]]);
    const env = { incoming: { socket: { remoteAddress } } };
    return (await app.request('http://localhost/api/time', { headers }, env)).status;
  };
  const flood = async (ask: (i: number) => Promise<number>): Promise<number> => {
    for (let i = 0; i < 6000; i++) if ((await ask(i)) === 429) return i;
    return Number.POSITIVE_INFINITY;
  };
  expect(await flood(() => from('203.0.113.1'))).toBeGreaterThan(3999);
  expect(await from('203.0.113.2')).toBe(200);
  // A stranger may name any addresses before it, and has the 2^64 of its own network.
  expect(await flood((i) => from('203.0.113.3', `10.0.${i >> 8}.${i & 255}`))).toBeLessThan(6000);
  expect(await flood((i) => from(`2001:db8::${i.toString(16)}`))).toBeLessThan(6000);
  expect(await from('2001:db8:0:1::1')).toBe(200);
  // A proxy on this machine serves many, and each has its own.
  expect(await flood((i) => from('127.0.0.1', `10.0.${i >> 8}.${i & 255}`))).toBe(Number.POSITIVE_INFINITY);
});

test('below a public path: with the path and without it, and over HTTPS only', async () => {
  const publicUrl = new URL('https://example.org/app/');
  const app = createApp({ view: host.view, files: null, own: { ...own, publicUrl }, report: () => {} });
  for (const path of ['/api/time', '/app/api/time']) {
    const answer = await app.request(`http://localhost${path}`);
    expect([path, answer.status]).toEqual([path, 200]);
    expect(answer.headers.get('strict-transport-security')).toMatch(/^max-age=\d{7,}$/);
    expect(answer.headers.get('content-security-policy')).toContain('wss://example.org;');
  }
  const bare = await app.request('http://localhost/app');
  expect([bare.status, bare.headers.get('location')]).toEqual([308, '/app/']);
  expect((await app.request('http://localhost/other/api/time')).status).toBe(404);
});

test('metrics in Prometheus text, each name once with help and type', async () => {
  const response = await fetch(`${base}/metrics`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  expect(text).toMatch(/^tabswarm_height 2$/m);
  expect(text).toMatch(/^tabswarm_submissions_accepted_total 4$/m);
  expect(text).toMatch(/^tabswarm_http_responses_total\{code="200"\} \d+$/m);
  const types = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
  expect(new Set(types).size).toBe(types.length);
  for (const line of text.trim().split('\n'))
    expect(line).toMatch(/^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{[^}]*\})? -?[\d.e+-]+)$/);
});

test('with a certificate: HTTPS, and a relay address over TLS', async () => {
  const secure = await startHost({ ...options, dataDir: join(folder.dir, 'secure'), tls: { cert, key } });
  try {
    const text = await new Promise<string>((resolve, reject) => {
      get({ host: 'localhost', port: secure.port, path: '/api/run', ca: cert }, (response) => {
        let all = '';
        response.on('data', (chunk) => {
          all += chunk;
        });
        response.on('end', () => resolve(all));
      }).on('error', reject);
    });
    expect(secure.url).toBe(`https://localhost:${secure.port}/`);
    expect(JSON.parse(text).peer).toBe(secure.view.swarm.peerId);
  } finally {
    await secure.stop();
  }
});

test('while a new run is prepared the port answers "starting"', async () => {
  // A port that was free a moment ago: the host says its own only once it runs.
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  let answered: Promise<Response> | undefined;
  const slow = await startHost({
    ...options,
    dataDir: join(folder.dir, 'slow'),
    port,
    onProgress: ({ stage }) => {
      if (stage === 'encoding') answered ??= fetch(`http://127.0.0.1:${port}/api/run`);
    },
  });
  await slow.stop();
  const response = await answered;
  expect(response?.status).toBe(503);
  expect(response?.headers.get('retry-after')).toBe('2');
});

test('status: one JSON object for scripts, lines for people, a sentence when nobody answers', async () => {
  const { code, out } = await cli('status', '--url', base, '--json');
  expect(code).toBe(0);
  const status = JSON.parse(out);
  expect(status).toMatchObject({
    run: host.opened.run.name,
    height: 2,
    root: toHex(host.view.chain.head.root),
    peers: [],
    heldOutLoss: 6,
    issued: 200_000_000,
  });
  expect(status.credits).toHaveLength(3);
  expect(status.totals).toMatchObject({ accounts: 3, accepted: 4, refused: 1 });
  expect(status).toMatchObject({ peerCount: 0, trouble: null, refusedUncertified: 0 });
  expect(status.refused).toEqual([
    { contributor: '09'.repeat(32), reason: 'late', note: { code: 'late-commit', figures: { ms: 12 } } },
  ]);
  expect(status.bytesPerParameter).toBeGreaterThan(0.01);
  expect(status.bytesPerParameter).toBeLessThan(0.05);
  const people = await cli('status', '--url', base);
  expect(people.out).toMatch(/height {4}2, root [0-9a-f]{64}/);
  const nobody = await cli('status', '--url', 'http://127.0.0.1:9');
  expect(nobody).toMatchObject({ code: 1, out: '' });
  expect(nobody.err).toMatch(/No host answers at http:\/\/127\.0\.0\.1:9/);
});

test('verify: recomputes the root, compares with the certificates, notices a changed byte', async () => {
  const { checkpoint } = await json('/api/head');
  const path = host.opened.store.path(fromHex(checkpoint.hash));
  const alone = await cli('verify', path);
  expect(alone.code).toBe(0);
  expect(alone.out).toContain(toHex(host.view.chain.head.root));
  const compared = await cli('verify', path, '--url', base, '--json');
  expect(JSON.parse(compared.out)).toMatchObject({ ok: true, height: 2, certified: true });
  const bytes = (await host.opened.store.readBlob({
    hash: fromHex(checkpoint.hash),
    size: checkpoint.size,
  })) as Uint8Array;
  bytes[5000] = bytes[5000] ^ 1;
  const changed = join(folder.dir, 'changed.ck');
  writeFileSync(changed, bytes);
  const refused = await cli('verify', changed, '--url', base, '--json');
  expect(refused.code).toBe(1);
  expect(JSON.parse(refused.out)).toMatchObject({ ok: false, certified: false });
  expect(await cli('verify', join(appDir, 'index.html'))).toMatchObject({ code: 1 });
  expect(await cli('verify')).toMatchObject({ code: 2 });
});

test('a file that is not what its hash says is not served, and that is reported', async () => {
  const events: HostEvent[] = [];
  const { tokenizer } = host.opened.run.manifest;
  const app = createApp({
    view: { ...host.view, chain: await damaged() },
    files: null,
    own,
    report: (event) => events.push(event),
  });
  const hash = toHex(tokenizer.hash);
  const response = await app.request(`http://localhost/api/blob/${hash}`);
  expect(response.status).toBe(410);
  expect(await response.json()).toMatchObject({ code: 'damaged' });
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(events).toEqual([{ is: 'blob-damaged', hash }]);

  // What cannot be read now is neither missing nor damaged: a tab asks again.
  const genesis = toHex(host.opened.run.manifest.genesis.checkpoint.hash);
  const path = join(folder.dir, 'damaged', 'blobs', genesis);
  rmSync(path);
  mkdirSync(path);
  const unreadable = await app.request(`http://localhost/api/blob/${genesis}`);
  expect(unreadable.status).toBe(503);
  expect(await unreadable.json()).toMatchObject({ code: 'unreadable' });
  rmSync(path, { recursive: true });
  const lost = await app.request(`http://localhost/api/blob/${genesis}`);
  expect([lost.status, await lost.json()]).toMatchObject([410, { code: 'missing' }]);
  expect(events.slice(1)).toEqual([
    { is: 'blob-unreadable', hash: genesis, cause: 'wrong-kind' },
    { is: 'blob-lost', hash: genesis },
  ]);

  /** A chain on a copy of the folder whose tokenizer was overwritten. */
  async function damaged() {
    const copy = join(folder.dir, 'damaged');
    const store = Store.open(copy);
    store.saveRun(host.opened.run.manifestBytes, [tokenizer, host.opened.run.manifest.genesis.checkpoint]);
    const genesis = await host.opened.store.readBlob(host.opened.run.manifest.genesis.checkpoint);
    writeFileSync(store.path(host.opened.run.manifest.genesis.checkpoint.hash), genesis as Uint8Array);
    writeFileSync(store.path(tokenizer.hash), new Uint8Array(tokenizer.size).fill(7));
    return openChain(store);
  }
});

test('a restart continues at the same height, root and credits', async () => {
  const before = await json('/api/status');
  await host.stop();
  host = await startHost(options);
  base = host.url.replace(/\/$/, '');
  const after = await json('/api/status');
  for (const name of ['run', 'height', 'root', 'credits', 'issued'])
    expect(after[name]).toEqual(before[name]);
  // The submissions of the last rounds can be had from the host again.
  const { last } = host.view.chain;
  expect(last?.certificate.body.accepted).toHaveLength(2);
  expect((await host.view.chain.recentWork(8)).map((work) => work.length)).toEqual([2, 2]);
});

test('started without a seat it says who judges, serves the same chain, and can take the seat back', async () => {
  expect(await json('/api/head')).toMatchObject({ validator: 'host' });
  const before = await json('/api/status');
  await host.stop();
  const key = join(dataDir, 'validator.key');
  const away = join(folder.dir, 'moved.key');
  renameSync(key, away);
  await expect(startHost(options)).rejects.toThrow(/^no-validator-key/);
  host = await startHost({ ...options, validator: 'tab' });
  base = host.url.replace(/\/$/, '');
  expect(await json('/api/head')).toMatchObject({ validator: 'none', height: 2 });
  expect(await json('/api/status')).toMatchObject({ validator: 'none', credits: before.credits });
  expect(await (await fetch(`${base}/metrics`)).text()).toMatch(/^tabswarm_validator_present 0$/m);
  expect((await cli('status', '--url', base)).out).toMatch(/validator none: rounds are not certified/);
  await host.stop();
  renameSync(away, key);
  host = await startHost(options);
  base = host.url.replace(/\/$/, '');
  expect(await json('/api/head')).toMatchObject({ validator: 'host', height: 2 });
});

test('what keeps it from starting has a code, and a sentence on the command line', async () => {
  const elsewhere = join(folder.dir, 'other');
  const refused = (change: Partial<HostOptions>) =>
    expect(startHost({ ...options, dataDir: elsewhere, ...change })).rejects;
  await refused({ port: host.port }).toMatchObject({
    code: 'cannot-listen',
    fault: { facts: { code: 'EADDRINUSE', port: host.port } },
  });
  await refused({ appDir: folder.dir }).toMatchObject({ code: 'page-not-built' });
  await refused({ tls: { cert: 'no certificate', key: 'no key' } }).toMatchObject({ code: 'tls-unusable' });
  await refused({ listen: '203.0.113.7' }).toMatchObject({ code: 'cannot-listen' });
  await refused({ corpus: join(folder.dir, 'absent') }).toMatchObject({ code: 'corpus-unreadable' });
  await refused({ overrides: { gauntlet: { maxAccepted: 1000 } } }).toMatchObject({
    code: 'settings-invalid',
    fault: { facts: { where: 'gauntlet.maxAccepted' } },
  });
  await refused({ roundMs: 10 }).toMatchObject({ code: 'settings-invalid' });
  await refused({ dataDir }).toMatchObject({ code: 'folder-in-use' });
  const taken = await cli('start', '--data', elsewhere, '--port', String(host.port));
  expect(taken).toMatchObject({ code: 1, out: '' });
  expect(taken.err).toMatch(/Port \d+ is taken|The page is not built/);
  expect((await cli('start', '--prot', '1')).err).toMatch(/--prot/);
  expect((await cli('start', '--preset', 'huge')).err).toMatch(/There is no preset "huge"/);
  expect((await cli('start', '--cert', 'x')).err).toMatch(/--cert and --key go together/);
  expect((await cli('frobnicate')).code).toBe(2);
  const config = join(folder.dir, 'config.json');
  writeFileSync(config, '{"trainig": {}}');
  expect((await cli('start', '--config', config)).err).toMatch(/trainig/);
  writeFileSync(config, '{');
  expect((await cli('start', '--config', config)).err).toMatch(/is not JSON/);
  expect((await cli('start', '--config', join(folder.dir, 'absent.json'))).err).toMatch(/does not exist/);
  expect((await cli('start', '--ice', 'http://x')).err).toMatch(/must begin with stun:/);
  expect((await cli('start', '--validator', 'phone')).err).toMatch(/--validator is host or tab/);
  expect((await cli('start', '--port', '99999')).err).toMatch(/--port is a whole number/);
});
