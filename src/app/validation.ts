/**
 * A validator in a browser tab: takes the seat with the organizer's key, follows the chain, judges and certifies rounds with
 * the same {@link Validator} as a host, and leaves everything when it is stopped.
 *
 * The key is read from what a person chose, kept in memory while the tab validates, and never stored or sent.
 */
import { createStore, type StoreApi } from 'zustand/vanilla';
import { CarryBook } from '../gauntlet/carries.ts';
import { RoundLosses } from '../gauntlet/round-losses.ts';
import { parameterLayout } from '../model/layout.ts';
import { toHex } from '../protocol/bytes.ts';
import { carryRoot, zeroCarry } from '../protocol/carry.ts';
import { messageOf } from '../protocol/errors.ts';
import { createIdentity, type Identity } from '../protocol/identity.ts';
import type { CertificateBody } from '../protocol/messages.ts';
import { pause } from '../swarm/pause.ts';
import { createTabSwarm, type TabSwarm } from '../swarm/tab-node.ts';
import { Auditor } from '../validator/auditor.ts';
import { certifiesAlone, hasSeat, seedOf, unassignedSecret } from '../validator/seat.ts';
import { decodeStandings, encodeStandings } from '../validator/standings-note.ts';
import { Validator } from '../validator/validator.ts';
import { openWorkerReplays, WorkerLossMeter } from '../worker/validator-client.ts';
import { BlobError, type BlobSources, fetchKept } from './blobs.ts';
import { RunClock } from './clock.ts';
import { runInfo } from './describe.ts';
import { OutOfSyncError } from './follower.ts';
import { type WakeScope, WakeLockKeeper } from './governor/sensors/wake-lock.ts';
import { HostClient, HostError } from './host-client.ts';
import { isFramed, ManifestError, VersionError } from './problems.ts';
import { fetchRun, type Run } from './run.ts';
import { openSeatMemory, type SeatMemory, type SeatNote } from './seat-record.ts';
import { SeatConflictError, TabChain } from './tab-chain.ts';
import { tryLock } from './tab-lock.ts';
import type {
  AuditChoice,
  ValidationActions,
  ValidationProblem,
  ValidationState,
} from './validation-state.ts';

export type ValidationStore = StoreApi<ValidationState>;

export interface Validation {
  readonly store: ValidationStore;
  readonly actions: ValidationActions;
}

const TICK_MS = 500;
const CLOCK_MS = 60_000;
const MAX_LINES = 200;
const MAX_CERTIFICATES = 20;
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 15_000;
/** Signs of life of this browser's own earlier visits may still be under way for so long. */
const ECHO_MS = 10_000;

const IDLE: Omit<ValidationState, 'run'> = {
  stage: 'idle',
  problem: null,
  waitingFor: null,
  key: '',
  machine: '',
  fallback: null,
  audits: { on: false, text: '' },
  host: 'connecting',
  round: 0,
  phase: 'train',
  phaseLeftMs: null,
  height: 0,
  root: '',
  contributors: 0,
  roundsLost: 0,
  entries: [],
  certificates: [],
  log: [],
  awake: 'off',
};

/** The seat cannot be taken or kept. */
class SeatError extends Error {
  readonly code: ValidationProblem;

  constructor(code: ValidationProblem, detail = '') {
    super(detail);
    this.code = code;
  }
}

export function createValidation(baseUrl: string): Validation {
  const session = new ValidationSession(baseUrl);
  return { store: session.store, actions: session };
}

class ValidationSession implements ValidationActions {
  readonly store: ValidationStore = createStore<ValidationState>(() => ({
    ...IDLE,
    run: null,
  }));
  readonly #host: HostClient;
  readonly #clock = new RunClock();
  readonly #wake: WakeLockKeeper;
  #abort: AbortController | null = null;
  /** Settles when what start() began has let go of everything. */
  #living: Promise<void> = Promise.resolve();

  constructor(baseUrl: string) {
    this.#host = new HostClient(baseUrl);
    // Every browser has these two, if perhaps no wakeLock: what WakeScope asks for.
    const scope: WakeScope = globalThis;
    this.#wake = new WakeLockKeeper(scope, () => this.store.setState({ awake: this.#wake.state }));
    void this.#introduce();
  }

