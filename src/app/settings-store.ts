/**
 * Keeps the volunteer's settings in localStorage, shared by all tabs of the browser. Whatever is read back is checked
 * field by field: one bad field falls back to its default and costs none of the others. A limit that cannot be read never
 * becomes "no limit": it becomes the tightest one, which the page shows, and the volunteer sets it anew.
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
/** Absent or null: no limit. A number below the least is the least; what is no number is the tightest limit there is. */
const limit = (least: number) =>
  v.optional(
    v.fallback(
      v.nullable(
        v.pipe(
          number,
          v.finite(),
          v.transform((value) => Math.max(least, value)),
        ),
      ),
      least,
    ),
    null,
  );

const Window: v.GenericSchema<unknown, ClockWindow> = v.object({
  days: v.pipe(v.array(v.boolean()), v.length(7)),
  from: minutes,
  to: minutes,
});

const fallback = DEFAULT_SETTINGS;
/** What was never set is the default; what was set and cannot be read is as careful as it may have been. */
const careful = <T>(schema: v.GenericSchema<unknown, T>, unread: NoInfer<T>, unset: NoInfer<T>) =>
  v.optional(v.fallback(schema, unread), unset);
const Stored = v.object({
  gpuShare: careful(within(MIN_SHARE, 1), MIN_SHARE, fallback.gpuShare),
  whenActive: careful(v.picklist(['run', 'slow', 'pause']), 'pause', fallback.whenActive),
  activeShare: careful(within(MIN_SHARE, 1), MIN_SHARE, fallback.activeShare),
  idleMinutes: v.fallback(within(1, 120), fallback.idleMinutes),
  battery: careful(v.picklist(['run', 'thresholds', 'mains']), 'mains', fallback.battery),
  pauseBelow: v.fallback(within(0, 1 - MIN_BATTERY_GAP), fallback.pauseBelow),
  resumeAbove: v.fallback(within(MIN_BATTERY_GAP, 1), fallback.resumeAbove),
  metered: careful(v.picklist(['run', 'pause']), 'pause', fallback.metered),
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
  let text: string | null;
  try {
    text = localStorage.getItem(KEY);
  } catch {
    // Storage is off: there is nothing that could have been set.
    return DEFAULT_SETTINGS;
  }
  return text === null ? DEFAULT_SETTINGS : (parsed(text) ?? UNREADABLE);
}

/** Null when the text is no JSON object. */
function parsed(text: string): Settings | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? settingsFrom(value) : null;
  } catch {
    return null;
  }
}

/** Of what cannot be read at all nobody knows which limits it held: no hours until the volunteer chooses some. */
const UNREADABLE: Settings = { ...DEFAULT_SETTINGS, schedule: [] };

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
    // Cleared or unreadable: what this tab knows already is better.
    const settings = event.key === KEY && event.newValue !== null ? parsed(event.newValue) : null;
    if (settings !== null) listener(settings);
  };
  addEventListener('storage', heard);
  return () => removeEventListener('storage', heard);
}
