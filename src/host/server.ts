/**
 * The host's HTTP interface: the page, and what a tab asks for. docs/protocol.md lists the endpoints.
 *
 * Read-only: GET and HEAD, no cookies, no request bodies, nothing secret in any answer.
 */
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { PROTOCOL_VERSION } from '../protocol/limits.ts';
import { fromHex, toHex } from '../protocol/bytes.ts';
import { addressShare, clientAddress, type TrustedProxies } from '../swarm/address-share.ts';
import { hostMultiaddr } from '../swarm/addresses.ts';
import { TokenBucket } from '../swarm/token-bucket.ts';
import { diskCause } from './disk.ts';
import type { HostReport } from './events.ts';
import { metricsText } from './metrics.ts';
import type { StaticFiles } from './static-files.ts';
import { swarmMetricsText } from './swarm-metrics.ts';
import { accountsPage, accountTotals, MAX_ACCOUNTS } from './accounts.ts';
import { type HostView, statusOf, validatorOf } from './view.ts';

type Env = { Bindings: Partial<HttpBindings> };

export interface ServerOptions {
  readonly view: HostView;
  /** Null: no page, only the API. */
  readonly files: StaticFiles | null;
  /** Proxies that are believed about where a request comes from. */
  readonly trusted: TrustedProxies;
  readonly report: HostReport;
}

/** Links in one answer: about 2 KB each with one opinion, so that an answer stays near a megabyte. */
const MAX_LINKS = 256;
/** Requests a second and burst of one address or IPv6 /64: a class room behind one address loads the page at once. */
const REQUEST_RATE = 200;
const REQUEST_BURST = 4000;
const MAX_CLIENTS = 10_000;
const IMMUTABLE = 'public, max-age=31536000, immutable';
/** Host header: name or address with optional port. Anything else is answered as if it were localhost. */
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;

export function createApp({ view, files, trusted, report }: ServerOptions): Hono<Env> {
  const app = new Hono<Env>();
  const responses = new Map<number, number>();
  const clients = new Clients();

  app.use('*', async (c, next) => {
    if (!clients.take(addressShare(addressOf(c, trusted)))) {
      c.res = new Response('too many requests; try again in a second\n', {
        status: 429,
        headers: { 'retry-after': '1' },
      });
    } else if (c.req.method !== 'GET' && c.req.method !== 'HEAD') {
      c.res = new Response('only GET and HEAD\n', { status: 405, headers: { allow: 'GET, HEAD' } });
    } else {
      await next();
    }
    for (const [name, value] of Object.entries(securityHeaders(baseUrl(c, view)))) c.header(name, value);
    responses.set(c.res.status, (responses.get(c.res.status) ?? 0) + 1);
  });

  app.get('/api/run', (c) =>
    answer(c, {
      protocol: PROTOCOL_VERSION,
      run: view.chain.run.name,
      manifest: base64(view.chain.run.manifestBytes),
      relays: [hostMultiaddr(baseUrl(c, view), view.swarm.peerId)],
      time: view.clock.now(),
      iceServers: view.iceServers,
    }),
  );
  app.get('/api/time', (c) => answer(c, { time: view.clock.now() }));
  app.get('/api/head', (c) => {
    const { head, last, checkpoint } = view.chain;
    return answer(c, {
      height: head.height,
      round: head.round,
      root: toHex(head.root),
      validator: validatorOf(view),
      certificate: last === null ? null : base64(last.sealed),
      checkpoint: { hash: toHex(checkpoint.hash), size: checkpoint.size, height: checkpoint.height },
    });
  });
  app.get('/api/certificates', (c) => {
    const from = c.req.query('from') ?? '1';
    if (!/^\d{1,10}$/.test(from)) return c.json({ error: 'from is a height, 1 or more' }, 400);
    const found = view.chain.store.links(Math.max(1, Number(from)), MAX_LINKS);
    return answer(c, {
      height: view.chain.head.height,
      links: found.map(({ certificate, opinions }) => ({
        certificate: base64(certificate),
        opinions: opinions.map(base64),
      })),
    });
  });
  app.get('/api/ledger', (c) => {
    const from = c.req.query('from') ?? '0';
    if (!/^\d{1,10}$/.test(from)) return c.json({ error: 'from is a place in the list, 0 or more' }, 400);
    const { ledger } = view.chain;
    return answer(c, {
      height: ledger.height,
      issued: ledger.issued,
      count: accountTotals(ledger).accounts,
      accounts: accountsPage(ledger, Number(from), MAX_ACCOUNTS),
    });
  });
  app.get('/api/profiles', (c) => answer(c, { profiles: view.rounds.profiles.sealed().map(base64) }));
  app.get('/api/status', async (c) => answer(c, await statusOf(view)));
  app.get('/api/blob/:hash', (c) => blob(c, view, report));
  app.all('/api/*', (c) => c.json({ error: 'there is no such endpoint' }, 404));
  app.get('/metrics', async (c) =>
    c.text(
      metricsText(await statusOf(view), {
        residentBytes: process.memoryUsage.rss(),
        uptimeSeconds: (view.clock.now() - view.startedAt) / 1000,
        httpRequests: responses,
      }) + swarmMetricsText(await view.swarm.figures()),
      200,
      { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
    ),
  );
  app.get('*', async (c) => {
    const found = await files?.get(
      c.req.path,
      c.req.header('accept-encoding') ?? '',
      c.req.header('if-none-match') ?? null,
    );
    if (found === null || found === undefined) return c.text('nothing here\n', 404);
    return new Response(found.body, { status: found.status, headers: found.headers });
  });
  app.notFound((c) => c.text('nothing here\n', 404));
  app.onError((error, c) => {
    const { method, path } = c.req;
    report({ is: 'http-failed', method, path: path.slice(0, 80), error: error.message });
    return c.json({ error: 'the host failed to answer; its log says why' }, 500);
  });
  return app;
}

/** Answers with a blob that the run names, or with one range of it (RFC 9110, section 14). */
async function blob(c: Context<Env>, view: HostView, report: HostReport): Promise<Response> {
  const name = (c.req.param('hash') ?? '').toLowerCase();
  const known = /^[0-9a-f]{64}$/.test(name) ? view.chain.store.blob(fromHex(name)) : null;
  if (known === null) return c.json({ error: 'there is no such blob' }, 404);
  const unreadable = (error: unknown): Response => {
    report({ is: 'blob-unreadable', hash: name, cause: diskCause(error) });
    return c.json({ error: 'this host cannot read the blob now', code: 'unreadable' }, 503, {
      'cache-control': 'no-store',
      'retry-after': '2',
    });
  };
  // A tab that got wrong bytes would ask again and again; the page can say that this host lacks it.
  const condition = await view.chain.store.blobCondition(known.hash).catch((error: unknown) => ({ error }));
  if (typeof condition === 'object') return unreadable(condition.error);
  if (condition !== 'whole') {
    report({ is: condition === 'missing' ? 'blob-lost' : 'blob-damaged', hash: name });
    return c.json({ error: `this host’s copy of the blob is ${condition}`, code: condition }, 410, {
      'cache-control': 'no-store',
    });
  }
  const etag = `"${name}"`;
  const headers: Record<string, string> = {
    'content-type': 'application/octet-stream',
    'cache-control': IMMUTABLE,
    'accept-ranges': 'bytes',
    etag,
  };
  if (c.req.header('if-none-match') === etag) return c.body(null, 304, headers);
  const range = parseRange(c.req.header('range') ?? null, known.size);
  if (range === 'unsatisfiable')
    return c.body(null, 416, { ...headers, 'content-range': `bytes */${known.size}` });
  const [from, to] = range ?? [0, known.size - 1];
  headers['content-length'] = String(to - from + 1);
  if (range !== null) headers['content-range'] = `bytes ${from}-${to}/${known.size}`;
  const status = range === null ? 200 : 206;
  if (c.req.method === 'HEAD') return c.body(null, status, headers);
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(view.chain.store.path(fromHex(name)));
  } catch (error) {
    if (diskCause(error) !== 'missing') return unreadable(error);
    return c.json({ error: 'this blob is gone; ask for the head again' }, 404, {
      'cache-control': 'no-store',
    });
  }
  const stream = file.createReadStream({ start: from, end: to }); // closes the file at its end, or when cancelled
  return c.body(Readable.toWeb(stream) as ReadableStream, status, headers);
}

