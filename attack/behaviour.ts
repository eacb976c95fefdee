/**
 * What a dishonest peer is: the one interface that every file in behaviours/ implements, and that a stranger's FILE.mjs
 * may implement too (docs/threat-model.md has an example). A behaviour needs to import nothing: all it may use comes
 * with {@link AttackRound}.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ParameterLayout } from '../src/model/layout.ts';
import { messageOf } from '../src/protocol/errors.ts';
import type { Identity } from '../src/protocol/identity.ts';
import type { SparseUpdate } from '../src/sparseloco/update.ts';
import type { Batch } from '../src/training/types.ts';
import type { Act, Delivery, RoundResult, RoundView, Work } from './view.ts';

export interface Behaviour {
  readonly name: string;
  /** One sentence for tables: what it does. */
  readonly summary: string;
  /** Number of identities when `attackers` peers are dishonest. Default: one each. */
  identities?(attackers: number): number;
  /**
   * Whether all identities are one worker's, so that they may together earn what one honest worker does, rather than
   * 5 % of it each.
   */
  readonly oneWorker?: boolean;
  /** Makes one identity's attacker. Called once for each at the start of a run, in the order of `self.index`. */
  attacker(self: AttackerSelf): Attacker;
  /** What becomes of honest messages that pass the attackers on their way; default: they arrive. */
  route?(from: Uint8Array, delivery: Delivery): readonly Delivery[];
}

export interface AttackerSelf {
  readonly index: number;
  /** Identities of this attack altogether. */
  readonly count: number;
  readonly identity: Identity;
  /** Shared by all identities of the attack in one run; for what they agree on. */
  readonly allies: Map<string, unknown>;
}

export interface Attacker {
  act(round: AttackRound): Promise<Act>;
  /** Hears how the round ended, as everybody does. */
  settle?(result: RoundResult): void;
}

/** Bytes with the work that is claimed for them. */
export type Claimed = Work;

/** What another peer handed in. */
export interface OthersWork extends Work {
  readonly contributor: Uint8Array;
}

export interface TrainOptions {
  /** Inner steps really done; default: as many as the run allows. */
  readonly steps?: number;
  /** Micro-batches to train on instead of those assigned, and a name that tells them from any others. */
  readonly data?: { readonly name: string; readonly batches: Iterator<Batch, unknown> };
}

export interface SubmitOptions {
  /** When commit and reveal arrive, in swarm time. Default: within their phases, after all honest peers'. */
  readonly commitAt?: number;
  readonly revealAt?: number;
  /** Claimed state root; default: the true one. */
  readonly baseRoot?: Uint8Array;
  /**
   * Put into the error feedback that the commit claims to leave, and gone on from in the next round whatever becomes of
   * this one; default: nothing.
   */
  readonly feedback?: SparseUpdate;
}

/** A round as an attacker sees it, with everything that an honest client could do. */
export interface AttackRound extends RoundView {
  readonly layout: ParameterLayout;
  /** Uniform in [0, 1); the same numbers in every run with the same seed. */
  random(): number;
  /**
   * What the honest peers hand in this round, as if it had leaked to the attackers before their own commits. Really
   * only seals are public then.
   */
  honest(): Promise<readonly OthersWork[]>;
  /** What the last certificate applied, as everybody could fetch it. */
  readonly certified: readonly OthersWork[];
  /** Trains with this identity's own error feedback and moments. */
  train(options?: TrainOptions): Promise<Claimed>;
  /** Micro-batches of the text that is assigned to somebody in this round. */
  assigned(contributor?: Uint8Array): Generator<Batch, never>;
  /** The text of all training shards, token by token. */
  readonly shards: ReadonlyMap<number, Uint16Array>;
  decode(bytes: Uint8Array): SparseUpdate;
  /** Bytes of an update, bound to this run, round and identity. */
  encode(update: SparseUpdate): Uint8Array;
  /** Sealed commit and reveal of a piece of work, and the bytes served. */
  submit(work: Claimed, options?: SubmitOptions): Promise<Act>;
}

export const NOTHING: Act = { say: [], serve: [] };

/** A file that is no behaviour; the message says what to change. */
export class BehaviourError extends Error {
  static override readonly name = 'BehaviourError';
  override readonly name = 'BehaviourError';
}

/** Loads a stranger's behaviour: a module whose default export is a {@link Behaviour}. Throws BehaviourError. */
export async function loadBehaviour(path: string): Promise<Behaviour> {
  const file = resolve(path);
  if (!existsSync(file)) throw new BehaviourError(`There is no file ${path}.`);
  let loaded: unknown;
  try {
    loaded = await import(pathToFileURL(file).href);
  } catch (error) {
    throw new BehaviourError(`${path} cannot be loaded: ${messageOf(error)}`);
  }
  return asBehaviour(loaded, path);
}

/** Checks a loaded module's default export. Throws BehaviourError. */
export function asBehaviour(loaded: unknown, path: string): Behaviour {
  const wrong = (what: string): BehaviourError =>
    new BehaviourError(`${path} is no behaviour: ${what}. docs/threat-model.md shows one.`);
  if (!isRecord(loaded) || !isRecord(loaded['default'])) throw wrong('it needs `export default { ... }`');
  const { name, summary, attacker, identities, route, oneWorker } = loaded['default'];
  if (typeof name !== 'string' || name === '') throw wrong('`name` must be a text');
  if (typeof summary !== 'string') throw wrong('`summary` must be a text');
  if (typeof attacker !== 'function') throw wrong('`attacker` must be a function');
  if (identities !== undefined && typeof identities !== 'function')
    throw wrong('`identities` must be a function');
  if (route !== undefined && typeof route !== 'function') throw wrong('`route` must be a function');
  if (oneWorker !== undefined && typeof oneWorker !== 'boolean')
    throw wrong('`oneWorker` must be true or false');
  const made: unknown = loaded['default'];
  // What its functions return is checked where it is used: a wrong act is the attacker's loss.
  return made as Behaviour;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
