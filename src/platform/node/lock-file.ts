/**
 * A lock file that names its process, so that two processes do not use one key at once. One that a crash or a power
 * cut left behind is taken over: its process is gone, or its number belongs to a process that started at another time.
 */
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { isErrno } from './errors.ts';

/** A lock file without text is one that another process is writing, or that a power cut emptied: its age tells. */
const WRITING_MS = 10_000;

/** Locks that this process holds; its own number in any other lock file is a leftover of a process with that number. */
const held = new Set<string>();

/**
 * Takes the lock `file`; returns its release, or the number of the process that has it (0: unknown).
 * Throws when it cannot write.
 */
export function takeLock(file: string): (() => void) | number {
  const path = resolve(file);
  const own = `${process.pid} ${startOf(process.pid)}\n`;
  // Twice at most: the second time the leftover is out of the way.
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(path, own, { flag: 'wx', mode: 0o600 });
      held.add(path);
      return () => {
        if (held.delete(path)) rmSync(path, { force: true });
      };
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) {
        // Made, but not written: on a full disk it would keep everybody out for a while.
        if (isErrno(error, 'ENOSPC') || isErrno(error, 'EDQUOT')) rmSync(path, { force: true });
        throw error;
      }
    }
    const found = readLock(path);
    if (found === null) continue;
    if (isAlive(found, path)) return found.pid;
    removeLeftover(path, found.text);
  }
  return readLock(path)?.pid ?? 0;
}

interface Lock {
  readonly text: string;
  readonly pid: number;
  readonly start: string;
  /** Milliseconds since it was written. */
  readonly age: number;
}

/** Null when it has just gone. */
function readLock(path: string): Lock | null {
  try {
    const text = readFileSync(path, 'utf8');
    const [pid = '', start = ''] = text.trim().split(' ');
    return { text, pid: Number(pid), start, age: Date.now() - statSync(path).mtimeMs };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

function isAlive({ text, pid, start, age }: Lock, path: string): boolean {
  if (text === '') return age < WRITING_MS;
  if (pid === process.pid) return held.has(path);
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Not allowed to signal it: it is there, and somebody else's.
    if (!isErrno(error, 'EPERM')) return false;
  }
  return start === startOf(pid);
}

/** When a process started, in the kernel's clock ticks since it booted; '-' where the system does not say. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets and may hold blanks; the start is the 22nd.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '-';
  } catch {
    return '-';
  }
}

/** Renamed first: of two processes that find the same leftover, one gets it, and puts back what was not the leftover. */
function removeLeftover(path: string, text: string): void {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  const taken = readFileSync(aside, 'utf8');
  rmSync(aside);
  if (taken !== text) writeFileSync(path, taken, { flag: 'wx', mode: 0o600 });
}
