/** Why a tab waits, in words: one title, one sentence for every rule that holds, and what the tab does meanwhile. */
import type { Hold } from '../app/governor/rules.ts';
import type { ControlView } from '../app/governor/view.ts';
import type { Settings } from '../app/settings.ts';
import * as format from './format.ts';
import { controlStrings } from './strings/controls.ts';
import { when } from './when.ts';

const t = controlStrings.hold;

export function holdSentence(hold: Hold, settings: Settings, now: number): string {
  switch (hold.reason) {
    case 'schedule':
      return t.schedule(hold.until === null ? null : when(hold.until, now));
    case 'battery-low':
      return t.batteryLow(format.percent(hold.level), format.percent(hold.resume));
    case 'on-battery':
      return t.onBattery(format.percent(hold.level));
    case 'active':
      return hold.until === null
        ? t.active(format.duration(settings.idleMinutes * 60_000))
        : t.activeUntil(when(hold.until, now));
    case 'metered':
      return t.metered;
    case 'monthly-cap':
      return t.monthlyCap(
        format.bytes(hold.used),
        format.bytes(hold.cap),
        format.about(hold.needed),
        when(hold.until, now),
      );
  }
}

/** Title and sentences of a wait that a rule causes. `control.holds` must not be empty. */
export function holdText(
  control: ControlView,
  settings: Settings,
  now: number,
): { readonly title: string; readonly text: string } {
  const sentences = control.holds.map((hold) => holdSentence(hold, settings, now));
  return {
    title: t.titles[control.holds[0].reason],
    text: [...sentences, control.offline ? t.offline : t.inSwarm].join(' '),
  };
}
