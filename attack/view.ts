/**
 * A round as a behaviour sees it: the shapes that strangers' files are written against (docs/threat-model.md). They stay as
 * they are whatever becomes of the messages beneath.
 */
import type { ChainHead } from '../src/chain/certificate.ts';
import type { Run } from '../src/chain/run.ts';
import type { Receipt, RoundBook, Verdict } from '../src/gauntlet/book.ts';
import { type Inspect, inspectorFor } from '../src/gauntlet/inspect.ts';
import type { LossMeasurement } from '../src/gauntlet/scores.ts';
import type { Manifest, Task } from '../src/protocol/manifest.ts';
import type { CarryRoots } from '../src/training/carry.ts';
import type { MessageOf, Note } from '../src/protocol/messages.ts';
import { decodeClaim } from '../src/work/pretrain/claim.ts';
import type { Workshop } from './lab.ts';

/** What one contributor hands in for a round. */
export interface Work {
  readonly bytes: Uint8Array;
  readonly tokens: number;
  readonly innerSteps: number;
  /** Commitment to what is carried; in runs with audits. */
  readonly carry?: CarryRoots;
}

/** Message bytes on their way, with the swarm time at which they reach the validator. */
export interface Delivery {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Bytes somebody serves: true ones under their own hash, or a liar's under any. */
export type Served = Uint8Array | { readonly hash: Uint8Array; readonly bytes: Uint8Array };

/** What a peer does in a round. */
export interface Act {
  readonly say: readonly Delivery[];
  readonly serve: readonly Served[];
}

/** The run's manifest, with what its task holds at the top too. */
export type ViewedManifest = Manifest & Pick<Task, 'data' | 'training'>;

export const viewedManifest = ({ manifest }: Run): ViewedManifest => {
  const { data, training } = manifest.task;
  return { ...manifest, data, training };
};

/** How the validator looks at bytes, and what they would do to the model. */
export interface Trainer {
  readonly maxBytes: number;
  readonly inspect: Inspect;
  /** How losses are measured in a round that starts from `head`. */
  evaluate(
    round: number,
    head: ChainHead,
  ): (candidate: {
    readonly contributor: Uint8Array;
    readonly bytes: Uint8Array;
  }) => Promise<LossMeasurement>;
  /** State root after applying these submissions to the state of `root`. */
  apply(
    root: Uint8Array,
    submissions: readonly { readonly bytes: Uint8Array; readonly weight: number }[],
  ): Promise<Uint8Array>;
}

export function trainerOf(lab: Workshop): Trainer {
  return {
    ...inspectorFor(lab.run),
    evaluate(round, head) {
      const losses = lab.roundLosses(head);
      return async (candidate) => (await losses).measure(candidate, round, head);
    },
    apply: (root, submissions) => lab.apply(root, submissions),
  };
}

export interface RoundView {
  readonly round: number;
  readonly head: ChainHead;
  readonly runId: Uint8Array;
  readonly manifest: ViewedManifest;
  readonly trainer: Trainer;
  /** When the round began, and when it commits and reveals until. */
  readonly startsAt: number;
  readonly commitUntil: number;
  readonly revealUntil: number;
  /** Whether a contributor may commit in this round. */
  readonly isMember: (contributor: Uint8Array) => boolean;
  /** Everything that was said in earlier rounds, as a dishonest peer could have kept it. */
  readonly heard: readonly Uint8Array[];
}

/** A submission that a certificate applied. */
export interface Applied extends Work {
  readonly contributor: Uint8Array;
}

/** How a round was judged, with each claim read and each note in words. */
export interface ViewedVerdict extends Pick<Verdict, 'round' | 'baseRoot' | 'joined' | 'scores'> {
  readonly accepted: readonly (Omit<Verdict['accepted'][number], 'claim'> & {
    readonly submission: { readonly hash: Uint8Array; readonly size: number };
    readonly tokens: number;
    readonly innerSteps: number;
  })[];
  readonly refused: readonly (Verdict['refused'][number] & { readonly detail: string })[];
  readonly audits: readonly (Verdict['audits'][number] & { readonly detail: string })[];
}

export interface RoundResult {
  readonly round: number;
  readonly verdict: ViewedVerdict;
  /** Null when nothing was accepted. */
  readonly certificate: MessageOf<'certificate'> | null;
  /** What the certificate applied; everybody can fetch it. */
  readonly applied: readonly Applied[];
  /** Receipts other than fine, in the order of delivery. */
  readonly problems: readonly (Receipt & { ok: false })[];
  /** Envelopes that did not open. */
  readonly unopened: number;
}

/** A validator's verdict as behaviours hear it, and the work that it accepts. */
export function viewedVerdict(
  verdict: Verdict,
  book: RoundBook<unknown, unknown>,
): Pick<RoundResult, 'verdict' | 'applied'> {
  const read = verdict.accepted.map(({ claim: bytes, ...entry }) => {
    const claim = decodeClaim(bytes);
    if (claim === null) throw new Error('an accepted claim cannot be read');
    const { submission, tokens, innerSteps } = claim;
    return { ...entry, submission, tokens, innerSteps };
  });
  const { round, baseRoot, joined, scores } = verdict;
  return {
    verdict: {
      round,
      baseRoot,
      joined,
      scores,
      accepted: read,
      refused: verdict.refused.map((entry) => ({ ...entry, detail: inWords(entry.note) })),
      audits: verdict.audits.map((entry) => ({ ...entry, detail: inWords(entry.note) })),
    },
    applied: read.map(({ contributor, tokens, innerSteps }) => {
      const work = book.workOf(contributor);
      if (work === null) throw new Error('accepted work has no bytes');
      return { contributor, tokens, innerSteps, bytes: work.bytes };
    }),
  };
}

const inWords = ({ code, figures }: Note): string =>
  [code, ...Object.entries(figures).map(([name, figure]) => `${name} ${figure}`)].join(', ');
