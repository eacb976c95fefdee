/** A power that the volunteer has measured, kept in localStorage. A browser cannot measure one, so none is ever guessed. */

const KEY = 'tabswarm.watts';
/** Above this it is a typing error. */
export const MAX_WATTS = 2000;

const usable = (watts: number): number | null => (watts > 0 && watts <= MAX_WATTS ? watts : null);

export function loadWatts(): number | null {
  try {
    return usable(Number(localStorage.getItem(KEY)));
  } catch {
    return null;
  }
}

/** Keeps a figure and returns it; null, and nothing is kept, when it is none. */
export function saveWatts(watts: number): number | null {
  const kept = usable(watts);
  try {
    if (kept === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, String(kept));
  } catch {
    // Storage is off: the figure lasts as long as the tab.
  }
  return kept;
}

/** Watt hours of this power over a time in milliseconds. */
export const energyUsed = (watts: number, ms: number): number => (watts * ms) / 3_600_000;
