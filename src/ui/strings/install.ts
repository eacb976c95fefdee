/** What the page says about itself as an app: installing, new versions, notifications. */
import type { MilestoneKind } from '../../app/picture-state.ts';
import { strings } from '../strings.ts';
import * as format from '../format.ts';
import type { Notice } from '../shell/notices.ts';

const milestones: Readonly<Record<MilestoneKind, (threshold: number) => string>> = {
  accepted: (n) =>
    n === 1 ? 'Your first submission was accepted.' : `${format.count(n)} submissions were accepted.`,
  tokens: (n) => `${format.compact(n)} of your tokens are in the model.`,
  credits: (n) => `You have earned ${format.credits(n)} credits.`,
};

export const installStrings = {
  heading: 'On this device',
  install: 'Install as an app',
  installHint:
    'A window and an icon of its own. It still starts nothing by itself and needs the host to train.',
  menu: 'Most browsers can install this page from their own menu (“Install”, “Add to Home Screen” or “Add to Dock”).',
  installed: 'Installed as an app.',
  notify: 'Notify me',
  notifyHint:
    'When this tab is in the background and has finished, needs attention or reaches a milestone. Nothing else.',
  denied: 'This browser blocks notifications for this site. Its site settings can allow them.',
  update: {
    title: 'A new version of this page is ready',
    text: 'Reload when it suits you. Certified work and credits are safe; work of the current round is lost unless you finish it first.',
  },
} as const;

/** Title and text of a notification. */
export function noticeText(notice: Notice): { title: string; text: string } {
  if (notice.kind === 'finished')
    return {
      title: 'Finished',
      text: `Round ${notice.round} was handed in, and the tab stopped as you asked.`,
    };
  if (notice.kind === 'problem') {
    const { title, text } = strings.problems[notice.code];
    return { title: `Tabswarm needs attention: ${title}`, text };
  }
  const { kind, threshold } = notice.milestone;
  return { title: 'Milestone', text: milestones[kind](threshold) };
}
