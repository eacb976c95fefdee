/**
 * Is somebody using this computer?
 *
 * The Idle Detection API (Chromium, with the person's permission) knows of the whole computer. Without it the tab sees
 * only itself: pointer and keys in this page while it is visible. Work in other windows is then not noticed, and the
 * page says so.
 */
const INPUTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'] as const;
/** The API's own minimum. */
const MIN_THRESHOLD_MS = 60_000;

interface IdleDetector extends EventTarget {
  readonly userState: 'active' | 'idle' | null;
  readonly screenState: 'locked' | 'unlocked' | null;
  start(options: { threshold: number; signal: AbortSignal }): Promise<void>;
}

export interface PresenceScope {
  /** The class, where there is one. */
  readonly IdleDetector?: {
    new (): IdleDetector;
    requestPermission(): Promise<'granted' | 'denied'>;
  };
  readonly document: Pick<Document, 'addEventListener' | 'removeEventListener' | 'visibilityState'>;
}

export class PresenceSensor {
  readonly #scope: PresenceScope;
  readonly #onChange: () => void;
  readonly #now: () => number;
  #idleMs = MIN_THRESHOLD_MS;
  #lastInput = Number.NEGATIVE_INFINITY;
  #detector: IdleDetector | null = null;
  #abort: AbortController | null = null;

  constructor(scope: PresenceScope, onChange: () => void, now: () => number = Date.now) {
    this.#scope = scope;
    this.#onChange = onChange;
    this.#now = now;
  }

  /** Whether the browser could tell of the whole computer, if asked. */
  get available(): boolean {
    return this.#scope.IdleDetector !== undefined;
  }

  /** What the answer rests on: the whole computer, or this page only. */
  get source(): 'computer' | 'page' {
    return this.#detector === null ? 'page' : 'computer';
  }

  get active(): { readonly is: boolean; readonly until: number | null } {
    if (this.#detector !== null) {
      const { userState, screenState } = this.#detector;
      return { is: userState === 'active' && screenState !== 'locked', until: null };
    }
    const until = this.#lastInput + this.#idleMs;
    return this.#now() < until ? { is: true, until } : { is: false, until: null };
  }

  async start(idleMinutes: number): Promise<void> {
    this.stop();
    const abort = new AbortController();
    this.#abort = abort;
    this.#idleMs = idleMinutes * 60_000;
    const { document, IdleDetector } = this.#scope;
    for (const input of INPUTS)
      document.addEventListener(input, this.#heard, { passive: true, capture: true, signal: abort.signal });
    if (IdleDetector === undefined) return;
    try {
      const detector = new IdleDetector();
      await detector.start({ threshold: Math.max(MIN_THRESHOLD_MS, this.#idleMs), signal: abort.signal });
      if (abort.signal.aborted) return;
      detector.addEventListener('change', this.#onChange, { signal: abort.signal });
      this.#detector = detector;
      this.#onChange();
    } catch {
      // No permission: this page's own input has to do.
    }
  }

  stop(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.#detector = null;
    this.#lastInput = Number.NEGATIVE_INFINITY;
  }

  /** Asks the person; only within a click. True when the whole computer can be observed from now on. */
  async ask(): Promise<boolean> {
    try {
      return (await this.#scope.IdleDetector?.requestPermission()) === 'granted';
    } catch {
      return false;
    }
  }

  readonly #heard = (): void => {
    if (this.#scope.document.visibilityState !== 'visible') return;
    const was = this.active.is;
    this.#lastInput = this.#now();
    // Input while active only moves the end; whoever waits for it looks again then.
    if (!was) this.#onChange();
  };
}
