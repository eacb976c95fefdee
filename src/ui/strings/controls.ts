/**
 * What the page says about control: the buttons, the rules a volunteer sets, why a tab waits and until when, and what a
 * browser cannot tell.
 */
import type { HoldReason } from '../../app/governor/rules.ts';
import type { WakeState } from '../../app/governor/sensors/wake-lock.ts';
import type { Preset, Settings } from '../../app/settings.ts';

interface Choice {
  readonly label: string;
  readonly text: string;
}

const presets: Readonly<Record<Preset, Choice>> = {
  eco: {
    label: 'Eco',
    text: 'The gentlest: 40 % of the GPU, half of that while you are active, only on mains.',
  },
  balanced: {
    label: 'Balanced',
    text: '70 % of the GPU, and it spares the battery. Other programs may feel slower.',
  },
  full: { label: 'Full', text: 'All of the GPU, on battery too, and the screen stays awake.' },
};

const holdTitles: Readonly<Record<HoldReason, string>> = {
  schedule: 'Waiting for your hours',
  'battery-low': 'Waiting for the battery',
  'on-battery': 'Waiting for mains power',
  active: 'Waiting while you are active',
  metered: 'Waiting for another connection',
  'monthly-cap': 'Waiting for next month',
};

const whenActive: Readonly<Record<Settings['whenActive'], string>> = {
  run: 'Go on as always',
  slow: 'Slow down',
  pause: 'Pause',
};

const battery: Readonly<Record<Settings['battery'], string>> = {
  run: 'Train on battery too',
  thresholds: 'Pause when it runs low',
  mains: 'Train only on mains',
};

const metered: Readonly<Record<Settings['metered'], string>> = {
  run: 'Train there too',
  pause: 'Pause',
};

const awake: Readonly<Record<WakeState, string>> = {
  off: 'Only while it trains, on mains, with this page in view.',
  held: 'The screen is kept awake now.',
  hidden:
    'The page is hidden, so the browser lets the screen sleep; it is kept awake again when you come back.',
  refused: 'The browser refused, perhaps because the battery is low.',
  missing: 'This browser cannot keep the screen awake.',
};

