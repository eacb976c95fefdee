/**
 * The governor at work: observes battery, presence, network and traffic, asks the rules (rules.ts) whenever something
 * changed or time is up, writes what it finds into the store, and tells the session what to obey.
 *
 * Nothing is observed before `begin`; `end` lets go of every listener, timer and lock.
 */
import { DEFAULT_SETTINGS, type Settings } from '../settings.ts';
import { loadSettings, onSettingsElsewhere, saveSettings, settingsFrom } from '../settings-store.ts';
import { type Clock, every, systemClock } from '../../protocol/timer.ts';
import type { LinkPath } from '../../swarm/types.ts';
import type { AppStore } from '../store.ts';
import { type Conditions, decide, type Decision, FRESH, type Memory, waive } from './rules.ts';
import { type BatteryNavigator, BatterySensor } from './sensors/battery.ts';
import { type NetworkNavigator, NetworkSensor } from './sensors/network.ts';
import { type PresenceScope, PresenceSensor } from './sensors/presence.ts';
import { type WakeScope, WakeLockKeeper } from './sensors/wake-lock.ts';
import { BrowserUsage, MonthlyUsage, type UsageStore } from './usage.ts';
import type { ControlView } from './view.ts';

/** How often traffic is kept and rules are asked without any event. */
const TICK_MS = 5000;
/** After the foretold instant, so that the clock has surely passed it. */
const AFTER_MS = 20;

/** The browser as the sensors see it; `globalThis` is one. */
export type Surroundings = PresenceScope &
  WakeScope & { readonly navigator: BatteryNavigator & NetworkNavigator };

export interface GovernorOptions {
  readonly store: AppStore;
  /** Told of every change of the decision, of the settings, and at `begin`. */
  readonly obey: (decision: Decision, settings: Settings) => void;
  readonly scope?: Surroundings;
  readonly usage?: UsageStore;
  /** This machine's; default the system's. */
  readonly clock?: Clock;
}

/** What the session is about to do. */
export interface Task {
  /** False when only watching: traffic is counted, but no rule holds. */
  readonly trains: boolean;
  /** Bytes that a round will about cost, and coming into the swarm. */
  readonly roundBytes: number;
  readonly joinBytes: number;
}

const ALLOWED: Decision = {
  mayTrain: true,
  holds: [],
  offline: false,
  share: DEFAULT_SETTINGS.gpuShare,
  slowed: false,
  until: null,
};

export class Governor {
  readonly #store: AppStore;
  readonly #obey: GovernorOptions['obey'];
  readonly #clock: Clock;
  readonly #usage: MonthlyUsage;
  readonly #battery: BatterySensor;
  readonly #network: NetworkSensor;
  readonly #presence: PresenceSensor;
  readonly #wake: WakeLockKeeper;
  #memory: Memory = FRESH;
  #decision: Decision = ALLOWED;
  #task: Task | null = null;
  #paused = false;
  #away = true;
  #stopTicking: () => void = () => {};
  #cancelAlarm: () => void = () => {};
  #release: (() => void)[] = [];
  readonly #waiters = new Set<() => void>();

