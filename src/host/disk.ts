/**
 * What a failure of the disk is, told from the system's or SQLite's code: absent, not allowed, in use, full and broken
 * are different things, with different ways out. Nothing that failed is taken for something that is not there.
 */
import { statfsSync } from 'node:fs';

export const DISK_CAUSES = [
  'missing',
  /** This process may not read or write it. */
  'not-allowed',
  /** Another process has it. */
  'locked',
  'full',
  'read-only',
  /** The process may open no more files. */
  'too-many-files',
  /** The device fails, or what it holds is no longer what was written. */
  'broken',
  /** A folder where a file should be, or the other way round. */
  'wrong-kind',
] as const;
export type DiskCause = (typeof DISK_CAUSES)[number];

const ERRNO: Readonly<Record<string, DiskCause>> = {
  ENOENT: 'missing',
  EACCES: 'not-allowed',
  EPERM: 'not-allowed',
  EBUSY: 'locked',
  ETXTBSY: 'locked',
  EAGAIN: 'locked',
  ENOSPC: 'full',
  EDQUOT: 'full',
  EFBIG: 'full',
  EROFS: 'read-only',
  EMFILE: 'too-many-files',
  ENFILE: 'too-many-files',
  EIO: 'broken',
  ENXIO: 'broken',
  ENODEV: 'broken',
  ESTALE: 'broken',
  EUCLEAN: 'broken',
  EISDIR: 'wrong-kind',
  ENOTDIR: 'wrong-kind',
  ELOOP: 'wrong-kind',
};

/** Primary result codes (sqlite.org/rescode.html); the low byte of node:sqlite's `errcode`. */
const SQLITE: Readonly<Record<number, DiskCause>> = {
  3: 'not-allowed',
  5: 'locked',
  6: 'locked',
  8: 'read-only',
  10: 'broken',
  11: 'broken',
  13: 'full',
  26: 'broken',
};

/** The cause of an error, or of what it was caused by; null when it is none of the disk's. Never throws. */
export function diskCause(error: unknown): DiskCause | null {
  // A chain of causes has an end, but nothing says so.
  for (let at = error, deep = 0; at instanceof Error && deep < 8; at = at.cause, deep++) {
    const { code, errcode } = at as { code?: unknown; errcode?: unknown };
    const found =
      typeof errcode === 'number'
        ? SQLITE[errcode & 0xff]
        : typeof code === 'string'
          ? ERRNO[code]
          : undefined;
    if (found !== undefined) return found;
  }
  return null;
}

/** Bytes that this user may still write where `path` lies; null where the system does not say. */
export function freeBytes(path: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return null;
  }
}