export const controlStrings = {
  heading: 'Control',
  /** Inside a page that somebody else made. */
  openOwnTab: 'Open in a tab of its own',
  pause: 'Pause',
  resume: 'Resume',
  stop: 'Stop',
  start: 'Start',
  stopWatching: 'Stop watching',
  finish: 'Finish round, then stop',
  keepOn: 'Keep going after all',
  /** Said while the last round is in hand. */
  finishing: 'This is the last round: its work is handed in and judged, then the tab stops.',
  finished: (round: string) =>
    `The work of round ${round} was handed in and judged, and the tab has stopped.`,
  share: 'GPU share',
  shareHint: 'How much of the graphics card’s time this tab may use. Lower is quieter and cooler.',
  slowed: (share: string) => `Slowed to ${share} while you are active.`,
  pauseHint:
    'Pausing or stopping takes no credit away. Pending credits become final by an audit or with time; your first audit needs this tab running.',
  watchHint: 'Watching uses a little bandwidth and no graphics card.',
  preset: 'How much',
  presets,
  ownPreset: 'Your own mix',
  open: 'Rules and limits',
  rules: 'Rules in force',
  noRules: 'None',

  hold: {
    titles: holdTitles,
    schedule: (when: string | null) =>
      when === null
        ? 'Your schedule has no hours, so this tab never trains. Choose some, or allow any time.'
        : `Your schedule opens ${when}.`,
    batteryLow: (level: string, resume: string) =>
      `The battery is at ${level}; training goes on from ${resume}.`,
    onBattery: (level: string) =>
      `This computer runs on battery (${level}); training goes on when it is plugged in.`,
    activeUntil: (when: string) =>
      `You are active on this page; without further input training goes on ${when}.`,
    active: (minutes: string) =>
      `Somebody uses this computer; training goes on after ${minutes} without input.`,
    metered:
      'This connection costs by the byte, or the browser is told to save data; training goes on with another one.',
    monthlyCap: (used: string, cap: string, needed: string, when: string) =>
      `This browser has used ${used} of ${cap} this month, and going on needs about ${needed}. The next month begins ${when}.`,
    offline: 'Until then this tab stays off the network.',
    inSwarm: 'Until then it only follows what the others certify.',
    waive: 'Train anyway',
    waiveHint: 'Sets these rules aside until they hold anew.',
  },

  /** Instants as part of a sentence. */
  when: {
    at: (time: string) => `at ${time}`,
    tomorrow: (time: string) => `tomorrow at ${time}`,
    day: (day: string, time: string) => `on ${day} at ${time}`,
    date: (date: string) => `on ${date}`,
  },

  /** Short forms for the line under the slider. */
  brief: {
    schedule: (hours: string) => `trains ${hours}`,
    never: 'no hours chosen',
    mains: 'only on mains',
    thresholds: (below: string, above: string) => `pauses below ${below}, goes on from ${above}`,
    slow: (share: string) => `${share} while you are active`,
    pause: 'pauses while you are active',
    metered: 'pauses on metered lines',
    down: (rate: string) => `down ${rate}`,
    up: (rate: string) => `up ${rate}`,
    month: (used: string, cap: string) => `${used} of ${cap} this month`,
    awake: 'keeps the screen awake',
  },

  dialog: {
    heading: 'Rules and limits',
    intro: 'For every tab of this browser, kept on this device, in force at once.',
    close: 'Close',
    done: 'Done',

    when: 'When',
    always: 'At any time',
    hours: 'Only at these hours',
    window: (n: number) => `Hours ${n}`,
    days: ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'],
    daysShort: ['Mo', 'Tu', 'We', 'Th', 'Fr', 'Sa', 'Su'],
    from: 'From',
    to: 'To',
    add: 'Add hours',
    remove: 'Remove',
    overnight: 'until the next morning',
    allDay: 'the whole day',
    openNow: (when: string | null) =>
      when === null ? 'Open now, without end.' : `Open now; closes ${when}.`,
    closedNow: (when: string | null) =>
      when === null ? 'Never open: choose at least one day.' : `Closed now; opens ${when}.`,
    clockNote: 'By this computer’s clock, also when summer time begins or ends.',

    power: 'Power',
    battery: 'On battery',
    batteryChoices: battery,
    pauseBelow: 'Pause below',
    resumeAbove: 'Resume from',
    batteryNow: (level: string, charging: boolean) =>
      `Now ${level}, ${charging ? 'charging or on mains' : 'on battery'}.`,
    batteryIdle: 'The charge is read once training has started.',
    batteryMissing: 'This browser does not tell the charge, so the rule cannot act here.',
    batteryQuiet: 'The browser tells no charge at the moment.',
    keepAwake: 'Keep the screen awake',
    awake,

    active: 'While I use this computer',
    activeChoices: whenActive,
    activeShare: 'GPU share then',
    idleMinutes: 'I count as away after',
    minutes: 'min',
    seesComputer: 'The browser tells when this computer is in use, in any window.',
    seesPage: 'Only what you do on this page counts: work in other windows is not seen.',
    askPresence: 'Notice other windows too',
    askHint: 'The browser will ask you. It tells only “active” or “idle”, never what you do.',
    noIdle: 'This browser cannot tell about other windows.',

    network: 'Network',
    metered: 'On a metered connection',
    meteredChoices: metered,
    meteredYes: 'This connection counts as metered now.',
    meteredNo: 'This connection does not count as metered.',
    meteredPartly: 'This browser tells only whether it should save data; at the moment it should not.',
    meteredMissing: 'This browser does not tell, so the rule cannot act here.',
    down: 'Download limit',
    up: 'Upload limit',
    rateUnit: 'kB/s',
    noLimit: 'no limit',
    kept: 'This is no number, so the setting stays as it was.',
    needs: (rate: string) =>
      `This run needs about ${rate} each way on average. With less, work arrives late and may not count.`,
    tooLow: (rate: string) => `Below the ${rate} that this run needs: rounds will be missed.`,
    month: 'Monthly limit',
    monthUnit: 'GB',
    monthUsed: (used: string) => `${used} used this month, up and down, by all tabs of this browser.`,
    monthMeter: (used: string, cap: string) => `${used} of ${cap} used this month`,
    monthNote:
      'Counted is what Tabswarm sends and receives; your provider also counts the packets around it.',
  },
} as const;
