/** Making the next certificate: a verdict's accepted work applied to a copy of the state, a body, a signature. */
import { buildCertificateBody, certify, type CheckedCertificate } from '../chain/certificate.ts';
import type { ChainFollower, Keep, Link, Staged, StateHolder } from '../chain/follower.ts';
import { type ChainState, checkNext } from '../chain/state.ts';
import type { Run } from '../chain/run.ts';
import type { Verdict } from '../gauntlet/book.ts';
import { seal } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import type { MessageOf } from '../protocol/messages.ts';

export interface AppendOptions {
  readonly verdict: Verdict;
  /** Bytes of each accepted claim's work, in the verdict's order. */
  readonly work: readonly Uint8Array[];
  readonly validator: Identity;
  /** Of the state that the round started from, nats per token; null when it could not be measured. */
  readonly heldOutLoss: number | null;
}

export interface Appended {
  readonly certificate: CheckedCertificate;
  readonly opinion: MessageOf<'opinion'>;
  /** Sealed, in the order in which they are published: opinions first, so that the certificate finds them there. */
  readonly messages: readonly Uint8Array[];
}

/** The certified chain as a validator's seat sees it, in Node and in a tab. */
export interface SeatChain {
  readonly run: Run;
  readonly state: ChainState;
  /** Sealed messages of the newest certificate, as they were published; empty at genesis. */
  readonly lastMessages: readonly Uint8Array[];
  /** A copy of the certified state θ. */
  theta(): Promise<Int32Array>;
  /**
   * Applies a verdict's accepted work, signs the certificate, makes it durable and moves the head. Nobody else has heard of
   * it when this resolves. When it rejects, head, state and ledger are what they were.
   */
  append(options: AppendOptions): Promise<Appended>;
}

/** A follower with its state on the CPU and a place where links are written: all that a seat needs. */
export class SeatedChain implements SeatChain {
  readonly #follower: ChainFollower;
  readonly #holder: StateHolder & { theta(): Promise<Int32Array> };
  readonly #keep: Keep;

  constructor(follower: ChainFollower, holder: StateHolder & { theta(): Promise<Int32Array> }, keep: Keep) {
    this.#follower = follower;
    this.#holder = holder;
    this.#keep = keep;
  }

  get run(): Run {
    return this.#follower.run;
  }

  get state(): ChainState {
    return this.#follower.state;
  }

  get lastMessages(): readonly Uint8Array[] {
    const { last } = this.#follower;
    return last === null ? [] : [...last.opinions, last.sealed];
  }

  theta(): Promise<Int32Array> {
    return this.#holder.theta();
  }

  async append(options: AppendOptions): Promise<Appended> {
    const { link, staged, opinion } = await certifyVerdict(this.run, this.state, this.#holder, options);
    await this.#follower.append(link, staged, options.work, this.#keep);
    return { certificate: link.certificate, opinion, messages: [...link.opinions, link.sealed] };
  }
}

/** Certifies a verdict on top of a chain's state, which `holder` has; that state is not changed. */
async function certifyVerdict(
  run: Run,
  state: ChainState,
  holder: StateHolder,
  { verdict, work, validator, heldOutLoss }: AppendOptions,
): Promise<{ readonly link: Link; readonly staged: Staged; readonly opinion: MessageOf<'opinion'> }> {
  const { head } = state;
  const staged = await holder.stage(verdict.accepted.map(({ weight }, i) => ({ bytes: work[i], weight })));
  const message = await certify(buildCertificateBody(run, head, verdict, staged.root), [validator]);
  const checked = await checkNext(message, run, state);
  if (!checked.ok) throw new Error(`our own certificate is not good (${checked.reason}): ${checked.detail}`);
  const opinion = opinionOf(run, head.height, verdict, heldOutLoss);
  return {
    staged,
    opinion,
    link: {
      certificate: checked.certificate,
      sealed: await seal(validator, message),
      opinions: [await seal(validator, opinion)],
    },
  };
}

/** What a validator says of a round beside its certificate, or instead of one. */
export const opinionOf = (
  run: Run,
  height: number,
  { round, scores, refused, audits }: Pick<Verdict, 'round' | 'scores' | 'refused' | 'audits'>,
  heldOutLoss: number | null,
): MessageOf<'opinion'> => ({
  kind: 'opinion',
  run: run.id,
  round,
  height,
  heldOutLoss,
  scores: [...scores],
  refused: refused.map(({ contributor, note }) => ({ contributor, note })),
  audits: audits.map(({ contributor, note }) => ({ contributor, note })),
});

/** Mean wire size of accepted work in bytes a parameter; null without any. */
export function bytesPerParameter(
  sizes: readonly { readonly byteLength: number }[],
  elements: number,
): number | null {
  if (sizes.length === 0) return null;
  return sizes.reduce((sum, { byteLength }) => sum + byteLength, 0) / sizes.length / elements;
}