  start(keyText: string, audits: AuditChoice): void {
    this.stop();
    const seed = seedOf(keyText);
    if (seed === null) return this.#fail('no-key', '');
    if (isFramed()) return this.#fail('framed', '');
    if (!globalThis.isSecureContext) return this.#fail('insecure', '');
    const abort = new AbortController();
    this.#abort = abort;
    this.store.setState({ ...IDLE, stage: 'starting', waitingFor: null });
    this.#living = this.#living.then(() => this.#live(seed, audits, abort));
  }

  stop(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.store.setState({ stage: 'idle', problem: null, waitingFor: null, entries: [] });
  }

  /** What the page can say before anybody chose a key. */
  async #introduce(): Promise<void> {
    try {
      const { manifest, runId } = await fetchRun(this.#host);
      this.store.setState({ run: runInfo(manifest, runId) });
      const { validator } = await this.#host.head();
      if (validator === 'host' && this.store.getState().stage === 'idle') this.#fail('host-validates', '');
    } catch {
      // Said again, with words, when somebody starts.
    }
  }

  async #live(seed: Uint8Array, audits: AuditChoice, abort: AbortController): Promise<void> {
    const undo: (() => unknown)[] = [];
    try {
      await this.#validate(seed, audits, abort, (one) => undo.push(one));
    } catch (error) {
      if (!abort.signal.aborted || abort.signal.reason instanceof SeatError)
        this.#failWith(abort.signal.reason instanceof SeatError ? abort.signal.reason : error);
    } finally {
      abort.abort();
      this.#wake.set(false);
      // Newest first: what was started last depends on what was there before.
      for (const one of undo.reverse()) {
        try {
          await one();
        } catch (error) {
          this.#log(`while stopping: ${messageOf(error)}`);
        }
      }
    }
  }

  async #validate(
    seed: Uint8Array,
    audits: AuditChoice,
    abort: AbortController,
    onStop: (undo: () => unknown) => void,
  ): Promise<void> {
    const { signal } = abort;
    const run = await this.#retrying(signal, () => fetchRun(this.#host));
    const { manifest, runId } = run;
    const identity = await createIdentity(seed);
    const key = toHex(identity.publicKey);
    this.store.setState({ run: runInfo(manifest, runId), key });
    if (!hasSeat(manifest, identity.publicKey)) throw new SeatError('no-seat');
    if (!certifiesAlone(manifest, identity.publicKey)) throw new SeatError('no-quorum');
    const { validator: place } = await this.#retrying(signal, () => this.#host.head(signal));
    if (place === 'host') throw new SeatError('host-validates');

    const release = await tryLock(`tabswarm-validator-${toHex(runId)}-${key}`);
    if (release === null) throw new SeatError('other-tab');
    onStop(release);
    const memory = await openMemory(toHex(runId), key);
    onStop(() => memory.close());
    const earlier = await this.#mustBeAlone(key, memory, signal);
    await this.#retrying(signal, () => this.#clock.measure(this.#host));
    this.#wake.set(true);

    const swarm = await createTabSwarm({
      relays: run.answer.relays,
      topic: toHex(runId),
      iceServers: run.answer.iceServers,
    });
    onStop(() => swarm.stop());
    await memory.saveNote('peer', new TextEncoder().encode(swarm.peerId));
    const sources: BlobSources = {
      host: this.#host,
      swarm,
      onCorrupt: (source, hash) =>
        this.#log(`bytes from the ${source} were damaged (${hash.slice(0, 12)}); they are fetched again`),
    };
    const chain = await this.#retrying(signal, () =>
      TabChain.open({
        manifest,
        runId,
        sources,
        swarm,
        memory,
        handOver: (sealed, until) => swarm.handOver(sealed, until),
        signal,
        onHead: (body) => this.#certified(body),
        onWaiting: (why) =>
          this.store.setState({
            waitingFor: why === null ? null : `The host has not stored the last certificate yet: ${why}.`,
          }),
        onConflict: (conflict) => abort.abort(new SeatError(conflict.conflict, conflict.message)),
        log: (line) => this.#log(line),
      }),
    );

    let tick = (): void => {};
    const meter = new WorkerLossMeter(manifest, 'auto', { ms: TICK_MS, callback: () => tick() });
    onStop(() => meter.close());
    const opened = await meter.opened();
    this.store.setState({ machine: opened.name, fallback: opened.fallback });
    this.#log(`losses are measured on ${opened.name}`);
    const losses = new RoundLosses({
      manifest,
      runId,
      meter,
      secret: unassignedSecret(seed),
      readBlob: (ref) => fetchKept(ref, sources, signal),
    });
    const audited = (manifest.gauntlet.auditsPerRound ?? 0) > 0;
    const validator = new Validator({
      chain,
      swarm,
      identity,
      losses,
      machine: () => opened.name,
      now: () => this.#clock.now(),
      log: (line) => this.#log(line),
      ...(await notesOf(memory, audited ? parameterLayout(manifest.model).elements : null, (line) =>
        this.#log(line),
      )),
    });
    onStop(() => validator.stop());
    // At once: a certificate that is just being handed over may still be stored, so nothing may be said against its round.
    signal.addEventListener('abort', () => void validator.stop(), { once: true });
    swarm.onMessage((message, from) => validator.handle(message, from));
    // A failure is in the log, and the first measurement tries again.
    validator.prepare().catch(() => {});
    if (audited) {
      const auditor = this.#openAuditor({ run, chain, swarm, identity, losses }, audits, signal);
      onStop(async () => (await auditor)?.stop());
      void auditor.then((one) => validator.setAuditor(one));
    } else this.store.setState({ audits: { on: false, text: 'the run was made without audits' } });
    validator.start();
    const since = Date.now();
    tick = () => {
      if (signal.aborted) return;
      // Timers of a hidden tab are late; the worker's are not.
      validator.advance();
      this.#show(validator, swarm, run);
      if (Date.now() - since > ECHO_MS && isOvertaken(validator, key, [swarm.peerId, earlier]))
        abort.abort(new SeatError('elsewhere'));
    };
    const timer = setInterval(() => tick(), 2 * TICK_MS);
    onStop(() => clearInterval(timer));
    const clockTimer = setInterval(() => void this.#clock.measure(this.#host, 1).catch(() => {}), CLOCK_MS);
    onStop(() => clearInterval(clockTimer));
    this.store.setState({ stage: 'running', waitingFor: null });
    tick();
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    signal.throwIfAborted();
  }

  /** Nobody with this key validates now, unless it was this browser a moment ago. Its peer id of then. */
  async #mustBeAlone(key: string, memory: SeatMemory, signal: AbortSignal): Promise<string> {
    const last = new TextDecoder().decode((await memory.note('peer')) ?? new Uint8Array());
    const others = await this.#retrying(signal, () => this.#host.validators(signal));
    if (others.some((other) => other.key === key && other.peer !== last)) throw new SeatError('elsewhere');
    return last;
  }

  async #openAuditor(
    parts: {
      readonly run: Run;
      readonly chain: TabChain;
      readonly swarm: TabSwarm;
      readonly identity: Identity;
      readonly losses: RoundLosses;
    },
    audits: AuditChoice,
    signal: AbortSignal,
  ): Promise<Auditor | null> {
    const { run, chain, swarm, identity, losses } = parts;
    const off = (why: string): null => {
      this.store.setState({ audits: { on: false, text: why } });
      this.#log(`audits are off: ${why}. Submissions are judged without replays.`);
      return null;
    };
    if (audits === 'off') return off('this tab was started without them');
    const opened = await openWorkerReplays(run.manifest, audits === 'software');
    if (signal.aborted) {
      if ('replays' in opened) await opened.replays.close();
      return null;
    }
    if ('why' in opened) return off(opened.why);
    this.store.setState({ audits: { on: true, text: opened.adapter } });
    this.#log(`audits: ${run.manifest.gauntlet.auditsPerRound} a round, replayed on ${opened.adapter}`);
    return new Auditor({
      chain,
      swarm,
      identity,
      replays: opened.replays,
      shard: (index) => losses.shard(index),
      now: () => this.#clock.now(),
      log: (line) => this.#log(line),
    });
  }

  #show(validator: Validator, swarm: TabSwarm, { manifest }: Run): void {
    const { round, phase, endsAt } = this.#clock.phase(manifest.schedule);
    this.store.setState({
      host: swarm.hostState,
      round: Math.max(0, round),
      phase,
      phaseLeftMs: Math.max(0, endsAt - this.#clock.now()),
      contributors: validator.presences().filter((p) => p.role === 'contributor').length,
      roundsLost: validator.roundsLost,
      entries: validator.entries().map(({ contributor, state, refusal }) => ({
        contributor: toHex(contributor),
        state,
        reason: refusal?.reason ?? null,
        detail: refusal?.detail ?? '',
      })),
    });
  }

  #certified(body: CertificateBody): void {
    const row = {
      height: body.height,
      round: body.round,
      accepted: body.accepted.length,
      refused: body.refused.length,
      joined: body.joined.length,
      heldOutLoss: body.heldOutLoss,
      root: toHex(body.root),
      audits: body.audits.map(({ contributor, round, outcome }) => ({
        contributor: toHex(contributor),
        round,
        passed: outcome === 'passed',
      })),
    };
    this.store.setState(({ certificates }) => ({
      height: body.height,
      root: row.root,
      certificates: [row, ...certificates.filter(({ height }) => height < body.height)].slice(
        0,
        MAX_CERTIFICATES,
      ),
    }));
  }

  #log(line: string): void {
    this.store.setState(({ log }) => ({ log: [...log.slice(1 - MAX_LINES), { at: Date.now(), line }] }));
  }

  /** Again and again while the host is away. */
  async #retrying<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    let wait = RETRY_MIN_MS;
    for (;;) {
      try {
        const result = await work();
        this.store.setState({ waitingFor: null });
        return result;
      } catch (error) {
        signal.throwIfAborted();
        const passes =
          (error instanceof HostError && error.retry) ||
          error instanceof BlobError ||
          error instanceof OutOfSyncError;
        if (!passes) throw error;
        this.store.setState({ waitingFor: messageOf(error) });
      }
      await pause(wait, signal);
      signal.throwIfAborted();
      wait = Math.min(RETRY_MAX_MS, 2 * wait);
    }
  }

  #failWith(error: unknown): void {
    if (error instanceof SeatError) this.#fail(error.code, error.message);
    else if (error instanceof SeatConflictError) this.#fail(error.conflict, error.message);
    else if (error instanceof HostError) this.#fail('host-unreachable', error.message);
    else if (error instanceof ManifestError || error instanceof VersionError)
      this.#fail('bad-run', error.message);
    else this.#fail('internal', messageOf(error));
  }

  #fail(code: ValidationProblem, detail: string): void {
    this.store.setState({ stage: 'failed', problem: { code, detail }, waitingFor: null, entries: [] });
  }
}

