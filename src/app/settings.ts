/**
 * What the volunteer allows, as plain data: how much of the GPU and the line, when, and under which conditions. Read by
 * the governor (governor/rules.ts), shown by the page, kept by settings-store.ts.
 */

/** Hours of one or more weekdays, by the clock on the wall. */
export interface ClockWindow {
  /** Days on which the window opens, Monday first. */
  readonly days: readonly boolean[];
  /** Minutes after midnight. `to` at or before `from` means the day after: 22:00 to 07:00; equal means 24 hours. */
  readonly from: number;
  readonly to: number;
}

export interface Settings {
  /** Share of the GPU's time, 0.1 to 1. */
  readonly gpuShare: number;
  /** What to do while somebody uses this computer. */
  readonly whenActive: 'run' | 'slow' | 'pause';
  /** GPU share while slowed down. */
  readonly activeShare: number;
  /** Minutes without input after which nobody counts as active. */
  readonly idleMinutes: number;
  /** `thresholds`: pause below one charge level, resume at another. `mains`: never on battery. */
  readonly battery: 'run' | 'thresholds' | 'mains';
  /** Charge levels 0 to 1; `resumeAbove` is always higher, so that the state does not flap. */
  readonly pauseBelow: number;
  readonly resumeAbove: number;
  readonly metered: 'run' | 'pause';
  /** Keep the screen, and so the computer, awake while training. */
  readonly keepAwake: boolean;
  /** Null: at any time. */
  readonly schedule: readonly ClockWindow[] | null;
  /** Bytes a second; null: no limit. */
  readonly downRate: number | null;
  readonly upRate: number | null;
  /** Bytes a calendar month, down and up together, for all tabs of this browser; null: no limit. */
  readonly monthlyCap: number | null;
}

export const MIN_SHARE = 0.1;
/** Slower than this a link is useless for any run. Bytes a second. */
export const MIN_RATE = 16_000;
/** Between the two battery thresholds. */
export const MIN_BATTERY_GAP = 0.05;
export const MAX_WINDOWS = 6;

/** What a preset sets. Schedule and data limits are the volunteer's circumstances, so presets leave them alone. */
type PresetPart = Pick<
  Settings,
  | 'gpuShare'
  | 'whenActive'
  | 'activeShare'
  | 'battery'
  | 'pauseBelow'
  | 'resumeAbove'
  | 'metered'
  | 'keepAwake'
>;

export type Preset = 'eco' | 'balanced' | 'full';

export const PRESETS: Readonly<Record<Preset, PresetPart>> = {
  eco: {
    gpuShare: 0.4,
    whenActive: 'slow',
    activeShare: 0.2,
    battery: 'mains',
    pauseBelow: 0.5,
    resumeAbove: 0.8,
    metered: 'pause',
    keepAwake: false,
  },
  balanced: {
    gpuShare: 0.7,
    whenActive: 'run',
    activeShare: 0.3,
    battery: 'thresholds',
    pauseBelow: 0.4,
    resumeAbove: 0.6,
    metered: 'pause',
    keepAwake: false,
  },
  full: {
    gpuShare: 1,
    whenActive: 'run',
    activeShare: 0.5,
    battery: 'run',
    pauseBelow: 0.2,
    resumeAbove: 0.3,
    metered: 'run',
    keepAwake: true,
  },
};

export const DEFAULT_SETTINGS: Settings = {
  ...PRESETS.balanced,
  idleMinutes: 3,
  schedule: null,
  downRate: null,
  upRate: null,
  monthlyCap: null,
};

/** The preset whose effect these settings have; null for settings of one's own. */
export function presetOf(settings: Settings): Preset | null {
  for (const preset of ['eco', 'balanced', 'full'] as const) {
    const part = PRESETS[preset];
    const same =
      part.gpuShare === settings.gpuShare &&
      part.whenActive === settings.whenActive &&
      (part.whenActive !== 'slow' || part.activeShare === settings.activeShare) &&
      part.battery === settings.battery &&
      (part.battery !== 'thresholds' ||
        (part.pauseBelow === settings.pauseBelow && part.resumeAbove === settings.resumeAbove)) &&
      part.metered === settings.metered &&
      part.keepAwake === settings.keepAwake;
    if (same) return preset;
  }
  return null;
}
