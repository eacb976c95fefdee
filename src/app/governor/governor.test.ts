/** The governor between a browser moved by hand and a session that only listens. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Settings } from '../settings.ts';
import { createAppStore } from '../store.ts';
import { Governor } from './governor.ts';
import type { Decision } from './rules.ts';
import { FakeBrowser, FakeIdleDetector } from './sensors/testing.ts';
import { MonthlyUsage, type Usage, type UsageStore } from './usage.ts';

const NOON = new Date(2026, 10, 30, 12).getTime();
const MINUTE = 60_000;

/** What two tabs of one browser share. */
class SharedMonths implements UsageStore {
  readonly months = new Map<string, Usage>();
  async add(month: string, usage: Usage): Promise<Usage> {
    const before = this.months.get(month) ?? { down: 0, up: 0 };
    const after = { down: before.down + usage.down, up: before.up + usage.up };
    this.months.set(month, after);
    return after;
  }
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOON });
  // Node has neither; a tab keeps its settings and hears of other tabs' changes.
  const kept = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
  });
  const window = new EventTarget();
  vi.stubGlobal('addEventListener', window.addEventListener.bind(window));
  vi.stubGlobal('removeEventListener', window.removeEventListener.bind(window));
  vi.stubGlobal('dispatchEvent', window.dispatchEvent.bind(window));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function tab(settings: Partial<Settings>, usage: UsageStore = new SharedMonths()) {
  const browser = new FakeBrowser();
  const store = createAppStore();
  const obeyed: Decision[] = [];
  const governor = new Governor({
    store,
    obey: (decision) => obeyed.push(decision),
    scope: browser.scope,
    usage,
  });
  governor.change(settings);
  const begin = async (trains = true) => {
    governor.begin({ trains, roundBytes: 1000, joinBytes: 3000 });
    const stay = new AbortController();
    const allowed = governor.allowed(stay.signal);
    stay.abort();
    await allowed;
    await vi.advanceTimersByTimeAsync(1);
  };
  const reasons = () => store.getState().control.holds.map((hold) => hold.reason);
  const receive = (down: number, up: number) =>
    store.setState((s) => ({
      traffic: {
        ...s.traffic,
        bytesIn: { direct: down, relayed: 0, host: 0 },
        bytesOut: { direct: up, relayed: 0, host: 0 },
      },
    }));
  return { browser, store, governor, obeyed, begin, reasons, receive };
}

test('nothing is observed before begin, and nothing after end', async () => {
  const t = tab({ battery: 'mains', keepAwake: true });
  t.browser.charge(0.5, false);
  expect(t.reasons()).toEqual([]);
  expect(t.store.getState().control).toMatchObject({ battery: null, awake: 'off' });
  expect(t.store.getState().control.has).toEqual({
    battery: true,
    idle: true,
    network: true,
    wakeLock: true,
  });
  await t.begin();
  expect(t.reasons()).toEqual(['on-battery']);
  t.governor.end();
  expect(t.reasons()).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
  const told = t.obeyed.length;
  t.browser.charge(0.6, true);
  t.browser.type();
  expect(t.obeyed).toHaveLength(told);
});

test('the session is told of each change once, and the page sees the reading', async () => {
  const t = tab({ battery: 'thresholds', pauseBelow: 0.3, resumeAbove: 0.5 });
  await t.begin();
  const told = t.obeyed.length;
  t.browser.charge(0.29, false);
  t.browser.charge(0.29, false);
  expect(t.obeyed.slice(told).map((d) => d.mayTrain)).toEqual([false]);
  expect(t.store.getState().control.battery).toEqual({ level: 0.29, charging: false });
  t.browser.charge(0.5, true);
  expect(t.obeyed.at(-1)?.mayTrain).toBe(true);
});

test('watching counts traffic and waits for nothing', async () => {
  const t = tab({ battery: 'mains', metered: 'pause', monthlyCap: 10 });
  t.browser.charge(0.1, false);
  t.browser.connect({ saveData: true });
  await t.begin(false);
  t.receive(500, 20);
  await vi.advanceTimersByTimeAsync(6000);
  expect(t.reasons()).toEqual([]);
  expect(t.store.getState().control.month).toEqual({ down: 500, up: 20 });
});

