/**
 * The clock schedule: is it open at an instant, and when does that change?
 *
 * A window means what the clock on the wall reads, so it needs no rule for daylight saving: an hour that does not exist
 * is not trained in, an hour that comes twice is trained in twice. Every time zone changes its offset at a whole
 * quarter of an hour, so looking no further than the next quarter at a time cannot jump over a change.
 */
import type { ClockWindow } from '../settings.ts';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;
const QUARTER_MS = 15 * MINUTE_MS;
/** A week repeats itself; one day more for a window that a change of the clocks swallowed. */
const HORIZON_MS = 8 * DAY_MINUTES * MINUTE_MS;

export interface Opening {
  readonly open: boolean;
  /** Epoch ms of the next change; null when there is none within eight days. */
  readonly until: number | null;
}

/** Whether a schedule is open at `now` (epoch ms), in the machine's time zone. No window at all is never open. */
export function openingAt(schedule: readonly ClockWindow[], now: number): Opening {
  const open = isOpen(schedule, now);
  let at = now;
  while (at < now + HORIZON_MS) {
    at = nextStep(schedule, at);
    if (isOpen(schedule, at) !== open) return { open, until: at };
  }
  return { open, until: null };
}

function isOpen(schedule: readonly ClockWindow[], at: number): boolean {
  const date = new Date(at);
  const minute = date.getHours() * 60 + date.getMinutes();
  const today = (date.getDay() + 6) % 7;
  const yesterday = (today + 6) % 7;
  return schedule.some(({ days, from, to }) =>
    to > from
      ? days[today] && minute >= from && minute < to
      : (days[today] && minute >= from) || (days[yesterday] && minute < to),
  );
}

/** The next instant at which a window may open or close, or a quarter of an hour begins. */
function nextStep(schedule: readonly ClockWindow[], at: number): number {
  const quarter = (Math.floor(at / QUARTER_MS) + 1) * QUARTER_MS;
  const date = new Date(at);
  const minute = date.getHours() * 60 + date.getMinutes();
  const startOfMinute = at - (date.getSeconds() * 1000 + date.getMilliseconds());
  let next = quarter;
  for (const { from, to } of schedule) {
    for (const edge of [from, to]) {
      const ahead = (edge - minute + DAY_MINUTES) % DAY_MINUTES;
      if (ahead > 0) next = Math.min(next, startOfMinute + ahead * MINUTE_MS);
    }
  }
  return next;
}
