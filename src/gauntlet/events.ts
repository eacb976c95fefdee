/** What a validator has to tell its log, typed. Words for it: cli/say.ts for a host, ui/strings/validate.ts for a tab. */
import type { CertificateBody, MessageOf, Note, RefusedEntry, RoundFailure } from '../protocol/messages.ts';

export type ValidatorEvent =
  | {
      readonly is: 'certified';
      readonly body: CertificateBody;
      readonly opinion: MessageOf<'opinion'> | null;
      /** Mean wire size of the accepted submissions, bytes a parameter; null without any. */
      readonly bytesPerParameter: number | null;
    }
  | {
      readonly is: 'nothing-certified';
      readonly round: number;
      readonly refused: readonly RefusedEntry[];
      /** With the figures behind the refusals. */
      readonly opinion: MessageOf<'opinion'> | null;
    }
  /** The machine slept or was too busy to judge the round in time. */
  | { readonly is: 'round-missed'; readonly round: number }
  /** This machine could not judge the round, or not write its certificate. */
  | {
      readonly is: 'round-failed';
      readonly round: number;
      readonly failure: RoundFailure;
      readonly error: string;
    }
  /** What a round came to is decided, but could not be told, or not all that follows from it be done. */
  | { readonly is: 'not-published'; readonly round: number; readonly error: string }
  /** What this machine remembers of contributors could not be written down: lost at the next start. */
  | { readonly is: 'note-failed'; readonly what: string; readonly error: string }
  /** The clock says a round that is further away than real time allows: it was set. Nothing is signed. */
  | { readonly is: 'clock-ahead'; readonly round: number; readonly ahead: number }
  /** The chain's last round, `certified`, is ahead of the clock: the present one cannot be certified. */
  | { readonly is: 'chain-ahead'; readonly round: number; readonly certified: number }
  /** Measuring losses takes longer than the round leaves for it. */
  | { readonly is: 'losses-slow'; readonly round: number }
  | {
      readonly is: 'loss-failed';
      readonly round: number;
      readonly contributor: string;
      readonly error: string;
    }
  | { readonly is: 'held-out-failed'; readonly error: string }
  | { readonly is: 'presence-failed'; readonly error: string }
  | { readonly is: 'audit-not-asked'; readonly error: string }
  | {
      readonly is: 'audit-ended';
      readonly contributor: string;
      readonly round: number;
      readonly outcome: 'passed' | 'failed';
      readonly note: Note;
    }
  | {
      readonly is: 'audit-given-up';
      readonly contributor: string;
      readonly round: number;
      /** Null: this machine came too late to ask twice and listen. */
      readonly error: string | null;
    };

export type Report = (event: ValidatorEvent) => void;
