/** Files that a person names on the command line: read up to a limit, and decoded in one way. */
import { closeSync, openSync, readSync } from 'node:fs';
import { messageOf } from '../protocol/errors.ts';
import { decodeText } from '../protocol/decode-text.ts';
import { UsageError } from './arguments.ts';
import { complaints } from './say.ts';

/** Settings, certificates and manifests are smaller by far. */
const MAX_BYTES = 4 << 20;
const CHUNK = 1 << 16;

/**
 * The bytes of a small file, or of a pipe (`<(…)` of a shell), never more than the limit of them. `name`: the option, as
 * an error says it. Throws {@link UsageError}.
 */
export function readSmallFile(name: string, path: string): Buffer {
  try {
    const file = openSync(path, 'r');
    try {
      const parts: Buffer[] = [];
      for (let size = 0; ; ) {
        const part = Buffer.alloc(CHUNK);
        const read = readSync(file, part);
        if (read === 0) return Buffer.concat(parts);
        size += read;
        if (size > MAX_BYTES) throw new UsageError(complaints.fileTooLarge(name, path, MAX_BYTES));
        parts.push(part.subarray(0, read));
      }
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? messageOf(cause);
    throw new UsageError(complaints.unreadableOption(name, path, code), { cause });
  }
}

/** The text of a small file that somebody wrote. Throws {@link UsageError}. */
export function readText(name: string, path: string): string {
  return textOf(name, path, readSmallFile(name, path));
}

/** The text in the bytes of such a file. Throws {@link UsageError}. */
export function textOf(name: string, path: string, bytes: Uint8Array): string {
  const decoded = decodeText(bytes);
  if (!decoded.ok) throw new UsageError(complaints.notUtf8(name, path, decoded.found));
  return decoded.text;
}
