/**
 * Screen Wake Lock (W3C): keeps the screen on, and so the computer awake, while the page is visible. The browser takes
 * the lock away when the page is hidden, so it is asked for again whenever the page comes back.
 */
export type WakeState = 'off' | 'held' | 'hidden' | 'refused' | 'missing';

interface Sentinel extends EventTarget {
  release(): Promise<void>;
}

export interface WakeScope {
  readonly navigator: { readonly wakeLock?: { request(type: 'screen'): Promise<Sentinel> } };
  readonly document: Pick<Document, 'addEventListener' | 'removeEventListener' | 'visibilityState'>;
}

export class WakeLockKeeper {
  readonly #scope: WakeScope;
  readonly #onChange: () => void;
  #wanted = false;
  #sentinel: Sentinel | null = null;
  #asking = false;
  #refused = false;

  constructor(scope: WakeScope, onChange: () => void) {
    this.#scope = scope;
    this.#onChange = onChange;
  }

  get available(): boolean {
    return this.#scope.navigator.wakeLock !== undefined;
  }

  get state(): WakeState {
    if (!this.available) return 'missing';
    if (!this.#wanted) return 'off';
    if (this.#sentinel !== null) return 'held';
    return this.#refused ? 'refused' : 'hidden';
  }

  /** Whether the computer shall stay awake from now on. */
  set(wanted: boolean): void {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    this.#refused = false;
    const { document } = this.#scope;
    if (wanted) {
      document.addEventListener('visibilitychange', this.#look);
      this.#look();
    } else {
      document.removeEventListener('visibilitychange', this.#look);
      void this.#sentinel?.release().catch(() => {});
      this.#sentinel = null;
      this.#onChange();
    }
  }

  readonly #look = (): void => {
    if (this.#scope.document.visibilityState === 'visible') void this.#acquire();
  };

  async #acquire(): Promise<void> {
    if (!this.#wanted || this.#sentinel !== null || this.#asking) return;
    this.#asking = true;
    try {
      const sentinel = await this.#scope.navigator.wakeLock?.request('screen');
      if (sentinel === undefined) return;
      if (!this.#wanted) {
        await sentinel.release();
        return;
      }
      this.#sentinel = sentinel;
      this.#refused = false;
      sentinel.addEventListener('release', () => {
        if (this.#sentinel !== sentinel) return;
        this.#sentinel = null;
        this.#onChange();
      });
    } catch {
      // Low battery, or a policy forbids it; hidden pages are refused too and ask again when they are visible.
      this.#refused = this.#scope.document.visibilityState === 'visible';
    } finally {
      this.#asking = false;
      this.#onChange();
    }
  }
}
