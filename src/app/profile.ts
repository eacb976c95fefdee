/** The name and team that this volunteer shows, kept in localStorage; a browser that keeps nothing just forgets them. */
import * as v from 'valibot';
import { cleanName } from '../protocol/profile.ts';

const KEY = 'tabswarm.profile';
const Stored = v.object({
  name: v.string(),
  team: v.string(),
  time: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

export interface OwnProfile {
  readonly name: string;
  readonly team: string;
  /** When it was set, epoch ms; 0 for never: then nothing is sent. */
  readonly time: number;
}

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
