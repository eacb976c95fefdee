/**
 * The role of a validator: takes a seat with its key, follows the chain, judges and certifies rounds with the same classes as a
 * host, and leaves everything when it is stopped. The host keeps the chain (handed-chain.ts).
 *
 * The key is given by its holder, kept in memory while the seat is held, and never stored or sent.
 */
import type { ValidatorEvent } from '../gauntlet/events.ts';
import type { LossMeter } from '../gauntlet/loss-meter.ts';
import type { Replays } from '../measure/replays.ts';
import { toHex } from '../protocol/bytes.ts';
import { messageOf } from '../protocol/errors.ts';
import { createIdentity } from '../protocol/identity.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { every } from '../protocol/timer.ts';
import type { HandoverCode } from '../swarm/handover.ts';
import { openSeat } from '../validator/open-seat.ts';
import { certifiesAlone, hasSeat, unassignedSecret } from '../validator/seat.ts';
import type { Validator } from '../validator/validator.ts';
import { fetchKept } from './blobs.ts';
import { HandedChain, type HandedEvent, SeatConflictError } from './handed-chain.ts';
import type { Host } from './host.ts';
import type { Participant, Stay } from './participant.ts';
import { type SeatMemory, SeatMemoryError } from './seat-memory.ts';

/** Replaying contributors' work: where there is a real graphics card, on a CPU driver too, or not at all. */
export type AuditChoice = 'hardware' | 'software' | 'off';

/** Why losses are not measured by WebGPU. */
export type MeterFallback =
  | { readonly why: 'software-gpu'; readonly adapter: string }
  | { readonly why: 'no-gpu'; readonly error: string };

/** Why nothing is replayed here. */
export type NoReplays =
  | { readonly why: 'not-wanted' | 'run-without-audits' }
  | { readonly why: 'software-gpu'; readonly adapter: string }
  | { readonly why: 'no-gpu'; readonly error: string };

export interface OpenedSeatMeter {
  readonly meter: LossMeter;
  readonly name: string;
  readonly fallback: MeterFallback | null;
}

/** What a seat needs of the machine it is on. */
export interface SeatPlatform {
  /** Milliseconds of a clock that nobody sets and that counts a sleep. Default: this machine's; a simulation gives its own. */
  readonly real?: () => number;
  /** What only one of this machine may hold at a time; null when another has it. */
  lock(name: string): Promise<(() => void) | null>;
  /** Memory of one seat: a run and a validator's key, both in hex. */
  openMemory(run: string, key: string): Promise<SeatMemory>;
  /** `tick` is called about every so many ms, also where this machine's timers are throttled. */
  openMeter(manifest: Manifest, tick: () => void): Promise<OpenedSeatMeter>;
  openReplays(
    manifest: Manifest,
    software: boolean,
  ): Promise<{ readonly replays: Replays; readonly adapter: string } | NoReplays>;
}

/** The seat cannot be taken or kept. */
export type SeatProblem =
  | 'no-seat'
  | 'no-quorum'
  | 'host-validates'
  | 'other-tab'
  | 'elsewhere'
  | 'no-storage';

export class SeatError extends Error {
  static override readonly name = 'SeatError';
  override readonly name = 'SeatError';
  readonly code: SeatProblem;

  constructor(code: SeatProblem, detail = '') {
    super(detail === '' ? code : detail);
    this.code = code;
  }
}

/** What a seat has to tell its log. */
export type SeatEvent =
  | ValidatorEvent
  | HandedEvent
  | { readonly is: 'meter'; readonly name: string }
  | { readonly is: 'audits-on'; readonly adapter: string; readonly aRound: number }
  | { readonly is: 'audits-off'; readonly off: NoReplays }
  | { readonly is: 'stop-failed'; readonly error: string };

export interface ValidateHooks {
  readonly report: (event: SeatEvent) => void;
  /** The seat is held. What is returned is called when it is left. */
  readonly seated: (stay: Stay, validator: Validator) => () => void;
  readonly meter: (opened: Omit<OpenedSeatMeter, 'meter'>) => void;
  readonly audits: (audits: { readonly adapter: string } | NoReplays) => void;
  /** Why the host has not stored the last certificate yet; null: it has. */
  readonly waiting: (why: HandoverCode | null) => void;
  /** Called often, also where timers are throttled, with everything that may have changed. */
  readonly look: (stay: Stay, validator: Validator) => void;
}

export interface ValidateOptions {
  readonly seed: Uint8Array;
  readonly audits: AuditChoice;
  readonly host: Host;
  readonly seat: SeatPlatform;
  readonly hooks: ValidateHooks;
}

const TICK_MS = 1000;
/** Signs of life of this machine's own earlier visits may still be under way for so long. */
const ECHO_MS = 10_000;

/** Why a seat was left, when it was not by hand. */
export function endOf(signal: AbortSignal): Error | null {
  const { reason } = signal as { reason: unknown };
  return reason instanceof Error && reason.name !== 'AbortError' ? reason : null;
}

