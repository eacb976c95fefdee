/** What comes back from the browser's storage may be anything; what the governor gets is always in range. */
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { DEFAULT_SETTINGS, MIN_BATTERY_GAP, PRESETS, presetOf, type Settings } from './settings.ts';
import { loadSettings, onSettingsElsewhere, settingsFrom } from './settings-store.ts';

const FIELDS = Object.keys(DEFAULT_SETTINGS) as (keyof Settings)[];

test('anything at all becomes settings in range', () => {
  const junk = fc.record(
    Object.fromEntries(
      FIELDS.map((field) => [field, fc.oneof(fc.jsonValue(), fc.double(), fc.constant(undefined))]),
    ),
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), junk), (value) => {
      const s = settingsFrom(value);
      expect(s.gpuShare).toBeGreaterThanOrEqual(0.1);
      expect(s.gpuShare).toBeLessThanOrEqual(1);
      expect(s.resumeAbove - s.pauseBelow).toBeGreaterThanOrEqual(MIN_BATTERY_GAP - 1e-9);
      expect(s.resumeAbove).toBeLessThanOrEqual(1);
      for (const window of s.schedule ?? []) expect(window.days).toHaveLength(7);
      // Saving and loading again changes nothing.
      expect(settingsFrom(JSON.parse(JSON.stringify(s)))).toEqual(s);
    }),
  );
});

test('a cap of minus zero is the same after it was saved', () => {
  expect(settingsFrom({ monthlyCap: -0, pauseBelow: -0 })).toMatchObject({ monthlyCap: 0, pauseBelow: 0 });
});

test('one bad field costs none of the others', () => {
  const good: Settings = { ...DEFAULT_SETTINGS, gpuShare: 0.3, upRate: 65_536, battery: 'mains' };
  expect(settingsFrom({ ...good, idleMinutes: 'often', colour: 'red' })).toEqual({
    ...good,
    idleMinutes: DEFAULT_SETTINGS.idleMinutes,
  });
});

test('a preset is recognised by its effect, and lost by changing any part of it', () => {
  for (const preset of ['eco', 'balanced', 'full'] as const) {
    const settings = { ...DEFAULT_SETTINGS, ...PRESETS[preset] };
    expect(presetOf(settings)).toBe(preset);
    expect(presetOf({ ...settings, monthlyCap: 5e9 })).toBe(preset);
    expect(presetOf({ ...settings, gpuShare: 0.55 })).toBeNull();
    expect(presetOf({ ...settings, keepAwake: !settings.keepAwake })).toBeNull();
  }
  expect(presetOf(DEFAULT_SETTINGS)).toBe('balanced');
});

test('a schedule that cannot be read means never, not always', () => {
  expect(settingsFrom({ schedule: [{ days: 'all' }] }).schedule).toEqual([]);
  expect(settingsFrom({}).schedule).toBeNull();
});

test('a limit that cannot be read is never lifted', () => {
  const unread = settingsFrom({
    downRate: 'slow',
    upRate: {},
    monthlyCap: '5 GB',
    gpuShare: 'low',
    battery: 3,
    metered: [],
    whenActive: 0,
  });
  expect(unread).toMatchObject({
    downRate: 16_000,
    upRate: 16_000,
    monthlyCap: 0,
    gpuShare: 0.1,
    battery: 'mains',
    metered: 'pause',
    whenActive: 'pause',
  });
  expect(settingsFrom({ downRate: 5, monthlyCap: -3 })).toMatchObject({ downRate: 16_000, monthlyCap: 0 });
  expect(settingsFrom({})).toEqual(DEFAULT_SETTINGS);
});

afterEach(() => vi.unstubAllGlobals());

test('settings that are no JSON mean no hours at all, until the volunteer chooses some', () => {
  const stored = (text: string | null) =>
    vi.stubGlobal('localStorage', { getItem: () => text, setItem: () => {} });
  for (const text of ['{"downRate":', '[]', '7', 'null']) {
    stored(text);
    expect(loadSettings().schedule).toEqual([]);
  }
  stored(null);
  expect(loadSettings()).toEqual(DEFAULT_SETTINGS);
});

test('another tab that clears or spoils the settings changes none here', () => {
  const target = new EventTarget();
  vi.stubGlobal('addEventListener', target.addEventListener.bind(target));
  vi.stubGlobal('removeEventListener', target.removeEventListener.bind(target));
  const heard: Settings[] = [];
  const off = onSettingsElsewhere((settings) => heard.push(settings));
  const say = (newValue: string | null) =>
    target.dispatchEvent(Object.assign(new Event('storage'), { key: 'tabswarm.settings', newValue }));
  say(null);
  say('{"gpuShare":');
  say('{"gpuShare":0.3}');
  expect(heard.map(({ gpuShare }) => gpuShare)).toEqual([0.3]);
  off();
});
