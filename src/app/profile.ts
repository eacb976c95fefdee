/** The name and team that this volunteer shows, kept in localStorage; a browser that keeps nothing just forgets them. */
import * as v from 'valibot';
import type { OwnProfile } from '../peer/own-profile.ts';
import { cleanName } from '../protocol/profile.ts';

const KEY = 'tabswarm.profile';
const Stored = v.object({
  name: v.string(),
  team: v.string(),
  time: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

const NONE: OwnProfile = { name: '', team: '', time: 0 };

export function loadProfile(): OwnProfile {
  try {
    const stored = v.parse(Stored, JSON.parse(localStorage.getItem(KEY) ?? 'null'));
    return { name: cleanName(stored.name), team: cleanName(stored.team), time: stored.time };
  } catch {
    return NONE;
  }
}

export function saveProfile(profile: OwnProfile): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(profile));
  } catch {
    // Storage is off: the name lasts as long as the tab.
  }
}
