/** What a validator's machine failed at, told from the error: contributors and organizer see the cause, not "no room". */
import type { Verdict } from '../gauntlet/book.ts';
import { messageOf } from '../protocol/errors.ts';
import type { RoundFailure } from '../protocol/messages.ts';

/** Losses could not be measured: the evaluator, its helper process or its GPU failed. */
export class MeasuringError extends Error {
  static override readonly name = 'MeasuringError';
  override readonly name = 'MeasuringError';
}

/** A round that this machine could not judge, certify or store. */
export interface FailedRound {
  readonly round: number;
  readonly failure: RoundFailure;
  /** The error's own text. */
  readonly error: string;
}

/** SQLite's result code for a full disk (sqlite.org/rescode.html), the low byte of node:sqlite's `errcode`. */
const SQLITE_FULL = 13;
const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'SQLITE_FULL']);
/** Errors of a file system, beside those of SQLite. */
const DISK: ReadonlySet<unknown> = new Set(
  'EIO EROFS EACCES EPERM ENOENT ENOTDIR EISDIR EBUSY EMFILE ENFILE EFBIG'.split(' '),
);

/** The cause of an error, whoever wrapped it. Never throws. */
export function failureOf(error: unknown): RoundFailure {
  // A chain of causes has an end, but nothing says so.
  for (let at = error, deep = 0; at instanceof Error && deep < 8; at = at.cause, deep++) {
    const { code, errcode } = at as { code?: unknown; errcode?: unknown };
    if (at instanceof MeasuringError) return 'measuring';
    if (FULL.has(code) || (Number(errcode) & 0xff) === SQLITE_FULL || at.name === 'QuotaExceededError')
      return 'disk-full';
    if (DISK.has(code) || code === 'ERR_SQLITE_ERROR') return 'disk';
    if (code === 'ENOMEM' || /out of memory|allocation failed/i.test(at.message)) return 'memory';
  }
  return 'other';
}

export const failedRound = (round: number, error: unknown): FailedRound => ({
  round,
  failure: failureOf(error),
  error: messageOf(error),
});

/** A round some of whose work could not be measured on this machine, in time or at all. */
export function unmeasured({ round, refused, unlisted }: Verdict): FailedRound | null {
  const one = [...refused, ...unlisted].find(({ reason }) => reason === 'unjudged');
  return one === undefined ? null : { round, failure: 'measuring', error: one.note.code };
}