async function openMemory(run: string, key: string): Promise<SeatMemory> {
  try {
    return await openSeatMemory(run, key);
  } catch (error) {
    throw new SeatError('no-storage', messageOf(error));
  }
}

/** What a validator keeps between visits. `elements`: of the model, in runs with audits. */
async function notesOf(memory: SeatMemory, elements: number | null, log: (line: string) => void) {
  const save = (name: SeatNote, value: Uint8Array): void =>
    void memory
      .saveNote(name, value)
      .catch((error: unknown) => log(`${name} could not be kept: ${messageOf(error)}`));
  const carries =
    elements === null
      ? null
      : new CarryBook(carryRoot(await zeroCarry(elements)), await memory.note('carries'));
  return {
    standings: decodeStandings(await memory.note('standings')),
    onStandings: (standings: Parameters<typeof encodeStandings>[0]) =>
      save('standings', encodeStandings(standings)),
    carries,
    onCarries: (book: CarryBook) => save('carries', book.encode()),
  };
}

/**
 * Whether another tab validates with this key and goes first: of two, the one with the smaller peer id stays. `own`: this
 * visit's peer id, and those that this browser had before, whose signs of life somebody may send again.
 */
const isOvertaken = (validator: Validator, key: string, own: readonly [string, ...string[]]): boolean =>
  validator.presences().some((p) => p.contributor === key && !own.includes(p.peer) && p.peer < own[0]);
