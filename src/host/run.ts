/** Starts and stops a whole host: run, chain, HTTP(S), relay, and a validator or who follows one in a tab. */
import { messageOf } from '../protocol/errors.ts';
import { createServer as createHttp, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { type Preset, type PresetName, preset as namedPreset, scheduleFor } from '../model/presets.ts';
import { toHex } from '../protocol/bytes.ts';
import type { ProfileBook } from '../protocol/profile-book.ts';
import { createHostSwarm, type HostSwarm } from '../swarm/host-node.ts';
import { Chain } from './chain.ts';
import { ChainKeeper } from './chain-keeper.ts';
import type { LossMeter } from '../gauntlet/loss-meter.ts';
import { openHostSeat } from './host-seat.ts';
import type { EvaluatorName } from './losses.ts';
import { type NewRun, type OpenedRun, openRun } from './open-run.ts';
import { createApp } from './server.ts';
import { StaticFiles } from './static-files.ts';
import type { Store } from './store.ts';
import { SERVED_ROUNDS, type ServedRounds } from '../validator/served-rounds.ts';
import { type HostView, type IceServer, type SeatPlace, validatorOf } from './view.ts';

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
  /** Where rounds are judged. Default: on this host. `tab`: it needs no validator.key. */
  readonly validator?: SeatPlace | undefined;
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
const PROFILES_NOTE = 'profiles';
const PROFILES_MS = 60_000;
/** How often a host without a seat looks whether a tab still validates. */
const VALIDATOR_MS = 5000;
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

    const run = await openRun(options.dataDir, newRun(options), options.validator ?? 'host');
    stops.push(() => run.store.close());
    const { manifest, runId, store } = run;
    const chain = await Chain.open(manifest, runId, store);
    const swarm = await createHostSwarm({ privateKeySeed: run.nodeSeed, topic: toHex(runId), server });
    stops.push(() => swarm.stop());
    const onStop = (undo: () => unknown): void => void stops.push(undo);
    const followed =
      run.seat === null
        ? followRounds(chain, swarm, log, onStop)
        : await openHostSeat({
            chain,
            swarm,
            seat: run.seat,
            audits: options.audits,
            evaluator: options.evaluator,
            lossMeter: options.lossMeter,
            log,
            onStop,
          });
    const rounds = 'validator' in followed ? followed.validator : followed.keeper;
    await rounds.profiles.load(store.note(PROFILES_NOTE));
    stops.push(keepProfiles(rounds.profiles, store));
    await serveStored(chain, rounds.served);
    const view: HostView = {
      manifestBytes: run.manifestBytes,
      chain,
      swarm,
      rounds,
      seat: run.seat === null ? 'tab' : 'host',
      iceServers: options.iceServers ?? [],
      publicUrl: options.publicUrl ?? null,
      startedAt: Date.now(),
    };
    app = createApp({ view, files, log });
    followed.begin();
    if (run.seat === null) stops.push(watchValidator(view, log));

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
function keepProfiles(profiles: ProfileBook, store: Store): () => void {
  let written = profiles.changes;
  const save = () => {
    if (profiles.changes === written) return;
    written = profiles.changes;
    store.saveNote(PROFILES_NOTE, profiles.encode());
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

/** Says in the log when a validator's tab comes and goes; the returned function ends that. */
function watchValidator(view: HostView, log: (line: string) => void): () => void {
  let here = false;
  const timer = setInterval(() => {
    const now = validatorOf(view) === 'tab';
    if (now !== here)
      log(now ? 'a validator’s tab is here' : 'the validator’s tab is gone: rounds are not certified');
    here = now;
  }, VALIDATOR_MS);
  return () => clearInterval(timer);
}

/** A host without a seat: a tab certifies the rounds. */
function followRounds(
  chain: Chain,
  swarm: HostSwarm,
  log: (line: string) => void,
  onStop: (undo: () => unknown) => void,
): { readonly keeper: ChainKeeper; begin(): void } {
  const keeper = new ChainKeeper({ chain, swarm, log });
  onStop(() => keeper.stop());
  swarm.onMessage((message) => keeper.handle(message));
  return { keeper, begin: () => swarm.onHandover((sealed, from) => keeper.take(sealed, from)) };
}

/** Tabs that missed the last rounds fetch their submissions from us, also after a restart. */
async function serveStored(chain: Chain, served: ServedRounds): Promise<void> {
  const from = Math.max(1, chain.head.height - SERVED_ROUNDS + 1);
  for (const stored of chain.store.certificates(from, SERVED_ROUNDS))
    served.add(await chain.submissionsOf(stored));
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
