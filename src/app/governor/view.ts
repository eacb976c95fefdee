/** What the page shows of the governor: what it observes, what it therefore does, and what this browser cannot tell. */
import type { Battery, Hold } from './rules.ts';
import type { WakeState } from './sensors/wake-lock.ts';
import type { Usage } from './usage.ts';

export interface ControlView {
  /** Why the tab does not train although it was started; empty when no rule holds. */
  readonly holds: readonly Hold[];
  /** The tab is off the network because of them. */
  readonly offline: boolean;
  /** GPU share in effect. */
  readonly share: number;
  /** The share is lower than set because somebody is active. */
  readonly slowed: boolean;
  /** The round in hand is the last. */
  readonly finishing: boolean;
  /** How the last session ended: handed in and stopped as asked, or null. */
  readonly finishedRound: number | null;
  /** This month's bytes, all tabs; null until known. */
  readonly month: Usage | null;
  /** Null where the browser does not tell, and before Start. */
  readonly battery: Battery | null;
  /** What "active" rests on. */
  readonly presence: 'computer' | 'page';
  readonly metered: boolean | null;
  readonly awake: WakeState;
  /** Which interfaces this browser has; what it has it may still refuse. */
  readonly has: {
    readonly battery: boolean;
    readonly idle: boolean;
    readonly network: boolean;
    readonly wakeLock: boolean;
  };
}

export const NO_CONTROL: ControlView = {
  holds: [],
  offline: false,
  share: 1,
  slowed: false,
  finishing: false,
  finishedRound: null,
  month: null,
  battery: null,
  presence: 'page',
  metered: null,
  awake: 'off',
  has: { battery: false, idle: false, network: false, wakeLock: false },
};
