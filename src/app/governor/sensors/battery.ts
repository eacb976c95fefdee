/** Battery Status API (W3C): Chromium only, and not in every Chromium. Silence is never taken for "empty". */
import type { Battery } from '../rules.ts';

interface BatteryManager extends EventTarget {
  readonly charging: boolean;
  readonly level: number;
}

export interface BatteryNavigator {
  getBattery?(): Promise<BatteryManager>;
}

export class BatterySensor {
  readonly #navigator: BatteryNavigator;
  readonly #onChange: () => void;
  #manager: BatteryManager | null = null;
  #wanted = false;

  constructor(navigator: BatteryNavigator, onChange: () => void) {
    this.#navigator = navigator;
    this.#onChange = onChange;
  }

  /** Whether this browser has the interface at all; it may still refuse. */
  get available(): boolean {
    return this.#navigator.getBattery !== undefined;
  }

  get state(): Battery | null {
    return this.#manager === null ? null : { charging: this.#manager.charging, level: this.#manager.level };
  }

  async start(): Promise<void> {
    this.#wanted = true;
    try {
      const manager = await this.#navigator.getBattery?.();
      if (manager === undefined || !this.#wanted || this.#manager !== null) return;
      this.#manager = manager;
      for (const event of ['levelchange', 'chargingchange']) manager.addEventListener(event, this.#onChange);
      this.#onChange();
    } catch {
      // Refused by policy: the same as not having it.
    }
  }

  stop(): void {
    this.#wanted = false;
    for (const event of ['levelchange', 'chargingchange'])
      this.#manager?.removeEventListener(event, this.#onChange);
    this.#manager = null;
  }
}