test('while the page’s own input is all there is: active for the idle time, then not', async () => {
  const t = tab({ whenActive: 'pause', idleMinutes: 2 });
  await t.begin();
  expect(t.store.getState().control.presence).toBe('page');
  t.browser.type();
  expect(t.store.getState().control.holds).toEqual([{ reason: 'active', until: NOON + 1 + 2 * MINUTE }]);
  await vi.advanceTimersByTimeAsync(MINUTE);
  t.browser.type();
  await vi.advanceTimersByTimeAsync(MINUTE + 5000);
  expect(t.reasons()).toEqual(['active']);
  await vi.advanceTimersByTimeAsync(MINUTE);
  expect(t.reasons()).toEqual([]);
  t.browser.see('hidden');
  t.browser.type();
  expect(t.reasons()).toEqual([]);
});

test('with permission the whole computer counts, and a locked screen is idle', async () => {
  const t = tab({ whenActive: 'slow', gpuShare: 0.8, activeShare: 0.2, idleMinutes: 5 });
  await t.begin();
  expect(t.store.getState().control.presence).toBe('page');
  await t.governor.askPresence();
  expect(t.store.getState().control).toMatchObject({ presence: 'computer', slowed: true, share: 0.2 });
  expect(FakeIdleDetector.last?.threshold).toBe(5 * MINUTE);
  FakeIdleDetector.last?.say('idle');
  expect(t.obeyed.at(-1)).toMatchObject({ share: 0.8, slowed: false });
  FakeIdleDetector.last?.say('active');
  expect(t.obeyed.at(-1)?.share).toBe(0.2);
  FakeIdleDetector.last?.say('active', 'locked');
  expect(t.obeyed.at(-1)?.share).toBe(0.8);
});

test('a schedule opens by the clock alone, and lets the tab back onto the network', async () => {
  const t = tab({ schedule: [{ days: Array.from({ length: 7 }, () => true), from: 13 * 60, to: 14 * 60 }] });
  await t.begin();
  expect(t.obeyed.at(-1)).toMatchObject({ offline: true, until: NOON + 60 * MINUTE });
  let allowed = false;
  void t.governor.allowed(new AbortController().signal).then(() => {
    allowed = true;
  });
  await vi.advanceTimersByTimeAsync(49 * MINUTE);
  expect(allowed).toBe(false);
  // Ten minutes before, the tab may connect; it trains on the hour.
  await vi.advanceTimersByTimeAsync(2 * MINUTE);
  expect([allowed, t.obeyed.at(-1)?.mayTrain]).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(9 * MINUTE);
  expect(t.obeyed.at(-1)?.mayTrain).toBe(true);
  await vi.advanceTimersByTimeAsync(60 * MINUTE);
  expect(t.obeyed.at(-1)).toMatchObject({ mayTrain: false, offline: true });
});

test('a hold can be waved aside, and holds again the next time', async () => {
  const t = tab({ metered: 'pause' });
  t.browser.connect({ type: 'cellular' });
  await t.begin();
  expect(t.reasons()).toEqual(['metered']);
  t.governor.waive();
  expect(t.obeyed.at(-1)).toMatchObject({ mayTrain: true, offline: false });
  t.browser.connect({ type: 'wifi' });
  t.browser.connect({ type: 'cellular' });
  expect(t.reasons()).toEqual(['metered']);
});

test('the screen is kept awake only while training on mains, and again when the page comes back', async () => {
  const t = tab({ keepAwake: true, battery: 'run' });
  await t.begin();
  const awake = () => [t.browser.locks.size, t.store.getState().control.awake];
  const settle = () => vi.advanceTimersByTimeAsync(1);
  expect(awake()).toEqual([1, 'held']);
  t.browser.see('hidden');
  expect(awake()).toEqual([0, 'hidden']);
  t.browser.see('visible');
  await settle();
  expect(awake()).toEqual([1, 'held']);
  t.governor.setPaused(true);
  expect(awake()).toEqual([0, 'off']);
  t.governor.setPaused(false);
  await settle();
  expect(awake()).toEqual([1, 'held']);
  t.browser.charge(0.9, false);
  expect(awake()).toEqual([0, 'off']);
  t.browser.refuseLocks = true;
  t.browser.charge(0.9, true);
  await settle();
  expect(awake()).toEqual([0, 'refused']);
  t.governor.end();
  expect(awake()).toEqual([0, 'off']);
});

