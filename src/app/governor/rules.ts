/**
 * The governor's rules: from what the volunteer allows and what is observed to what the tab may do, and why not. Pure,
 * so that every rule can be tested by itself; governor.ts observes and acts.
 */
import type { Settings } from '../settings.ts';
import { openingAt } from './schedule.ts';

/** Battery state; null where the browser does not tell. */
export interface Battery {
  readonly charging: boolean;
  /** 0 to 1. */
  readonly level: number;
}

export interface Conditions {
  /** Epoch ms by this machine's clock. */
  readonly now: number;
  readonly battery: Battery | null;
  /** Somebody uses this computer; `until` is when that will be over without further input, when it can be known. */
  readonly active: { readonly is: boolean; readonly until: number | null };
  /** The line costs by the byte, or the browser is told to save data. Null where the browser does not tell. */
  readonly metered: boolean | null;
  /** Bytes of this calendar month so far, all tabs of this browser. */
  readonly monthBytes: number;
  /** What going on will about cost: another round, and for a tab that is away the way back. */
  readonly neededBytes: number;
}

/** A rule that keeps the tab from training. Numbers are for the sentence that says so. */
export type Hold =
  | { readonly reason: 'schedule'; readonly until: number | null }
  | { readonly reason: 'battery-low'; readonly until: null; readonly level: number; readonly resume: number }
  | { readonly reason: 'on-battery'; readonly until: null; readonly level: number }
  | { readonly reason: 'active'; readonly until: number | null }
  | { readonly reason: 'metered'; readonly until: null }
  | {
      readonly reason: 'monthly-cap';
      readonly until: number;
      readonly used: number;
      readonly cap: number;
      readonly needed: number;
    };

export type HoldReason = Hold['reason'];

export interface Decision {
  readonly mayTrain: boolean;
  /** Every rule that holds, the kinds that last longest first; empty when the tab may train. */
  readonly holds: readonly Hold[];
  /** The tab should be off the network too: it costs money, is over its limit, or the wait is long. */
  readonly offline: boolean;
  /** Share of the GPU's time to use now. */
  readonly share: number;
  /** The share is lower than set because somebody is active. */
  readonly slowed: boolean;
  /** When time alone may change this decision; null when it cannot. */
  readonly until: number | null;
}

/** What the rules remember from one decision to the next. */
export interface Memory {
  /** The charge fell below the lower threshold and has not reached the upper one since. */
  readonly recharging: boolean;
  /** Rules that the volunteer waved aside: each until it stops holding by itself. */
  readonly waived: readonly HoldReason[];
}

export const FRESH: Memory = { recharging: false, waived: [] };

/** A closed schedule that opens sooner than this is waited for in the swarm: coming back costs a checkpoint. */
const SHORT_WAIT_MS = 10 * 60_000;

/** The decision under these conditions, and what to remember for the next one. */
export function decide(settings: Settings, conditions: Conditions, memory: Memory): [Decision, Memory] {
  const recharging = isRecharging(settings, conditions.battery, memory.recharging);
  const found = [
    ...monthlyCap(settings, conditions),
    ...schedule(settings, conditions),
    ...metered(settings, conditions),
    ...battery(settings, conditions, recharging),
    ...active(settings, conditions),
  ];
  const waived = memory.waived.filter((reason) => found.some((hold) => hold.reason === reason));
  const holds = found.filter((hold) => !waived.includes(hold.reason));
  const slowed =
    settings.whenActive === 'slow' && conditions.active.is && settings.activeShare < settings.gpuShare;
  const decision: Decision = {
    mayTrain: holds.length === 0,
    holds,
    offline: holds.some((hold) => isOffline(hold, conditions.now)),
    share: slowed ? settings.activeShare : settings.gpuShare,
    slowed,
    until: earliest([
      ...found.map((hold) => hold.until),
      settings.schedule === null ? null : openingAt(settings.schedule, conditions.now).until,
      conditions.active.is ? conditions.active.until : null,
    ]),
  };
  return [decision, { recharging, waived }];
}

/** The rules that hold now are waved aside, each until it stops holding by itself. */
export function waive(decision: Decision, memory: Memory): Memory {
  return { ...memory, waived: [...memory.waived, ...decision.holds.map((hold) => hold.reason)] };
}

function isRecharging(settings: Settings, state: Battery | null, before: boolean): boolean {
  if (settings.battery !== 'thresholds' || state === null) return false;
  if (before) return state.level < settings.resumeAbove;
  return !state.charging && state.level < settings.pauseBelow;
}

function battery(settings: Settings, { battery: state }: Conditions, recharging: boolean): Hold[] {
  if (state === null) return [];
  const { level } = state;
  if (settings.battery === 'mains' && !state.charging) return [{ reason: 'on-battery', until: null, level }];
  if (recharging) return [{ reason: 'battery-low', until: null, level, resume: settings.resumeAbove }];
  return [];
}

function schedule(settings: Settings, { now }: Conditions): Hold[] {
  if (settings.schedule === null) return [];
  const { open, until } = openingAt(settings.schedule, now);
  return open ? [] : [{ reason: 'schedule', until }];
}

function active(settings: Settings, conditions: Conditions): Hold[] {
  if (settings.whenActive !== 'pause' || !conditions.active.is) return [];
  return [{ reason: 'active', until: conditions.active.until }];
}

function metered(settings: Settings, conditions: Conditions): Hold[] {
  return settings.metered === 'pause' && conditions.metered === true
    ? [{ reason: 'metered', until: null }]
    : [];
}

/** Holds while going on would pass the limit, so that the limit itself is never passed by much. */
function monthlyCap(settings: Settings, { monthBytes, neededBytes, now }: Conditions): Hold[] {
  const { monthlyCap: cap } = settings;
  if (cap === null || monthBytes + neededBytes <= cap) return [];
  return [{ reason: 'monthly-cap', until: nextMonth(now), used: monthBytes, cap, needed: neededBytes }];
}

function isOffline(hold: Hold, now: number): boolean {
  if (hold.reason === 'metered' || hold.reason === 'monthly-cap') return true;
  return hold.reason === 'schedule' && (hold.until === null || hold.until - now > SHORT_WAIT_MS);
}

const earliest = (times: readonly (number | null)[]): number | null =>
  times.reduce((first, time) => (time === null || (first !== null && first <= time) ? first : time), null);

/** `2026-11`: the calendar month by which the limit counts, in the machine's time zone. */
export function monthOf(at: number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}`;
}

/** When the next calendar month begins, epoch ms. */
export function nextMonth(at: number): number {
  const date = new Date(at);
  return new Date(date.getFullYear(), date.getMonth() + 1, 1).getTime();
}
