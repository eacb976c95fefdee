/**
 * The service worker: keeps the shell of one build (pages, scripts, styles, icons) so that the app opens without its
 * host and can say so. It never touches the API, blobs or anything of another origin.
 *
 * Pages come from the network first, so nobody is held back on an old build; hashed assets come from the cache of
 * whichever build they belong to, so a tab that is still on the build before finds its own files and never mixes two.
 * Imports nothing: it must be one classic script. The build writes the file list into it (scripts/shell-plugin.ts).
 */

/** What the build leaves of itself. */
export interface Shell {
  /** Hash of the paths and contents below. */
  readonly version: string;
  /** Pages by path below the worker's folder with the SHA-256 of their bytes, base64url; the folder's own is empty. */
  readonly pages: Readonly<Record<string, string>>;
  readonly files: readonly string[];
}

// The project's types are those of a page; a service worker has these beside them.
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface WindowClient {
  readonly url: string;
  focus(): Promise<unknown>;
}
interface NotificationEvent extends ExtendableEvent {
  readonly notification: Notification;
}
interface WorkerScope {
  addEventListener(type: 'install' | 'activate', listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
  addEventListener(type: 'notificationclick', listener: (event: NotificationEvent) => void): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: {
    claim(): Promise<void>;
    matchAll(options: { type: 'window' }): Promise<readonly WindowClient[]>;
  };
}
const scope = self as unknown as WorkerScope;

/** Another host below another path of this origin has its own caches. */
const PREFIX = `tabswarm-shell-${location.pathname.replace(/sw\.js$/, '')} `;
/** Builds kept: this one, and the one that open tabs may still be on. */
const KEPT_BUILDS = 2;

// The build replaces the name by the list, URI-encoded so that no quote can end the string.
const SHELL = '__TABSWARM_SHELL__';
const shell: Shell = SHELL.startsWith('__')
  ? { version: 'unbuilt', pages: {}, files: [] }
  : (JSON.parse(decodeURIComponent(SHELL)) as Shell); // written by our own build
/** The folder that the app is served from: a host may lie below a path. */
const home = new URL('.', location.href).href;
const files = new Set(shell.files.map((path) => home + path));

scope.addEventListener('install', (event) => {
  event.waitUntil(keepShell().then(() => scope.skipWaiting()));
});

scope.addEventListener('activate', (event) => {
  event.waitUntil(dropOldBuilds().then(() => scope.clients.claim()));
});

scope.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  if (request.mode === 'navigate') {
    const path = (url.origin + url.pathname).slice(home.length);
    if (url.href.startsWith(home) && path in shell.pages) event.respondWith(page(request, home + path));
  } else if (url.href.startsWith(`${home}assets/`)) {
    event.respondWith(asset(request));
  } else if (files.has(url.origin + url.pathname)) {
    event.respondWith(fetch(request).catch(() => kept(url.origin + url.pathname)));
  }
});

// A page asks whether it belongs to this build.
scope.addEventListener('message', (event) => {
  if (event.data === 'files') event.ports[0]?.postMessage([...files]);
});

scope.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(scope.clients.matchAll({ type: 'window' }).then(([first]) => first?.focus()));
});

async function keepShell(): Promise<void> {
  const cache = await caches.open(PREFIX + shell.version);
  for (const [path, hash] of Object.entries(shell.pages)) {
    const response = await fetch(home + path, { cache: 'no-store' });
    const bytes = await response.clone().arrayBuffer();
    // The host may have been updated since it sent this script: the next one will fit.
    if (!response.ok || (await digest(bytes)) !== hash) throw new Error(`${path} is of another build`);
    await cache.put(home + path, response);
  }
  await cache.addAll([...files]);
}

async function dropOldBuilds(): Promise<void> {
  const builds = (await caches.keys()).filter((name) => name.startsWith(PREFIX));
  // In the order in which they were made.
  const old = builds.filter((name) => name !== PREFIX + shell.version).slice(0, 1 - KEPT_BUILDS);
  await Promise.all(old.map((name) => caches.delete(name)));
}

async function page(request: Request, path: string): Promise<Response> {
  try {
    const response = await fetch(request);
    // A proxy answers for a host that is down.
    if (response.status < 500) return response;
  } catch {
    // No network, or no host.
  }
  return kept(path);
}

async function asset(request: Request): Promise<Response> {
  for (const name of await caches.keys()) {
    if (!name.startsWith(PREFIX)) continue;
    const found = await (await caches.open(name)).match(request);
    if (found !== undefined) return found;
  }
  return fetch(request);
}

async function kept(path: string): Promise<Response> {
  const cache = await caches.open(PREFIX + shell.version);
  return (await cache.match(path)) ?? Response.error();
}

async function digest(bytes: ArrayBuffer): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return btoa(String.fromCharCode(...hash))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