test('two tabs share one monthly limit, and the month begins anew at midnight', async () => {
  const shared = new SharedMonths();
  const anna = tab({ monthlyCap: 10_000 }, shared);
  const ben = tab({ monthlyCap: 10_000 }, shared);
  await anna.begin();
  await ben.begin();
  anna.receive(4000, 1000);
  ben.receive(4000, 500);
  await vi.advanceTimersByTimeAsync(60_000);
  // 9500 bytes and a round of 1000 would pass the limit.
  expect([anna.reasons(), ben.reasons()]).toEqual([['monthly-cap'], ['monthly-cap']]);
  expect(anna.obeyed.at(-1)?.until).toBe(new Date(2026, 11, 1).getTime());
  vi.setSystemTime(new Date(2026, 11, 1, 0, 0, 1));
  await vi.advanceTimersByTimeAsync(10_000);
  expect([anna.reasons(), ben.reasons()]).toEqual([[], []]);
  expect(shared.months.get('2026-11')).toEqual({ down: 8000, up: 1500 });
});

test('a tab that is away counts what coming back costs, and is not sent away again by that download', async () => {
  const shared = new SharedMonths();
  shared.months.set('2026-11', { down: 5000, up: 500 });
  const t = tab({ monthlyCap: 10_000 }, shared);
  await t.begin();
  expect(t.reasons()).toEqual([]);
  t.receive(3000, 0);
  await vi.advanceTimersByTimeAsync(6000);
  // 8500 and a round fit; 8500, the way back and a round would not.
  expect(t.reasons()).toEqual([]);
  void t.governor.allowed(new AbortController().signal);
  expect(t.store.getState().control.holds).toMatchObject([{ reason: 'monthly-cap', needed: 4000 }]);
});

test('totals that start again at zero are added, and a store that fails counts for this tab alone', async () => {
  const failing: UsageStore = {
    add: async () => {
      throw new Error('no storage');
    },
  };
  for (const store of [new SharedMonths(), failing]) {
    const usage = new MonthlyUsage(store);
    usage.observe({ down: 100, up: 10 });
    await usage.flush(NOON);
    usage.observe({ down: 150, up: 10 });
    usage.observe({ down: 30, up: 5 }); // a new stay in the swarm
    await usage.flush(NOON);
    expect(usage.month).toEqual({ down: 180, up: 15 });
  }
});

test('a changed setting is kept: a page that is opened later begins with it', async () => {
  tab({ gpuShare: 0.4 });
  const later = tab({});
  await later.begin();
  expect(later.store.getState().settings.gpuShare).toBe(0.4);
  expect(later.obeyed.at(-1)?.share).toBe(0.4);
});

test('settings changed in another tab take effect here', async () => {
  const t = tab({ gpuShare: 0.5 });
  await t.begin();
  const newValue = JSON.stringify({ gpuShare: 0.2 });
  localStorage.setItem('tabswarm.settings', newValue);
  dispatchEvent(Object.assign(new Event('storage'), { key: 'tabswarm.settings', newValue }));
  expect(t.obeyed.at(-1)?.share).toBe(0.2);
  expect(t.store.getState().settings.gpuShare).toBe(0.2);
});

test('a browser with none of the interfaces trains all the same', async () => {
  const store = createAppStore();
  const document = new FakeBrowser().scope.document;
  const governor = new Governor({
    store,
    obey: () => {},
    scope: { navigator: {}, document },
    usage: new SharedMonths(),
  });
  governor.change({ battery: 'mains', metered: 'pause', keepAwake: true, whenActive: 'pause' });
  governor.begin({ trains: true, roundBytes: 1000, joinBytes: 3000 });
  await vi.advanceTimersByTimeAsync(1);
  expect(governor.decision.mayTrain).toBe(true);
  expect(store.getState().control).toMatchObject({
    awake: 'missing',
    presence: 'page',
    has: { battery: false, idle: false, network: false, wakeLock: false },
  });
  governor.end();
});
