/**
 * Keeps the volunteer's settings in localStorage, shared by all tabs of the browser. Whatever is read back is checked
 * field by field: one bad field falls back to its default and costs none of the others.
 */
import * as v from 'valibot';
import {
  type ClockWindow,
  DEFAULT_SETTINGS,
  MAX_WINDOWS,
  MIN_BATTERY_GAP,
  MIN_RATE,
  MIN_SHARE,
  type Settings,
} from './settings.ts';

const KEY = 'tabswarm.settings';

/** JSON has no -0: settings must be the same after they were saved. */
const number = v.pipe(
  v.number(),
  v.transform((value) => value + 0),
);
const within = (min: number, max: number) => v.pipe(number, v.minValue(min), v.maxValue(max));
const minutes = v.pipe(number, v.integer(), v.minValue(0), v.maxValue(1439));
const limit = (min: number) => v.fallback(v.nullable(v.pipe(number, v.finite(), v.minValue(min))), null);

const Window: v.GenericSchema<unknown, ClockWindow> = v.object({
  days: v.pipe(v.array(v.boolean()), v.length(7)),
  from: minutes,
  to: minutes,
});

const fallback = DEFAULT_SETTINGS;
const Stored = v.object({
  gpuShare: v.fallback(within(MIN_SHARE, 1), fallback.gpuShare),
  whenActive: v.fallback(v.picklist(['run', 'slow', 'pause']), fallback.whenActive),
  activeShare: v.fallback(within(MIN_SHARE, 1), fallback.activeShare),
  idleMinutes: v.fallback(within(1, 120), fallback.idleMinutes),
  battery: v.fallback(v.picklist(['run', 'thresholds', 'mains']), fallback.battery),
  pauseBelow: v.fallback(within(0, 1 - MIN_BATTERY_GAP), fallback.pauseBelow),
  resumeAbove: v.fallback(within(MIN_BATTERY_GAP, 1), fallback.resumeAbove),
  metered: v.fallback(v.picklist(['run', 'pause']), fallback.metered),
  keepAwake: v.fallback(v.boolean(), fallback.keepAwake),
  // A schedule that cannot be read must not become "at any time": it becomes "never", which the page shows.
  schedule: v.optional(v.fallback(v.nullable(v.pipe(v.array(Window), v.maxLength(MAX_WINDOWS))), []), null),
  downRate: limit(MIN_RATE),
  upRate: limit(MIN_RATE),
  monthlyCap: limit(0),
});

/** Settings from anything: unknown fields dropped, bad ones replaced, the thresholds kept apart. */
export function settingsFrom(value: unknown): Settings {
  const parsed = v.safeParse(Stored, typeof value === 'object' && value !== null ? value : {});
  const settings = parsed.success ? parsed.output : DEFAULT_SETTINGS;
  // To thousandths: 0.55 + 0.05 must not become a charge that no browser ever reports.
  const lowest = Math.round((settings.pauseBelow + MIN_BATTERY_GAP) * 1000) / 1000;
  return { ...settings, resumeAbove: Math.min(1, Math.max(settings.resumeAbove, lowest)) };
}

export function loadSettings(): Settings {
  try {
    return settingsFrom(JSON.parse(localStorage.getItem(KEY) ?? '{}'));
  } catch {
    return DEFAULT_SETTINGS;
  }
}

export function saveSettings(settings: Settings): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // Storage is off: the settings last as long as the tab.
  }
}

/** Told when another tab of this browser changed the settings; returns the undo. */
export function onSettingsElsewhere(listener: (settings: Settings) => void): () => void {
  const heard = (event: StorageEvent): void => {
    if (event.key === KEY) listener(loadSettings());
  };
  addEventListener('storage', heard);
  return () => removeEventListener('storage', heard);
}
