/** A validator's tab as its page sees it: a {@link Participant} in the role of a validator, and the store that shows it. */
import { createStore, type StoreApi } from 'zustand/vanilla';
import { heldOutLossOf } from '../chain/opinions.ts';
import { opinionsOn } from '../chain/links.ts';
import type { Link } from '../chain/follower.ts';
import type { Run } from '../chain/run.ts';
import type { Host } from '../peer/host.ts';
import { SeatConflictError } from '../peer/handed-chain.ts';
import { Participant, type Stay } from '../peer/participant.ts';
import type { Platform } from '../peer/platform.ts';
import type { Trouble, TroubleCode } from '../peer/reasons.ts';
import { toTrouble } from '../peer/trouble.ts';
import {
  type AuditChoice,
  endOf,
  SeatError,
  type SeatEvent,
  type SeatPlatform,
  validate,
} from '../peer/validating.ts';
import { toHex } from '../protocol/bytes.ts';
import { createIdentity } from '../protocol/identity.ts';
import { seedOf } from '../validator/seat.ts';
import type { Validator } from '../validator/validator.ts';
import { runInfo } from './describe.ts';
import { type WakeScope, WakeLockKeeper } from './governor/sensors/wake-lock.ts';
import { isFramed } from './problems.ts';
import {
  IDLE_VALIDATION,
  type ValidationActions,
  type ValidationProblem,
  type ValidationState,
} from './validation-state.ts';

export type ValidationStore = StoreApi<ValidationState>;

export interface Validation {
  readonly store: ValidationStore;
  readonly actions: ValidationActions;
}

export interface ValidationParts {
  readonly platform: Platform;
  readonly seat: SeatPlatform;
  readonly host: Host;
  readonly wake: WakeScope;
}

const MAX_LINES = 200;
const MAX_CERTIFICATES = 20;

export function createValidation(parts: ValidationParts): Validation {
  const session = new ValidationSession(parts);
  return { store: session.store, actions: session };
}

class ValidationSession implements ValidationActions {
  readonly store: ValidationStore = createStore<ValidationState>(() => ({
    ...IDLE_VALIDATION,
    run: null,
  }));
  readonly #parts: ValidationParts;
  readonly #participant: Participant;
  readonly #wake: WakeLockKeeper;
  #run: Run | null = null;
  #abort: AbortController | null = null;
  /** Settles when what start() began has let go of everything. */
  #living: Promise<void> = Promise.resolve();

