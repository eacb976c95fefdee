/** Starts and stops a whole host: run, chain, HTTP(S), relay, and a validator or who follows one in a tab. */
import { messageOf } from '../protocol/errors.ts';
import { createServer as createHttp, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type Preset, type PresetName, preset as namedPreset, scheduleFor } from '../model/presets.ts';
import type { ProfileBook } from '../protocol/profile-book.ts';
import type { IceServer } from '../protocol/ice.ts';
import type { SteadyClock } from '../protocol/steady-clock.ts';
import { type Clock, every } from '../protocol/timer.ts';
import { TrustedProxies } from '../swarm/address-share.ts';
import { createHostSwarm, type HostSwarm } from '../swarm/host-node.ts';
import { requestListener } from './answering.ts';
import type { OwnAddress } from './asked-address.ts';
import { HostChain } from './chain.ts';
import { ChainKeeper } from './chain-keeper.ts';
import { diskCause } from './disk.ts';
import { watchDisk } from './disk-watch.ts';
import {
  areFew,
  CHECKING_INTERVAL,
  doorLimits,
  HEADERS_TIMEOUT,
  KEEP_ALIVE_TIMEOUT,
  MAX_REQUESTS_PER_SOCKET,
  openFileLimit,
  REQUEST_TIMEOUT,
} from './door-limits.ts';
import { Doorman } from './doorman.ts';
import type { HostReport } from './events.ts';
import { fault } from './faults.ts';
import type { LossMeter } from '../gauntlet/loss-meter.ts';
import { openHostSeat } from './host-seat.ts';
import type { EvaluatorName } from './losses.ts';
import { type NewRun, type OpenedRun, openRun } from './open-run.ts';
import { localName, otherAddresses } from './reach.ts';
import { createApp } from './server.ts';
import { problemOfRun } from './settings.ts';
import { StaticFiles } from './static-files.ts';
import {
  bootId,
  type ClockChoice,
  decodeTimeNote,
  encodeTimeNote,
  runClock,
  startTime,
  timeNote,
  uptimeMs,
} from './run-time.ts';
import type { Store } from './store.ts';
import { SERVED_ROUNDS, type ServedRounds } from '../validator/served-rounds.ts';
import type { SeatKey } from '../validator/open-seat.ts';
import { type HostView, type RoundsView, type SeatPlace, validatorOf } from './view.ts';
import { vouchForMembers } from './vouch.ts';

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
  /** Addresses and CIDR blocks of proxies whose `X-Forwarded-*` headers are believed. Default: loopback. */
  readonly trustedProxies?: readonly string[] | undefined;
  readonly iceServers?: readonly IceServer[];
  /** Default `1m`. */
  readonly preset?: PresetName | Preset;
  /** Replaces sizes of the preset's model. */
  readonly model?: Partial<Preset['model']> | undefined;
  /** Length of a round; the phases keep the preset's shares of it. */
  readonly roundMs?: number | undefined;
  /** What the organizer says of the time (run-time.ts). Default: nothing. */
  readonly clock?: ClockChoice | undefined;
  readonly report?: HostReport;
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
  readonly opened: OpenedRun;
  readonly view: HostView;
  stop(): Promise<void>;
}

const DEFAULT_APP = join(import.meta.dirname, '../../dist/app');
export const DEFAULT_PORT = 8780;
const PROFILES_NOTE = 'profiles';
const PROFILES_MS = 60_000;
const TIME_NOTE = 'time';
const TIME_MS = 60_000;
/** How often a host without a seat looks whether a tab still validates. */
const VALIDATOR_MS = 5000;

