/**
 * WebCrypto as a simulation needs it: every call under way is known, and results come back in the order of the calls.
 *
 * WebCrypto works on threads, so it is not done when the event loop has nothing to do, and two calls end in an order
 * that depends on the machine's load. While a virtual clock exists, the methods of `crypto.subtle` are replaced by
 * ones that start the real call at once and hold its result back until those of all earlier calls are out. Each
 * result comes out in a turn of the event loop of its own, so that all that follows from one happens before the next.
 */

const METHODS = [
  'digest',
  'sign',
  'verify',
  'importKey',
  'exportKey',
  'generateKey',
  'deriveBits',
  'deriveKey',
  'encrypt',
  'decrypt',
] as const;

type Method = (...args: never[]) => Promise<unknown>;

interface Call {
  readonly name: string;
  /** By the real clock, ms. */
  readonly since: number;
  /** Settles the caller's promise; null while the real call is under way. */
  release: (() => void) | null;
}

/** Calls whose results are not out, oldest first. */
const calls: Call[] = [];
const listeners = new Set<() => void>();
/** Calls and releases so far: unchanged means that nothing happened. */
let events = 0;
let releasing = false;

/** The original is taken once, so that a test's fake timers cannot stop the releases. */
const { setImmediate } = globalThis;

function releaseNext(): void {
  if (releasing || calls.length === 0 || calls[0].release === null) return;
  releasing = true;
  setImmediate(() => {
    releasing = false;
    events++;
    calls.shift()?.release?.();
    releaseNext();
    for (const listener of listeners) listener();
  });
}

function counted(name: string, method: Method): Method {
  return (...args) =>
    new Promise((resolve, reject) => {
      events++;
      const call: Call = { name: `crypto.subtle.${name}`, since: performance.now(), release: null };
      calls.push(call);
      const settled = (release: () => void): void => {
        call.release = release;
        releaseNext();
      };
      method.apply(crypto.subtle, args).then(
        (value) => settled(() => resolve(value)),
        (error: unknown) => settled(() => reject(error)),
      );
    });
}

/** A virtual clock's view of WebCrypto, from its making until `dispose`. */
export interface CryptoWatch {
  /** Calls whose results are not out. */
  pending(): number;
  /** The oldest of them, and since when by the real clock (ms of `performance.now`). */
  oldest(): { readonly name: string; readonly since: number } | null;
  /** Grows with every call and every result. */
  events(): number;
  /** The last one to be disposed gives WebCrypto its own methods back. */
  dispose(): void;
}

/** `onRelease` is called after each result that comes out. */
export function watchCrypto(onRelease: () => void): CryptoWatch {
  if (listeners.size === 0) install();
  const listener = (): void => onRelease();
  listeners.add(listener);
  return {
    pending: () => calls.length,
    oldest: () => calls.at(0) ?? null,
    events: () => events,
    dispose: () => {
      if (listeners.delete(listener) && listeners.size === 0) uninstall();
    },
  };
}

function install(): void {
  const subtle = crypto.subtle as unknown as Record<string, Method>;
  for (const name of METHODS) {
    // An own property hides the prototype's method and can be deleted again.
    Object.defineProperty(subtle, name, { value: counted(name, subtle[name]), configurable: true });
  }
}

function uninstall(): void {
  for (const name of METHODS) Reflect.deleteProperty(crypto.subtle, name);
}