  constructor(parts: ValidationParts) {
    this.#parts = parts;
    const { platform, host } = parts;
    this.#participant = new Participant({
      platform,
      host,
      events: {
        run: ({ run }) => {
          this.#run = run;
          this.store.setState({ run: runInfo(run) });
        },
        trouble: (trouble) => {
          // Damaged data is fetched again while everything goes on.
          if (trouble.recovering && trouble.code !== 'corrupt-data') this.#waitsFor(trouble);
        },
        cleared: (...codes) => this.#over(codes),
        hostTie: (trouble) => {
          if (trouble === null) this.#over(['host-unreachable', 'socket-refused']);
          else this.#waitsFor(trouble);
        },
        head: (link) => void this.#certified(link).catch(() => {}),
      },
    });
    this.#wake = new WakeLockKeeper(parts.wake, () => this.store.setState({ awake: this.#wake.state }));
    void this.#introduce();
  }

  start(keyText: string, audits: AuditChoice): void {
    this.stop();
    const seed = seedOf(keyText);
    if (seed === null) return this.#fail({ code: 'no-key' });
    if (isFramed()) return this.#fail({ code: 'framed' });
    if (!globalThis.isSecureContext) return this.#fail({ code: 'insecure' });
    const abort = new AbortController();
    this.#abort = abort;
    this.store.setState({ ...IDLE_VALIDATION, stage: 'starting' });
    this.#living = this.#living.then(() => this.#live(seed, audits, abort));
  }

  stop(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.store.setState({ stage: 'idle', problem: null, waitingFor: null, entries: [] });
  }

  #waitsFor(trouble: Trouble): void {
    const { stage } = this.store.getState();
    if (stage === 'starting' || stage === 'running')
      this.store.setState({ waitingFor: { why: 'trouble', trouble } });
  }

  #over(codes: readonly TroubleCode[]): void {
    const { waitingFor } = this.store.getState();
    if (waitingFor?.why === 'trouble' && codes.includes(waitingFor.trouble.code))
      this.store.setState({ waitingFor: null });
  }

  /** What the page can say before anybody chose a key. */
  async #introduce(): Promise<void> {
    const page = new AbortController().signal;
    try {
      await this.#participant.describe(page);
      const { validator } = await this.#parts.host.head();
      if (validator === 'host' && this.store.getState().stage === 'idle')
        this.#fail({ code: 'host-validates', detail: '' });
    } catch {
      // Said again, with words, when somebody starts.
    }
  }

  async #live(seed: Uint8Array, audits: AuditChoice, abort: AbortController): Promise<void> {
    const { seat, host } = this.#parts;
    const { signal } = abort;
    try {
      this.store.setState({ key: toHex((await createIdentity(seed)).publicKey) });
      await validate(
        this.#participant,
        {
          seed,
          audits,
          host,
          seat,
          hooks: {
            report: (event) => this.#log(event),
            seated: () => {
              this.#wake.set(true);
              this.store.setState({ stage: 'running', waitingFor: null });
              return () => this.#wake.set(false);
            },
            meter: ({ name, fallback }) => this.store.setState({ machine: name, fallback }),
            audits: (state) => this.store.setState({ audits: state }),
            waiting: (code) =>
              this.store.setState({ waitingFor: code === null ? null : { why: 'host-storing', code } }),
            look: (stay, validator) => this.#look(stay, validator),
          },
        },
        abort,
      );
    } catch (error) {
      // Stopped by a hand, or by what the seat or its host turned out to be.
      const why: unknown = endOf(signal) ?? (signal.aborted ? null : error);
      if (why !== null) this.#failWith(why);
    } finally {
      abort.abort();
    }
  }

  #look({ swarm, run, clock }: Stay, validator: Validator): void {
    const { round, phase, endsAt } = run.rounds.phase(clock.now());
    this.store.setState({
      host: swarm.hostState,
      round,
      phase,
      phaseLeftMs: Math.max(0, endsAt - clock.now()),
      contributors: validator.presences().filter((p) => p.role === 'contributor').length,
      roundsLost: validator.roundsLost,
      entries: validator.entries().map(({ contributor, state, refusal }) => ({
        contributor: toHex(contributor),
        state,
        reason: refusal?.reason ?? null,
        note: refusal?.note ?? null,
      })),
    });
  }

  async #certified({ certificate, opinions }: Link): Promise<void> {
    const { body } = certificate;
    const opened = this.#run === null ? [] : await opinionsOn(this.#run, body.round, opinions);
    const row = {
      height: body.height,
      round: body.round,
      accepted: body.accepted.length,
      refused: body.refused.length,
      joined: body.joined.length,
      heldOutLoss: heldOutLossOf(opened.map(({ opinion }) => opinion)),
      root: toHex(body.root),
      audits: body.audits.map(({ contributor, round, outcome }) => ({
        contributor: toHex(contributor),
        round,
        passed: outcome === 'passed',
      })),
    };
    this.store.setState(({ certificates, height, root }) => ({
      height: Math.max(height, body.height),
      root: body.height >= height ? row.root : root,
      certificates: [row, ...certificates.filter((one) => one.height !== body.height)]
        .sort((a, b) => b.height - a.height)
        .slice(0, MAX_CERTIFICATES),
    }));
  }

  #log(event: SeatEvent): void {
    const at = this.#parts.platform.clock.now();
    this.store.setState(({ log }) => ({ log: [...log.slice(1 - MAX_LINES), { at, event }] }));
  }

  #failWith(error: unknown): void {
    if (error instanceof SeatError)
      this.#fail({ code: error.code, detail: error.message === error.code ? '' : error.message });
    else if (error instanceof SeatConflictError) this.#fail({ code: error.conflict, ...error.facts });
    else this.#fail({ code: 'trouble', trouble: toTrouble(error) });
  }

  #fail(problem: ValidationProblem): void {
    this.store.setState({ stage: 'failed', problem, waitingFor: null, entries: [] });
  }
}