/** Holds the seat until `abort` aborts. Rejects with {@link SeatError}, SeatConflictError, and what waiting does not mend. */
export async function validate(
  participant: Participant,
  { seed, audits, host, seat, hooks }: ValidateOptions,
  abort: AbortController,
): Promise<void> {
  const { signal } = abort;
  const { report } = hooks;
  const undo: (() => unknown)[] = [];
  const stopAll = async (): Promise<void> => {
    // Newest first: what was started last depends on what was there before.
    for (const one of undo.splice(0).reverse()) {
      try {
        await one();
      } catch (error) {
        report({ is: 'stop-failed', error: messageOf(error) });
      }
    }
  };
  const { run } = await participant.describe(signal);
  const identity = await createIdentity(seed);
  const key = toHex(identity.publicKey);
  if (!hasSeat(run.manifest, identity.publicKey)) throw new SeatError('no-seat');
  if (!certifiesAlone(run.manifest, identity.publicKey)) throw new SeatError('no-quorum');
  const { validator: place } = await participant.retrying(signal, () => host.head(signal));
  if (place === 'host') throw new SeatError('host-validates');
  try {
    const release = await seat
      .lock(`tabswarm-validator-${run.name}-${key}`)
      // Where locks are forbidden, so is everything else that a seat must remember.
      .catch((error: unknown) => {
        throw new SeatError('no-storage', messageOf(error));
      });
    if (release === null) throw new SeatError('other-tab');
    undo.push(release);
    const memory = await seat.openMemory(run.name, key).catch((error: unknown) => {
      throw new SeatError('no-storage', messageOf(error));
    });
    undo.push(() => memory.close());
    const earlier = await mustBeAlone(participant, host, key, memory, signal);
    const claimed = { identity, notKept: null, release: () => {} };
    await participant.stay(
      { identity: async () => claimed, self: null },
      async (stay, staying) => {
        staying.addEventListener('abort', () => abort.abort(staying.reason), { once: true });
        try {
          await live(stay, { memory, earlier, key });
        } finally {
          await stopAll();
        }
      },
      signal,
    );
  } finally {
    await stopAll();
  }

  async function live(
    stay: Stay,
    { memory, earlier, key: own }: { memory: SeatMemory; earlier: string; key: string },
  ): Promise<void> {
    const { swarm, clock, sources } = stay;
    await memory.saveNote('peer', new TextEncoder().encode(swarm.peerId));
    const chain = await participant.retrying(
      signal,
      () =>
        HandedChain.open({
          stay,
          memory,
          signal,
          onWaiting: hooks.waiting,
          onConflict: (conflict) => abort.abort(conflict),
          report,
        }).catch((error: unknown) => {
          throw error instanceof SeatMemoryError
            ? new SeatError('no-storage', 'records cannot be read')
            : error;
        }),
      // Waiting does not mend a chain that is not what this seat signed.
      (error) => error instanceof SeatError || error instanceof SeatConflictError,
    );
    let tick = (): void => {};
    const { meter, name, fallback } = await seat.openMeter(run.manifest, () => tick());
    undo.push(() => meter.close());
    hooks.meter({ name, fallback });
    report({ is: 'meter', name });
    if (!run.rules.audited) hooks.audits({ why: 'run-without-audits' });
    const opened = await openSeat({
      chain,
      swarm,
      key: { identity, secret: unassignedSecret(seed) },
      clock,
      ...(seat.real === undefined ? {} : { real: seat.real }),
      report,
      meter,
      machine: () => name,
      readBlob: (ref) => fetchKept(ref, sources, signal),
      notes: {
        note: (which) => memory.note(which),
        saveNote: (which, bytes) =>
          void memory
            .saveNote(which, bytes)
            .catch((error: unknown) => report({ is: 'memory-failed', what: which, error: messageOf(error) })),
      },
      replays: (leaving) => replays(leaving),
    });
    const { validator } = opened;
    undo.push(() => opened.stop());
    // At once: a certificate that is just being handed over may still be stored, so nothing may be said against its round.
    signal.addEventListener('abort', () => void validator.stop(), { once: true });
    swarm.onMessage((message, from) => validator.handle(message, from));
    opened.start();
    undo.push(hooks.seated(stay, validator));
    const since = clock.now();
    tick = () => {
      if (signal.aborted) return;
      // Timers of a hidden tab are late; the meter's are not.
      validator.advance();
      hooks.look(stay, validator);
      if (clock.now() - since > ECHO_MS && isOvertaken(validator, own, [swarm.peerId, earlier]))
        abort.abort(new SeatError('elsewhere'));
    };
    undo.push(every(clock, TICK_MS, () => tick()));
    tick();
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    const reason = endOf(signal);
    if (reason !== null) throw reason;
  }

  async function replays(leaving: AbortSignal): Promise<Replays | null> {
    const off = (why: NoReplays): null => {
      hooks.audits(why);
      report({ is: 'audits-off', off: why });
      return null;
    };
    if (audits === 'off') return off({ why: 'not-wanted' });
    const opened = await seat.openReplays(run.manifest, audits === 'software');
    if (!('replays' in opened)) return leaving.aborted ? null : off(opened);
    if (leaving.aborted) {
      await opened.replays.close();
      return null;
    }
    hooks.audits({ adapter: opened.adapter });
    report({ is: 'audits-on', adapter: opened.adapter, aRound: run.rules.auditsPerRound });
    return opened.replays;
  }
}

/** Nobody with this key validates now, unless it was this machine a moment ago. Its peer id of then. */
async function mustBeAlone(
  participant: Participant,
  host: Host,
  key: string,
  memory: SeatMemory,
  signal: AbortSignal,
): Promise<string> {
  const last = new TextDecoder().decode((await memory.note('peer')) ?? new Uint8Array());
  const others = await participant.retrying(signal, () => host.validators(signal));
  if (others.some((other) => other.key === key && other.peer !== last)) throw new SeatError('elsewhere');
  return last;
}

/**
 * Whether another seat with this key goes first: of two, the one with the smaller peer id stays. `own`: this visit's peer id, and
 * those that this machine had before, whose signs of life somebody may send again.
 */
const isOvertaken = (validator: Validator, key: string, own: readonly [string, ...string[]]): boolean =>
  validator.presences().some((p) => p.contributor === key && !own.includes(p.peer) && p.peer < own[0]);
