/**
 * Network Information API: Chromium only. `saveData` is the person's own wish; `type` is told on phones, and elsewhere
 * mostly not at all. There is no browser interface that says "metered", so a mobile network is taken for one.
 */
interface Connection extends EventTarget {
  readonly saveData?: boolean;
  readonly type?: string;
}

export interface NetworkNavigator {
  readonly connection?: Connection;
}

export class NetworkSensor {
  readonly #connection: Connection | undefined;
  readonly #onChange: () => void;

  constructor(navigator: NetworkNavigator, onChange: () => void) {
    this.#connection = navigator.connection;
    this.#onChange = onChange;
  }

  get available(): boolean {
    return this.#connection !== undefined;
  }

  /** Null where the browser does not tell. */
  get metered(): boolean | null {
    const connection = this.#connection;
    if (connection === undefined) return null;
    if (connection.saveData === true || connection.type === 'cellular') return true;
    return connection.type === undefined || connection.type === 'unknown' ? null : false;
  }

  start(): void {
    this.#connection?.addEventListener('change', this.#onChange);
  }

  stop(): void {
    this.#connection?.removeEventListener('change', this.#onChange);
  }
}