/** Starts a host. Throws HostFault when it cannot. */
export async function startHost(options: HostOptions): Promise<RunningHost> {
  const report = options.report ?? (() => {});
  const files = options.appDir === null ? null : new StaticFiles(options.appDir ?? DEFAULT_APP);
  const own: OwnAddress = {
    publicUrl: options.publicUrl === undefined ? null : new URL(`${options.publicUrl.replace(/\/$/, '')}/`),
    tls: options.tls !== undefined,
    trusted: new TrustedProxies(options.trustedProxies),
  };
  const wanted = newRun(options);
  const problem = problemOfRun(wanted);
  if (problem !== null) throw fault('settings-invalid', problem);
  const server = createServer(options);
  const stops: (() => unknown)[] = [];
  const stop = async (): Promise<void> => {
    // Newest first: what was started last depends on what was there before.
    for (const undo of stops.splice(0).reverse()) {
      try {
        await undo();
      } catch (error) {
        report({ is: 'stop-failed', error: messageOf(error) });
      }
    }
  };
  try {
    let app: ReturnType<typeof createApp> | null = null;
    const descriptors = openFileLimit();
    const limits = doorLimits(descriptors);
    if (areFew(descriptors)) report({ is: 'few-descriptors', descriptors, sockets: limits.sockets });
    const handle = requestListener(() => app);
    const door = new Doorman({ server, own, limits, handle, report });
    stops.push(() => door.stop());
    // The port first: finding it taken after minutes of preparation would be unkind.
    const port = await listen(server, options);
    stops.push(() => closeServer(server));

    const opened = await openRun(options.dataDir, wanted, options.validator ?? 'host');
    const { run, store, key } = opened;
    stops.push(() => store.close());
    const chain = await HostChain.open(run, store, {
      conflict: (detail) => report({ is: 'conflict', detail }),
    });
    const clock = runTime(opened, chain, options.clock ?? null, report);
    let jumpedMs = 0;
    stops.push(
      clock.onJump((byMs) => {
        jumpedMs += byMs;
        report({ is: 'clock-jumped', byMs });
      }),
    );
    stops.push(keepTimeNote(clock, store, report));
    const disk = watchDisk(
      store.dir,
      () => roundBytes(chain),
      clock,
      (state) => report({ is: 'disk', state }),
    );
    stops.push(disk.stop);
    const swarm = await createHostSwarm({
      privateKeySeed: opened.nodeSeed,
      topic: run.name,
      server: door,
      trusted: own.trusted,
    });
    stops.push(() => swarm.stop());
    const onStop = (undo: () => unknown): void => void stops.push(undo);
    const followed =
      key === null
        ? followRounds(chain, swarm, clock, report, onStop)
        : await judgeRounds(chain, swarm, clock, report, onStop, key, options);
    const { rounds, served } = followed;
    await rounds.profiles.load(store.note(PROFILES_NOTE));
    stops.push(keepProfiles(rounds.profiles, store, clock, report));
    // Tabs that missed the last rounds fetch their work from us, also after a restart.
    for (const work of await chain.recentWork(SERVED_ROUNDS)) served.add(work);
    const view: HostView = {
      chain,
      clock,
      swarm,
      rounds,
      seat: key === null ? 'tab' : 'host',
      iceServers: options.iceServers ?? [],
      startedAt: clock.now(),
      jumpedMs: () => jumpedMs,
      disk: () => disk.watch.state,
    };
    app = createApp({ view, files, own, report, door });
    stops.push(vouchForMembers(view));
    followed.begin();
    if (key === null) stops.push(watchValidator(view, report));

    const scheme = options.tls === undefined ? 'http' : 'https';
    const address = options.listen ?? '127.0.0.1';
    return {
      url: `${scheme}://${localName(address)}:${port}/`,
      port,
      otherUrls: otherAddresses(address, networkInterfaces()).map((other) => `${scheme}://${other}:${port}/`),
      opened,
      view,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The run's time: from what was written down of it, this machine's uptime and its shown time. Throws HostFault. */
function runTime(
  { created, run, store }: OpenedRun,
  chain: HostChain,
  choice: ClockChoice | null,
  report: HostReport,
): SteadyClock {
  const { rounds, manifest } = run;
  const { round } = chain.head;
  const wall = Date.now();
  const { aheadMs, setByMs, unsureMs } = created
    ? { aheadMs: 0, setByMs: 0, unsureMs: null }
    : startTime({
        note: decodeTimeNote(store.note(TIME_NOTE)),
        wall,
        boot: bootId(),
        uptime: uptimeMs(),
        beginsAt: manifest.schedule.startMs,
        last: round < 0 ? null : { at: rounds.start(round), next: rounds.start(round + 1) },
        choice,
      });
  if (unsureMs !== null) throw fault('clock-unsure', { wall, beyondMs: unsureMs });
  const clock = runClock(aheadMs);
  const now = clock.now();
  if (setByMs !== 0) report({ is: 'clock-set', byMs: setByMs });
  const ahead = round - rounds.round(now);
  if (ahead > 0) report({ is: 'starts-behind-chain', rounds: ahead, inMs: rounds.start(round + 1) - now });
  const { startMs } = manifest.schedule;
  if (!rounds.begun(now)) report({ is: 'not-begun', beginsAt: startMs, inMs: startMs - now });
  return clock;
}

/** Writes the run's time down now and then; the returned function does so once more. */
function keepTimeNote(clock: SteadyClock, store: Store, report: HostReport): () => void {
  const save = (): void => void keepNote(store, TIME_NOTE, () => encodeTimeNote(timeNote(clock)), report);
  save();
  const cancel = every(clock, TIME_MS, save);
  return () => {
    cancel();
    save();
  };
}

/** Whether a note could be written; a failure is reported. */
function keepNote(store: Store, name: string, encode: () => Uint8Array, report: HostReport): boolean {
  try {
    store.saveNote(name, encode());
    return true;
  } catch (error) {
    report({ is: 'note-not-written', what: name, cause: diskCause(error) });
    return false;
  }
}

/** Bytes that a round writes: a checkpoint and the work that it accepts, about what the last one took. */
function roundBytes(chain: HostChain): number {
  const work = chain.last === null ? [] : chain.workOf(chain.last.certificate);
  return work.reduce((sum, { size }) => sum + size, 2 * chain.checkpoint.size);
}

/** Writes the profiles down now and then when they changed; the returned function does so once more. */
function keepProfiles(profiles: ProfileBook, store: Store, clock: Clock, report: HostReport): () => void {
  let written = profiles.changes;
  const save = () => {
    if (profiles.changes === written) return;
    const { changes } = profiles;
    // A disk that is full ends no host: it is written down later.
    if (keepNote(store, PROFILES_NOTE, () => profiles.encode(), report)) written = changes;
  };
  const cancel = every(clock, PROFILES_MS, save);
  return () => {
    cancel();
    save();
  };
}

/** What a new run would be made of. */
export function newRun(options: HostOptions): NewRun {
  const base = typeof options.preset === 'object' ? options.preset : namedPreset(options.preset ?? '1m');
  const model = { ...base.model, ...options.model };
  const { roundMs, audits } = options;
  const gauntlet = audits === undefined ? base.gauntlet : { ...base.gauntlet, auditsPerRound: audits };
  if (roundMs === undefined) return { ...options, preset: { ...base, model, gauntlet } };
  return { ...options, preset: { ...base, model, gauntlet, schedule: scheduleFor(roundMs) } };
}

function createServer(options: HostOptions): Server {
  const limits = {
    headersTimeout: HEADERS_TIMEOUT,
    requestTimeout: REQUEST_TIMEOUT,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    connectionsCheckingInterval: CHECKING_INTERVAL,
    maxHeaderSize: 16_384,
  };
  let server: Server;
  if (options.tls === undefined) server = createHttp(limits);
  else {
    try {
      server = createHttps({ ...limits, handshakeTimeout: HEADERS_TIMEOUT, ...options.tls });
    } catch (cause) {
      throw fault('tls-unusable', { error: messageOf(cause) }, cause);
    }
  }
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_SOCKET;
  return server;
}

function listen(server: Server, options: HostOptions): Promise<number> {
  const port = options.port ?? DEFAULT_PORT;
  const address = options.listen ?? '127.0.0.1';
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const { code = '', message } = error;
      reject(fault('cannot-listen', { code, address, port, error: message }, error));
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

/** Reports when a validator's tab comes and goes; the returned function ends that. */
function watchValidator(view: HostView, report: HostReport): () => void {
  let here = false;
  return every(view.clock, VALIDATOR_MS, () => {
    const now = validatorOf(view) === 'tab';
    if (now !== here) report({ is: 'validator-tab', here: now });
    here = now;
  });
}

/** Who follows the rounds here, and what begins once everything else is ready. */
interface Rounds {
  readonly rounds: RoundsView;
  readonly served: ServedRounds;
  begin(): void;
}

/** A host with a seat: it certifies the rounds. */
async function judgeRounds(
  chain: HostChain,
  swarm: HostSwarm,
  clock: Clock,
  report: HostReport,
  onStop: (undo: () => unknown) => void,
  key: SeatKey,
  { audits, evaluator, lossMeter }: HostOptions,
): Promise<Rounds> {
  const parts = { chain, swarm, key, clock, report, onStop, audits, evaluator, lossMeter };
  const seat = await openHostSeat(parts);
  const begin = () => {
    seat.start();
    swarm.onHandover(async () => ({ stored: false, retry: false, code: 'has-seat' }));
  };
  return { rounds: seat.validator, served: seat.validator.served, begin };
}

/** A host without a seat: a tab certifies the rounds. */
function followRounds(
  chain: HostChain,
  swarm: HostSwarm,
  clock: Clock,
  report: HostReport,
  onStop: (undo: () => unknown) => void,
): Rounds {
  const keeper = new ChainKeeper({ chain, swarm, clock, report });
  onStop(() => keeper.stop());
  swarm.onMessage((message, from) => keeper.handle(message, from));
  const begin = () => swarm.onHandover((link, from) => keeper.take(link, from));
  return { rounds: keeper, served: keeper.served, begin };
}
