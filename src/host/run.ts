/** Starts and stops a whole host: run, chain, HTTP(S), relay, validator. */
import { messageOf } from '../protocol/errors.ts';
import { createServer as createHttp, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { type Preset, type PresetName, preset as namedPreset, scheduleFor } from '../model/presets.ts';
import { toHex } from '../protocol/bytes.ts';
import { CarryBook } from '../gauntlet/carries.ts';
import { parameterLayout } from '../model/layout.ts';
import { carryRoot, zeroCarry } from '../protocol/carry.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { createHostSwarm, type HostSwarm } from '../swarm/host-node.ts';
import { Chain } from './chain.ts';
import type { LossMeter } from '../gauntlet/loss-meter.ts';
import { createLossMeter, type EvaluatorName } from './losses.ts';
import { type NewRun, type OpenedRun, openRun } from './open-run.ts';
import { openReplays } from './replays.ts';
import { RoundLosses } from '../gauntlet/round-losses.ts';
import { createApp } from './server.ts';
import { StaticFiles } from './static-files.ts';
import type { Store } from './store.ts';
import { Auditor } from '../validator/auditor.ts';
import { decodeStandings, encodeStandings } from '../validator/standings-note.ts';
import { Validator } from '../validator/validator.ts';
import type { HostView, IceServer } from './view.ts';

/** The host cannot start with these options; the message says what to change. */
export class HostStartError extends Error {
  static override readonly name = 'HostStartError';
  override readonly name = 'HostStartError';
}

export interface HostOptions extends Omit<NewRun, 'preset'> {
  readonly dataDir: string;
  /** Folder of the built page; null: no page. Default: dist/app of this checkout. */
  readonly appDir?: string | null;
  /** 0: any free port. Default 8780. */
  readonly port?: number;
  /** Address to listen on. Default 127.0.0.1. */
  readonly listen?: string;
  /** PEM certificate and key: the page and the WebSocket are then served over TLS. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  /** What tabs reach this host by when a proxy is in front of it. */
  readonly publicUrl?: string | undefined;
  readonly iceServers?: readonly IceServer[];
  /** Default `1m`. */
  readonly preset?: PresetName | Preset;
  /** Replaces sizes of the preset's model. */
  readonly model?: Partial<Preset['model']> | undefined;
  /** Length of a round; the phases keep the preset's shares of it. */
  readonly roundMs?: number | undefined;
  readonly log?: (line: string) => void;
  /**
   * Contributors to audit in a round of a new run; 0 on an existing one: none on this host. Default: the preset's
   * number, replayed only where there is a real GPU.
   */
  readonly audits?: number | undefined;
  /** What measures losses, in a worker thread. Default: auto. */
  readonly evaluator?: EvaluatorName | undefined;
  /** For tests. */
  readonly lossMeter?: LossMeter;
}

export interface RunningHost {
  /** Where a browser on this machine opens the page. */
  readonly url: string;
  readonly port: number;
  /** URLs by which other machines may reach it; empty when it listens on this machine only. */
  readonly otherUrls: readonly string[];
  readonly runId: string;
  readonly run: OpenedRun;
  readonly view: HostView;
  stop(): Promise<void>;
}

const DEFAULT_APP = join(import.meta.dirname, '../../dist/app');
export const DEFAULT_PORT = 8780;
const STANDINGS_NOTE = 'standings';
const CARRIES_NOTE = 'carries';
const PROFILES_NOTE = 'profiles';
const PROFILES_MS = 60_000;
/** Heights whose submissions are served again after a restart. */
const SERVED_HEIGHTS = 8;
/** A stranger's slow or idle connections may not keep sockets for long; a WebSocket is past these limits. */
const HEADERS_TIMEOUT = 10_000;
const REQUEST_TIMEOUT = 30_000;
const KEEP_ALIVE_TIMEOUT = 15_000;
const MAX_CONNECTIONS = 4096;

/** Starts a host. Throws an Error whose message says in plain words what is wrong. */
export async function startHost(options: HostOptions): Promise<RunningHost> {
  const log = options.log ?? (() => {});
  const files = options.appDir === null ? null : new StaticFiles(options.appDir ?? DEFAULT_APP);
  const server = createServer(options);
  const stops: (() => unknown)[] = [];
  const stop = async (): Promise<void> => {
    // Newest first: what was started last depends on what was there before.
    for (const undo of stops.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        log(`while stopping: ${messageOf(error)}`);
      }
    }
  };
  try {
    // The port first: finding it taken after minutes of preparation would be unkind.
    const port = await listen(server, options);
    stops.push(() => closeServer(server));
    let app: ReturnType<typeof createApp> | null = null;
    const listener = getRequestListener((request, env) => {
      if (app !== null) return app.fetch(request, env);
      return new Response('Tabswarm is starting: the run is being prepared.\n', {
        status: 503,
        headers: { 'retry-after': '2' },
      });
    });
    server.on('request', (request, response) => void listener(request, response));

    const run = await openRun(options.dataDir, newRun(options));
    stops.push(() => run.store.close());
    const { manifest, runId, store } = run;
    const chain = await Chain.open(manifest, runId, store);
    const swarm = await createHostSwarm({ privateKeySeed: run.nodeSeed, topic: toHex(runId), server });
    stops.push(() => swarm.stop());
    let machine = 'CPU';
    let meter = options.lossMeter;
    if (meter === undefined) {
      const named = createLossMeter({
        evaluator: options.evaluator ?? 'auto',
        model: manifest.model,
        sparseloco: manifest.sparseloco,
        sequence: manifest.training.sequence,
      });
      stops.push(() => named.close());
      // Not waited for: opening a GPU takes a while, and the page can be served before.
      named.name().then(
        (name) => {
          machine = name;
          log(`losses are measured on ${name}`);
        },
        (error: unknown) => {
          if (stops.length > 0) log(`losses cannot be measured: ${messageOf(error)}`);
        },
      );
      meter = named;
    }
    const losses = new RoundLosses({
      manifest,
      runId,
      meter,
      readBlob: (ref) => store.readBlob(ref),
      secret: run.secret,
    });
    const audited = (manifest.gauntlet.auditsPerRound ?? 0) > 0;
    const carries = audited ? await openCarries(manifest, store.note(CARRIES_NOTE)) : null;
    if (!audited) log('audits are off: the run was made without them (--audits)');
    else if (options.audits === 0) log('audits are off on this host (--audits 0)');
    const validator = new Validator({
      machine: () => machine,
      carries,
      onCarries: (book) => store.saveNote(CARRIES_NOTE, book.encode()),
      chain,
      swarm,
      identity: run.validator,
      losses,
      log,
      standings: decodeStandings(store.note(STANDINGS_NOTE)),
      onRefused: (round, refused) => store.saveRefusals(round, refused),
      onHeldOut: (height, loss) => store.saveLoss(height, loss),
      onStandings: (standings) => store.saveNote(STANDINGS_NOTE, encodeStandings(standings)),
    });
    stops.push(() => validator.stop());
    await validator.profiles.load(store.note(PROFILES_NOTE));
    stops.push(keepProfiles(validator, store));
    swarm.onMessage((message, from) => validator.handle(message, from));
    await serveStored(chain, validator);
    const view: HostView = {
      manifestBytes: run.manifestBytes,
      chain,
      swarm,
      validator,
      iceServers: options.iceServers ?? [],
      publicUrl: options.publicUrl ?? null,
      startedAt: Date.now(),
    };
    app = createApp({ view, files, log });
    // A failure is in the log, and the first measurement tries again.
    validator.prepare().catch(() => {});
    if (audited && options.audits !== 0) {
      const leaving = new AbortController();
      const software = options.audits !== undefined;
      const opening = openAuditor({ run, chain, swarm, losses, software, log }, leaving.signal);
      stops.push(async () => {
        leaving.abort();
        await (await opening)?.stop();
      });
      void opening.then((auditor) => validator.setAuditor(auditor));
    }
    validator.start();

    const scheme = options.tls === undefined ? 'http' : 'https';
    const address = options.listen ?? '127.0.0.1';
    return {
      url: `${scheme}://${localName(address)}:${port}/`,
      port,
      otherUrls: otherAddresses(address).map((other) => `${scheme}://${other}:${port}/`),
      runId: toHex(runId),
      run,
      view,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Writes the profiles down now and then when they changed; the returned function does so once more. */
function keepProfiles(validator: Validator, store: Store): () => void {
  let written = validator.profiles.changes;
  const save = () => {
    if (validator.profiles.changes === written) return;
    written = validator.profiles.changes;
    store.saveNote(PROFILES_NOTE, validator.profiles.encode());
  };
  const timer = setInterval(save, PROFILES_MS);
  return () => {
    clearInterval(timer);
    save();
  };
}

function newRun(options: HostOptions): NewRun {
  const base = typeof options.preset === 'object' ? options.preset : namedPreset(options.preset ?? '1m');
  const model = { ...base.model, ...options.model };
  const { roundMs, audits } = options;
  const gauntlet = audits === undefined ? base.gauntlet : { ...base.gauntlet, auditsPerRound: audits };
  if (roundMs === undefined) return { ...options, preset: { ...base, model, gauntlet } };
  if (!Number.isInteger(roundMs) || roundMs < 1000)
    throw new HostStartError('A round lasts at least one second (--round-seconds).');
  return { ...options, preset: { ...base, model, gauntlet, schedule: scheduleFor(roundMs) } };
}

function createServer(options: HostOptions): Server {
  const limits = {
    headersTimeout: HEADERS_TIMEOUT,
    requestTimeout: REQUEST_TIMEOUT,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    maxHeaderSize: 16_384,
  };
  let server: Server;
  if (options.tls === undefined) server = createHttp(limits);
  else {
    try {
      server = createHttps({ ...limits, ...options.tls });
    } catch (cause) {
      throw new HostStartError(
        `The certificate and key cannot be used together (${(cause as Error).message}). Both must be PEM files and belong together.`,
        { cause },
      );
    }
  }
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

function listen(server: Server, options: HostOptions): Promise<number> {
  const port = options.port ?? DEFAULT_PORT;
  const address = options.listen ?? '127.0.0.1';
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why: Record<string, string> = {
        EADDRINUSE: `Port ${port} is taken, perhaps by another tabswarm. Choose another, for example --port ${port + 1}.`,
        EACCES: `Port ${port} may not be used without special rights. Choose one above 1023, for example --port ${DEFAULT_PORT}.`,
        EADDRNOTAVAIL: `This machine has no address "${address}". Use 127.0.0.1 (this machine only) or 0.0.0.0 (all networks) with --listen.`,
        ENOTFOUND: `"${address}" is no address of this machine. Use 127.0.0.1 or 0.0.0.0 with --listen.`,
      };
      reject(
        new HostStartError(
          why[error.code ?? ''] ?? `Cannot listen on ${address}:${port}: ${error.message}.`,
          {
            cause: error,
          },
        ),
      );
    });
    server.listen(port, address, () => {
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function openCarries(manifest: Manifest, note: Uint8Array | null): Promise<CarryBook> {
  const { elements } = parameterLayout(manifest.model);
  return new CarryBook(carryRoot(await zeroCarry(elements)), note);
}

interface AuditorParts {
  readonly run: OpenedRun;
  readonly chain: Chain;
  readonly swarm: HostSwarm;
  readonly losses: RoundLosses;
  /** A CPU driver will do. */
  readonly software: boolean;
  readonly log: (line: string) => void;
}

/** Null, with the reason in the log, where this machine cannot replay a round. */
async function openAuditor(parts: AuditorParts, signal: AbortSignal): Promise<Auditor | null> {
  const { chain, swarm, losses, software, log } = parts;
  const { manifest, validator } = parts.run;
  const opened = await openReplays(manifest, software, signal);
  if (signal.aborted) return null;
  if ('why' in opened) {
    log(`audits are off: ${opened.why}. Submissions are judged by their loss alone.`);
    return null;
  }
  log(`audits: ${manifest.gauntlet.auditsPerRound} a round, replayed on ${opened.adapter}`);
  return new Auditor({
    chain,
    swarm,
    identity: validator,
    replays: opened.replays,
    shard: (index) => losses.shard(index),
    now: Date.now,
    log,
  });
}

/** Tabs that missed the last rounds fetch their submissions from us, also after a restart. */
async function serveStored(chain: Chain, validator: Validator): Promise<void> {
  const from = Math.max(1, chain.head.height - SERVED_HEIGHTS + 1);
  for (const stored of chain.store.certificates(from, SERVED_HEIGHTS)) {
    const entries = await chain.submissionsOf(stored);
    validator.serveSubmissions(entries);
  }
}

const isAny = (address: string): boolean => address === '0.0.0.0' || address === '::';

function localName(address: string): string {
  if (isAny(address) || address === '127.0.0.1' || address === '::1') return 'localhost';
  return address.includes(':') ? `[${address}]` : address;
}

/** Addresses of this machine that others on its networks can try. */
function otherAddresses(address: string): string[] {
  if (!isAny(address)) return /^127\.|^::1$|^localhost$/.test(address) ? [] : [localName(address)];
  return Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter((entry) => !entry.internal && entry.family === 'IPv4')
    .map((entry) => entry.address);
}
