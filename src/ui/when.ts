/** Instants as people say them, in this machine's zone: "at 22:00", "tomorrow at 07:00", "on Monday at 07:00". */
import { controlStrings } from './strings/controls.ts';

const t = controlStrings.when;
const DAY_MS = 86_400_000;
const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'long' });
const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long' });

/** Epoch ms as part of a sentence; a week ahead and more as a date without the time. */
export function when(at: number, now: number): string {
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  // Rounded: days with a change of the clocks have 23 or 25 hours.
  const then = new Date(at);
  then.setHours(0, 0, 0, 0);
  const days = Math.round((then.getTime() - midnight.getTime()) / DAY_MS);
  if (days <= 0) return t.at(time.format(at));
  if (days === 1) return t.tomorrow(time.format(at));
  return days < 7 ? t.day(weekday.format(at), time.format(at)) : t.date(date.format(at));
}

/** Minutes after midnight as "07:30". */
export const clockTime = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;

/** "07:30" as minutes after midnight; null when it is no time. */
export function minutesOf(text: string): number | null {
  const match = /^(\d\d):(\d\d)/.exec(text);
  if (match === null) return null;
  const minutes = Number(match[1]) * 60 + Number(match[2]);
  return minutes < 1440 ? minutes : null;
}
