/** Every number of the host's port, with its reason. Times in milliseconds, sizes in bytes. */

const MiB = 1 << 20;

/** A stranger's slow or idle connections may not keep sockets for long; a WebSocket is past these limits. */
export const HEADERS_TIMEOUT = 10_000;
export const REQUEST_TIMEOUT = 30_000;
export const KEEP_ALIVE_TIMEOUT = 15_000;
/** How often Node looks at those limits; its default of 30 s would let each last so much longer. */
export const CHECKING_INTERVAL = 5000;
/** Then the answer says "Connection: close". A page with its API for an hour is a few hundred requests. */
export const MAX_REQUESTS_PER_SOCKET = 1000;
/** An answer of which no byte left for so long is ended, and a request that waited so long is turned away. */
export const STALL_MS = 30_000;
export const LOOK_MS = 5000;
/** Least time between two lines of the log that say the same kind of thing. */
export const QUIET_MS = 60_000;
/** Bytes of a body that are read and handed over at a time. */
export const PIECE_BYTES = 32 << 10;
/** Smaller answers are not counted: the caps on answers bound them. */
export const SMALL_ANSWER = 16 << 10;

/** An idle connection costs 33 KB (measured); a host has up to 1000 tabs. A machine with few descriptors has less. */
const MOST_SOCKETS = 1280;
/** Descriptors for the database, blobs being written, libp2p's listener and workers (43 are open in an idle host). */
const OWN_DESCRIPTORS = 56;
/** Fewer than this and the organizer is told. */
const FEW_DESCRIPTORS = 1024;

export interface DoorLimits {
  readonly sockets: number;
  /** A class room behind one address: 50 tabs that each open six connections and a WebSocket. */
  readonly socketShare: number;
  readonly upgrades: number;
  readonly upgradeShare: number;
  /** Answers in progress; each may hold a descriptor and about 100 KB. */
  readonly answers: number;
  readonly answerShare: number;
  /** Requests that wait for an answer to end. */
  readonly waiting: number;
  readonly waitingShare: number;
  /** Requests of one connection without a finished answer. Browsers do not pipeline. */
  readonly pipelined: number;
  /** Bytes of answers that were made at once (JSON) and are not sent. */
  readonly bytes: number;
  readonly bytesShare: number;
}

/** What fits `descriptors`, the files and sockets that this process may have open. */
export function doorLimits(descriptors: number): DoorLimits {
  const free = Math.max(16, descriptors - OWN_DESCRIPTORS);
  const answers = Math.min(128, Math.floor(free / 4));
  const sockets = Math.min(MOST_SOCKETS, free - answers);
  const share = (all: number, most: number): number => Math.max(2, Math.min(most, Math.floor(all / 4)));
  const upgrades = Math.floor(sockets * 0.8);
  return {
    sockets,
    socketShare: share(sockets, 512),
    upgrades,
    upgradeShare: share(upgrades, 256),
    answers,
    answerShare: share(answers, 32),
    waiting: 1024,
    waitingShare: 512,
    pipelined: 3,
    bytes: 16 * MiB,
    bytesShare: 4 * MiB,
  };
}

/** Files and sockets that this process may have open; Infinity where the system sets no limit. */
export function openFileLimit(): number {
  Object.assign(process.report, { excludeNetwork: true }); // looking up names takes seconds
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  const soft = Number(report.userLimits?.open_files?.soft);
  return Number.isNaN(soft) ? Number.POSITIVE_INFINITY : soft;
}

export const areFew = (descriptors: number): boolean => descriptors < FEW_DESCRIPTORS;
