/** Everything that keeps a host from starting or going on, typed: a code and its facts. Words for people: cli/say.ts. */

import type { OtherEncoding } from '../protocol/decode-text.ts';
import { type DiskCause, diskCause } from './disk.ts';

import type { SettingProblem } from './settings.ts';

type NoFacts = Readonly<Record<string, never>>;

export interface FaultFacts {
  // the data folder
  'folder-unusable': { readonly dir: string; readonly cause: DiskCause | null; readonly error: string };
  'folder-not-empty': { readonly dir: string; readonly found: string };
  'folder-in-use': { readonly dir: string };
  'database-foreign': { readonly path: string };
  /** No database beside what a run leaves: `found`, a key or a folder with files. */
  'store-missing': { readonly dir: string; readonly found: string };
  /** A database without a run in it, beside what a run leaves. */
  'store-empty': { readonly path: string };
  'store-unreadable': { readonly path: string; readonly cause: DiskCause | null; readonly error: string };
  'store-damaged': { readonly path: string; readonly error: string };
  'disk-full': { readonly dir: string };
  'disk-read-only': { readonly dir: string };
  'format-newer': { readonly dir: string; readonly format: number; readonly known: number };
  'format-older': { readonly dir: string; readonly format: number; readonly known: number };
  // keys
  'key-missing': { readonly path: string; readonly key: string };
  'key-empty': { readonly path: string };
  'key-unreadable': { readonly path: string; readonly cause: DiskCause | null; readonly error: string };
  'key-not-written': { readonly path: string; readonly cause: DiskCause | null; readonly error: string };
  'key-malformed': { readonly path: string };
  'no-validator-key': { readonly dir: string };
  'other-validator-key': { readonly dir: string };
  'other-organizer': { readonly dir: string; readonly organizer: string };
  // the run and its chain
  'manifest-unusable': { readonly dir: string; readonly detail: string };
  'blob-folder-missing': { readonly dir: string };
  /** It may be there and whole: it could not be read now. */
  'blob-unreadable': { readonly hash: string; readonly cause: DiskCause | null; readonly error: string };
  'blobs-missing': { readonly dir: string; readonly count: number; readonly first: string };
  'chain-broken': { readonly dir: string; readonly height: number; readonly detail: string };
  'no-state': { readonly dir: string; readonly detail: string };
  /** The clock is further beyond all that is known of the run's time than can be believed. */
  'clock-unsure': { readonly wall: number; readonly beyondMs: number };
  'blob-not-rebuilt': { readonly hash: string };
  // a new run
  'settings-invalid': SettingProblem;
  'corpus-not-installed': NoFacts;
  'corpus-unreadable': { readonly path: string; readonly error: string };
  'corpus-without-text': { readonly path: string };
  'corpus-no-file': { readonly path: string };
  'corpus-blank': { readonly path: string };
  'corpus-too-large': { readonly path: string };
  'corpus-too-many-files': { readonly path: string; readonly limit: number };
  'corpus-file-too-large': { readonly path: string };
  'corpus-too-short': { readonly path: string; readonly characters: number; readonly needs: number };
  'corpus-not-utf8': { readonly path: string; readonly found: OtherEncoding };
  'too-few-tokens': {
    readonly of: 'training' | 'held-out';
    readonly tokens: number;
    readonly sequence: number;
  };
  'preparation-failed': { readonly error: string };
  // the network
  'page-not-built': { readonly folder: string };
  'tls-unusable': { readonly error: string };
  'cannot-listen': {
    readonly code: string;
    readonly address: string;
    readonly port: number;
    readonly error: string;
  };
}
export type FaultCode = keyof FaultFacts;

/** One fault with the facts of its code. */
export type Fault = { [C in FaultCode]: { readonly code: C; readonly facts: FaultFacts[C] } }[FaultCode];

/** A {@link Fault} as it is thrown. The message is for programmers. */
export class HostFault extends Error {
  static override readonly name = 'HostFault';
  override readonly name = 'HostFault';
  readonly fault: Fault;

  constructor(fault: Fault, options?: ErrorOptions) {
    super(`${fault.code} ${JSON.stringify(fault.facts)}`, options);
    this.fault = fault;
  }

  get code(): FaultCode {
    return this.fault.code;
  }
}

/** The error of a code, with the facts that it needs. */
export function fault<C extends FaultCode>(code: C, facts: FaultFacts[C], cause?: unknown): HostFault {
  // The union is over pairs, and this is one: TypeScript cannot see that for a generic code.
  return new HostFault({ code, facts } as unknown as Fault, cause === undefined ? undefined : { cause });
}

/** The fault of a data folder that cannot be written for want of room, or at all; null for other errors. */
export function diskFault(dir: string, cause: unknown): HostFault | null {
  if (cause instanceof HostFault) return null;
  const why = diskCause(cause);
  if (why === 'full') return fault('disk-full', { dir }, cause);
  return why === 'read-only' ? fault('disk-read-only', { dir }, cause) : null;
}
