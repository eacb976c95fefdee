/**
 * The host's HTTP interface: the page, and what a tab asks for. docs/protocol.md lists the endpoints.
 *
 * Read-only: GET and HEAD, no cookies, no request bodies, nothing secret in any answer.
 */
import { type Context, Hono } from 'hono';
import { accepts } from 'hono/accepts';
import { getPath } from 'hono/utils/url';
import { PROTOCOL_VERSION } from '../protocol/limits.ts';
import { toHex } from '../protocol/bytes.ts';
import { type AddressedRequest, addressShare, clientAddress } from '../swarm/address-share.ts';
import { TokenBucket } from '../swarm/token-bucket.ts';
import { type Env, streamed } from './answering.ts';
import { isSecure, type OwnAddress, socketSources } from './asked-address.ts';
import { SMALL_ANSWER } from './door-limits.ts';
import type { Doorman } from './doorman.ts';
import type { HostReport } from './events.ts';
import { metricsText } from './metrics.ts';
import { bytesSource } from './pieces.ts';
import { serveBlob } from './serve-blob.ts';
import type { StaticFiles } from './static-files.ts';
import { swarmMetricsText } from './swarm-metrics.ts';
import { accountsPage, accountTotals, MAX_ACCOUNTS } from './accounts.ts';
import { type HostView, statusOf, validatorOf } from './view.ts';

export interface ServerOptions {
  readonly view: HostView;
  /** Null: no page, only the API. */
  readonly files: StaticFiles | null;
  readonly own: OwnAddress;
  /** Bounds what unread answers hold; absent where requests come from a test. */
  readonly door?: Doorman;
  readonly report: HostReport;
}

/** Links in one answer, about 2 KB each with one opinion, and their characters: whoever asks for more asks again. */
const MAX_LINKS = 256;
const MAX_LINKS_CHARS = 1 << 20;
/** Requests a second and burst of one address or IPv6 /64: a class room behind one address loads the page at once. */
const REQUEST_RATE = 200;
const REQUEST_BURST = 4000;
const MAX_CLIENTS = 10_000;
export function createApp({ view, files, own, report, door }: ServerOptions): Hono<Env> {
  const base = own.publicUrl?.pathname ?? '/';
  const app = new Hono<Env>({ getPath: (request) => pathBelow(base, getPath(request)) });
  /** Everything is answered afresh but blobs and hashed assets. */
  const answer = (c: Context<Env>, value: object): Response => {
    const text = JSON.stringify(value);
    const size = Buffer.byteLength(text);
    if (size > SMALL_ANSWER && door?.hold(c.env?.incoming, size) === false)
      return c.json({ error: 'too many answers wait to be read' }, 503, { 'retry-after': '2' });
    return c.body(text, 200, { 'cache-control': 'no-store', 'content-type': 'application/json' });
  };
  const responses = new Map<number, number>();
  const clients = new Clients();

  app.use('*', async (c, next) => {
    if (!clients.take(addressShare(clientAddress(wayOf(c), own.trusted)))) {
      c.res = new Response('too many requests; try again in a second\n', {
        status: 429,
        headers: { 'retry-after': '1' },
      });
    } else if (c.req.method !== 'GET' && c.req.method !== 'HEAD') {
      c.res = new Response('only GET and HEAD\n', { status: 405, headers: { allow: 'GET, HEAD' } });
    } else {
      await next();
    }
    for (const [name, value] of Object.entries(securityHeaders(wayOf(c), own))) c.header(name, value);
    responses.set(c.res.status, (responses.get(c.res.status) ?? 0) + 1);
  });

  app.get('/api/run', (c) =>
    answer(c, {
      protocol: PROTOCOL_VERSION,
      run: view.chain.run.name,
      manifest: base64(view.chain.run.manifestBytes),
      // Its address is the page's own: this host cannot know by which name a proxy is asked.
      peer: view.swarm.peerId,
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
    const links: { certificate: string; opinions: string[] }[] = [];
    let chars = 0;
    for (const { certificate, opinions } of found) {
      const link = { certificate: base64(certificate), opinions: opinions.map(base64) };
      chars += [link.certificate, ...link.opinions].join('').length;
      if (links.length > 0 && chars > MAX_LINKS_CHARS) break;
      links.push(link);
    }
    return answer(c, { height: view.chain.head.height, links });
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
  app.get('/api/blob/:hash', (c) => serveBlob(c, c.req.param('hash'), view.chain.store, report));
  app.all('/api/*', (c) => c.json({ error: 'there is no such endpoint' }, 404));
  app.get('/metrics', async (c) =>
    c.text(
      metricsText(await statusOf(view), {
        residentBytes: process.memoryUsage.rss(),
        uptimeSeconds: (view.clock.now() - view.startedAt) / 1000,
        httpRequests: responses,
        door: door?.figures ?? null,
      }) + swarmMetricsText(await view.swarm.figures()),
      200,
      { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
    ),
  );
  // The page's own addresses are relative, and need the slash.
  if (base !== '/') app.get(base.slice(0, -1), (c) => c.redirect(base, 308));
  app.get('*', async (c) => {
    const encoding = accepts(c, {
      header: 'Accept-Encoding',
      supports: ['br', 'identity'],
      default: 'identity',
    });
    const found = await files?.get(c.req.path, encoding === 'br', c.req.header('if-none-match') ?? null);
    if (found === null || found === undefined) return c.text('nothing here\n', 404);
    const { body, status, headers } = found;
    if (body === null || status === 304) return c.body(null, status, headers);
    if (c.req.method === 'HEAD')
      return c.body(null, status, { ...headers, 'content-length': String(body.byteLength) });
    return streamed(c, status, headers, bytesSource(body));
  });
  app.notFound((c) => c.text('nothing here\n', 404));
  app.onError((error, c) => {
    const { method, path } = c.req;
    report({ is: 'http-failed', method, path: path.slice(0, 80), error: error.message });
    return c.json({ error: 'the host failed to answer; its log says why' }, 500);
  });
  return app;
}

/**
 * WebGPU needs a secure context and no header; wasm needs 'wasm-unsafe-eval'; workers come from our own origin. Camera
 * and microphone stay unmentioned in Permissions-Policy: a browser lists its network interfaces to WebRTC only where
 * they could be allowed.
 */
function securityHeaders(request: AddressedRequest, own: OwnAddress): Record<string, string> {
  return {
    'content-security-policy': [
      "default-src 'self'",
      "script-src 'self' 'wasm-unsafe-eval'",
      "worker-src 'self' blob:",
      `connect-src ${["'self'", ...socketSources(request, own)].join(' ')}`,
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
    // Browsers heed it over HTTPS only. Not for subdomains: they are not this host's.
    ...(isSecure(request, own) ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  };
}

/** What is known of a request's way here. */
const wayOf = (c: Context<Env>): AddressedRequest => ({
  headers: c.req.header(),
  socket: { remoteAddress: c.env?.incoming?.socket.remoteAddress },
});

/** Path below the public URL's own, for a proxy that strips that path and for one that keeps it. */
export function pathBelow(base: string, path: string): string {
  return base !== '/' && path.startsWith(base) ? path.slice(base.length - 1) : path;
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