  constructor(options: GovernorOptions) {
    this.#store = options.store;
    this.#obey = options.obey;
    this.#clock = options.clock ?? systemClock();
    this.#usage = new MonthlyUsage(options.usage ?? new BrowserUsage());
    const scope: Surroundings = options.scope ?? globalThis;
    const look = (): void => this.#look();
    this.#battery = new BatterySensor(scope.navigator, look);
    this.#network = new NetworkSensor(scope.navigator, look);
    this.#presence = new PresenceSensor(scope, look, () => this.#clock.now());
    this.#wake = new WakeLockKeeper(scope, () => this.#show());
    this.#adopt(loadSettings());
    this.#show({
      has: {
        battery: this.#battery.available,
        idle: this.#presence.available,
        network: this.#network.available,
        wakeLock: this.#wake.available,
      },
    });
    // What this browser has used this month may be read before Start; it tells the volunteer how much is left.
    void this.#count();
  }

  get decision(): Decision {
    return this.#decision;
  }

  /** Changes some of the settings, at once and for all tabs of this browser. */
  change(part: Partial<Settings>): void {
    const before = this.#settings;
    const settings = settingsFrom({ ...before, ...part });
    saveSettings(settings);
    this.#adopt(settings);
    if (settings.idleMinutes !== before.idleMinutes) void this.#observePresence();
  }

  begin(task: Task): void {
    this.end();
    this.#task = task;
    this.#paused = false;
    this.#away = true;
    this.#memory = FRESH;
    this.#show({ finishedRound: null });
    this.#release = [
      onSettingsElsewhere((settings) => this.#adopt(settings)),
      this.#store.subscribe(({ traffic }, before) => {
        if (traffic === before.traffic) return;
        this.#usage.observe({ down: sumOf(traffic.bytesIn), up: sumOf(traffic.bytesOut) });
      }),
    ];
    if (task.trains) {
      void this.#battery.start();
      this.#network.start();
      void this.#observePresence();
    }
    this.#stopTicking = every(this.#clock, TICK_MS, () => void this.#count());
    void this.#count();
    this.#look(true);
  }

  end(): void {
    if (this.#task === null) return;
    this.#task = null;
    this.#stopTicking();
    this.#cancelAlarm();
    for (const release of this.#release.splice(0)) release();
    this.#battery.stop();
    this.#network.stop();
    this.#presence.stop();
    this.#wake.set(false);
    this.#decision = ALLOWED;
    this.#wakeWaiters();
    void this.#count();
    this.#show({ finishing: false, battery: null, metered: null });
  }

  /** The volunteer paused or resumed by hand: nothing is kept awake for a paused tab. */
  setPaused(paused: boolean): void {
    this.#paused = paused;
    this.#look();
  }

  /** Trains in spite of the rules that hold now, until each stops holding by itself. */
  waive(): void {
    this.#memory = waive(this.#decision, this.#memory);
    this.#look();
  }

  /** Asks for permission to know of the whole computer; only within a click. */
  async askPresence(): Promise<void> {
    if (await this.#presence.ask()) await this.#observePresence();
    this.#show();
  }

  /** Called before each stay in the swarm: resolves when the rules allow one, or when `signal` aborts. */
  async allowed(signal: AbortSignal): Promise<void> {
    this.#setAway(true);
    while (this.#decision.offline && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#waiters.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#waiters.add(done);
        signal.addEventListener('abort', done);
      });
    }
    this.#setAway(false);
  }

  #setAway(away: boolean): void {
    this.#away = away;
    this.#look();
  }

  get #settings(): Settings {
    return this.#store.getState().settings;
  }

  #adopt(settings: Settings): void {
    this.#store.setState({ settings });
    this.#look(true);
  }

  async #observePresence(): Promise<void> {
    if (this.#task?.trains !== true) return;
    await this.#presence.start(this.#settings.idleMinutes);
    this.#look();
  }

  async #count(): Promise<void> {
    await this.#usage.flush(this.#clock.now());
    this.#look();
  }

  #conditions({ roundBytes, joinBytes }: Task): Conditions {
    const { down, up } = this.#usage.month;
    return {
      now: this.#clock.now(),
      battery: this.#battery.state,
      active: this.#presence.active,
      metered: this.#network.metered,
      monthBytes: down + up,
      neededBytes: roundBytes + (this.#away ? joinBytes : 0),
    };
  }

  /** Asks the rules again. `always`: the session is told even when the decision is the same. */
  #look(always = false): void {
    const task = this.#task;
    const settings = this.#settings;
    const before = this.#decision;
    if (task === null || !task.trains) this.#decision = { ...ALLOWED, share: settings.gpuShare };
    else [this.#decision, this.#memory] = decide(settings, this.#conditions(task), this.#memory);
    this.#setAlarm();
    this.#wake.set(task?.trains === true && settings.keepAwake && this.#working());
    this.#show();
    if (!this.#decision.offline) this.#wakeWaiters();
    if (always || JSON.stringify(before) !== JSON.stringify(this.#decision))
      this.#obey(this.#decision, settings);
  }

  /** On battery the screen may sleep, whatever the setting. */
  #working(): boolean {
    return this.#decision.mayTrain && !this.#paused && this.#battery.state?.charging !== false;
  }

  #setAlarm(): void {
    this.#cancelAlarm();
    const { until } = this.#decision;
    if (this.#task === null || until === null) return;
    // The tick looks again anyway, and a sleeping computer's timers are late.
    const wait = until - this.#clock.now() + AFTER_MS;
    if (wait < TICK_MS)
      this.#cancelAlarm = this.#clock.at(this.#clock.now() + Math.max(AFTER_MS, wait), () => this.#look());
  }

  #wakeWaiters(): void {
    for (const waiter of this.#waiters) waiter();
  }

  /** Writes the view when it differs from the one shown. */
  #show(part: Partial<ControlView> = {}): void {
    const before = this.#store.getState().control;
    const { holds, offline, share, slowed } = this.#decision;
    const observing = this.#task?.trains === true;
    const control: ControlView = {
      ...before,
      holds,
      offline,
      share,
      slowed,
      month: this.#usage.month,
      battery: observing ? this.#battery.state : null,
      presence: this.#presence.source,
      metered: observing ? this.#network.metered : null,
      awake: this.#wake.state,
      ...part,
    };
    if (JSON.stringify(control) !== JSON.stringify(before)) this.#store.setState({ control });
  }
}

const sumOf = (by: Readonly<Record<LinkPath, number>>): number => by.direct + by.relayed + by.host;
