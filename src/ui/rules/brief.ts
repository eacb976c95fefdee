/** The rules in force in a few words each, for the line under the slider: only what differs from "always, all of it". */
import type { ClockWindow, Settings } from '../../app/settings.ts';
import type { ControlView } from '../../app/governor/view.ts';
import * as format from '../format.ts';
import { controlStrings } from '../strings/controls.ts';
import { clockTime } from '../when.ts';

const t = controlStrings.brief;
const short = controlStrings.dialog.daysShort;

/** "22:00–07:00", "Mo–Fr 22:00–07:00", "Sa Su 00:00–00:00". */
export function hoursOf({ days, from, to }: ClockWindow): string {
  const times = `${clockTime(from)}–${clockTime(to)}`;
  if (days.every(Boolean)) return times;
  const first = days.indexOf(true);
  const last = days.lastIndexOf(true);
  const row = last - first >= 2 && days.slice(first, last + 1).every(Boolean);
  const names = row ? `${short[first]}–${short[last]}` : short.filter((_, i) => days[i]).join(' ');
  return `${names} ${times}`;
}

export function brief(settings: Settings, month: ControlView['month']): string[] {
  const { schedule, battery, whenActive, downRate, upRate, monthlyCap } = settings;
  const used = month === null ? null : month.down + month.up;
  const parts: string[] = [];
  if (schedule !== null) {
    const windows = schedule.filter((window) => window.days.some(Boolean));
    parts.push(windows.length === 0 ? t.never : t.schedule(windows.map(hoursOf).join(', ')));
  }
  if (battery === 'mains') parts.push(t.mains);
  if (battery === 'thresholds')
    parts.push(t.thresholds(format.percent(settings.pauseBelow), format.percent(settings.resumeAbove)));
  if (whenActive === 'pause') parts.push(t.pause);
  if (whenActive === 'slow') parts.push(t.slow(format.percent(settings.activeShare)));
  if (settings.metered === 'pause') parts.push(t.metered);
  if (downRate !== null) parts.push(t.down(format.rate(downRate)));
  if (upRate !== null) parts.push(t.up(format.rate(upRate)));
  if (monthlyCap !== null) parts.push(t.month(format.bytes(used), format.bytes(monthlyCap)));
  if (settings.keepAwake) parts.push(t.awake);
  return parts;
}