/**
 * First and last byte of a `Range` header's one range. Null: send everything (no header, another unit, several ranges
 * or nonsense, all of which a server may ignore).
 */
export function parseRange(header: string | null, size: number): [number, number] | 'unsatisfiable' | null {
  const match = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(header?.trim() ?? '');
  if (match === null) return null;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return null;
  if (first === '') {
    const length = Number(last);
    return length === 0 ? 'unsatisfiable' : [Math.max(0, size - length), size - 1];
  }
  const from = Number(first);
  if (last !== '' && Number(last) < from) return null;
  if (from >= size) return 'unsatisfiable';
  return [from, last === '' ? size - 1 : Math.min(Number(last), size - 1)];
}

/** URL under which the asker reached us, so that another machine is told an address that it can reach. */
function baseUrl(c: Context<Env>, view: HostView): URL {
  if (view.publicUrl !== null) return new URL(view.publicUrl);
  const url = new URL(c.req.url);
  const host = c.req.header('host') ?? url.host;
  const base = `${url.protocol}//${host}/`;
  return new URL(HOST.test(host) && URL.canParse(base) ? base : `${url.protocol}//localhost/`);
}

/** Everything is answered afresh but blobs and hashed assets. */
function answer(c: Context<Env>, value: object): Response {
  return c.json(value, 200, { 'cache-control': 'no-store' });
}

/**
 * WebGPU needs a secure context and no header; wasm needs 'wasm-unsafe-eval'; workers come from our own origin. The
 * WebSocket is named too, because not every browser counts it as 'self'. Camera and microphone stay unmentioned in
 * Permissions-Policy: a browser lists its network interfaces to WebRTC only where they could be allowed.
 */
function securityHeaders(base: URL): Record<string, string> {
  const socket = `${base.protocol === 'https:' ? 'wss' : 'ws'}://${base.host}`;
  return {
    'content-security-policy': [
      "default-src 'self'",
      "script-src 'self' 'wasm-unsafe-eval'",
      "worker-src 'self' blob:",
      `connect-src 'self' ${socket}`,
      "img-src 'self' data: blob:",
      "style-src 'self' 'unsafe-inline'",
      "object-src 'none'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'self'",
    ].join('; '),
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'geolocation=(), payment=(), usb=(), serial=()',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  };
}

function addressOf(c: Context<Env>, trusted: TrustedProxies): string {
  const remoteAddress = c.env?.incoming?.socket.remoteAddress;
  return clientAddress({ headers: c.req.header(), socket: { remoteAddress } }, trusted);
}

class Clients {
  readonly #buckets = new Map<string, TokenBucket>();

  take(address: string): boolean {
    let bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      bucket = new TokenBucket(REQUEST_RATE, REQUEST_BURST);
      this.#buckets.set(address, bucket);
      for (const oldest of this.#buckets.keys()) {
        if (this.#buckets.size <= MAX_CLIENTS) break;
        this.#buckets.delete(oldest);
      }
    }
    return bucket.take();
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
