/** Why something of this machine is not to be had: a code and facts, which the command line puts into words. */

export type PlatformErrorCode =
  /** The key file is there but cannot be read. Facts: `path`, `cause`. */
  | 'key-unreadable'
  /** The key file has no bytes. Facts: `path`. */
  | 'key-empty'
  /** The key file is not 64 hex digits. Facts: `path`. */
  | 'key-malformed'
  /** No key file could be written. Facts: `path`, `cause`. */
  | 'key-unwritable'
  /** Another process uses the key. Facts: `path`, `lock`, `pid`. */
  | 'key-in-use'
  /** No graphics device of the wanted kind. Facts: `wanted`, `install` (see {@link GpuRemedy}), `cause`. */
  | 'no-gpu'
  /** The trainer's process ended before it answered. Facts: `cause` (a signal or an exit code). */
  | 'trainer-ended';

/** What would make a device available: a graphics driver, Chromium for its SwiftShader, or the webgpu package. */
export type GpuRemedy = 'driver' | 'chromium' | 'webgpu-package';

export class PlatformError extends Error {
  static override readonly name = 'PlatformError';
  override readonly name = 'PlatformError';
  readonly code: PlatformErrorCode;
  readonly facts: Readonly<Record<string, string | number>>;

  constructor(code: PlatformErrorCode, facts: Readonly<Record<string, string | number>>) {
    super(`${code} ${JSON.stringify(facts)}`);
    this.code = code;
    this.facts = facts;
  }
}

/** Whether an error is the system's of this code, e.g. ENOENT. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
