/** The gallery's states of control: every reason to wait, the last round, and what is shown after it. */
import type { Hold } from '../../app/governor/rules.ts';
import { type ControlView, NO_CONTROL } from '../../app/governor/view.ts';
import { DEFAULT_SETTINGS, PRESETS, type Settings } from '../../app/settings.ts';
import type { AppState } from '../../app/state.ts';
import { run, training } from './fake-data.ts';

const HOUR = 3_600_000;
const EVERY_DAY = [true, true, true, true, true, true, true];
const WEEKDAYS = [true, true, true, true, true, false, false];

/** A laptop in a Chromium that tells everything. */
const control = (part: Partial<ControlView>): ControlView => ({
  ...NO_CONTROL,
  share: 0.7,
  month: { down: 1_310_000_000, up: 940_000_000 },
  battery: { charging: true, level: 0.82 },
  metered: false,
  has: { battery: true, idle: true, network: true, wakeLock: true },
  ...part,
});

const held =
  (settings: Partial<Settings>, part: Partial<ControlView>, ...holds: readonly Hold[]) =>
  (): Partial<AppState> => ({
    ...training(),
    activity: 'waiting',
    tokensPerSecond: 0,
    settings: { ...DEFAULT_SETTINGS, ...settings },
    control: control({ holds, ...part }),
    ...(part.offline === true ? { peers: [], round: 0, phaseEndsAt: 0 } : {}),
  });

const running = (settings: Partial<Settings>, part: Partial<ControlView>) => (): Partial<AppState> => ({
  ...training(),
  settings: { ...DEFAULT_SETTINGS, ...settings },
  control: control(part),
});

const tonight = () => new Date().setHours(22, 0, 0, 0) + (new Date().getHours() >= 22 ? 24 * HOUR : 0);
const nextMonth = () => new Date(new Date().getFullYear(), new Date().getMonth() + 1, 1).getTime();

const everything: Partial<Settings> = {
  ...PRESETS.eco,
  gpuShare: 0.55,
  battery: 'thresholds',
  keepAwake: true,
  schedule: [
    { days: WEEKDAYS, from: 22 * 60, to: 7 * 60 },
    { days: [false, false, false, false, false, true, true], from: 9 * 60, to: 18 * 60 + 30 },
  ],
  downRate: 2_000_000,
  upRate: 500_000,
  monthlyCap: 5e9,
};

export const controlScenarios: Readonly<Record<string, () => Partial<AppState>>> = {
  'wait-schedule': () =>
    held(
      { schedule: [{ days: EVERY_DAY, from: 22 * 60, to: 7 * 60 }] },
      { offline: true },
      { reason: 'schedule', until: tonight() },
    )(),
  'wait-never': held({ schedule: [] }, { offline: true }, { reason: 'schedule', until: null }),
  'wait-battery': held(
    {},
    { battery: { charging: true, level: 0.47 } },
    { reason: 'battery-low', until: null, level: 0.47, resume: 0.6 },
  ),
  'wait-mains': held(
    PRESETS.eco,
    { battery: { charging: false, level: 0.91 } },
    { reason: 'on-battery', until: null, level: 0.91 },
  ),
  'wait-active': held({ whenActive: 'pause' }, { presence: 'computer' }, { reason: 'active', until: null }),
  'wait-active-page': () =>
    held({ whenActive: 'pause' }, {}, { reason: 'active', until: Date.now() + 3 * 60_000 })(),
  'wait-metered': held(
    {},
    { offline: true, metered: true, battery: null },
    { reason: 'metered', until: null },
  ),
  'wait-month': () =>
    held(
      { monthlyCap: 2_250_000_000 },
      { offline: true },
      {
        reason: 'monthly-cap',
        until: nextMonth(),
        used: 2_250_000_000,
        cap: 2_250_000_000,
        needed: 7_500_000,
      },
    )(),
  'wait-several': () =>
    held(
      { ...everything, battery: 'mains' },
      { offline: true, battery: { charging: false, level: 0.34 } },
      { reason: 'schedule', until: tonight() },
      { reason: 'on-battery', until: null, level: 0.34 },
    )(),
  slowed: running(PRESETS.eco, { slowed: true, share: 0.2, presence: 'computer' }),
  finishing: running({}, { finishing: true }),
  finished: () => ({
    run,
    totals: training().totals!,
    control: control({ finishedRound: 42, battery: null, metered: null }),
  }),
  rules: running(everything, { awake: 'held', presence: 'page', battery: { charging: false, level: 0.82 } }),
  'rules-nothing-told': running(
    { battery: 'mains', whenActive: 'pause', keepAwake: true, upRate: 16_000 },
    {
      awake: 'missing',
      battery: null,
      metered: null,
      month: { down: 0, up: 0 },
      has: { battery: false, idle: false, network: false, wakeLock: false },
    },
  ),
};
