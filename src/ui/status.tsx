/** What the tab is doing and, when it does nothing, why; and the same for screen readers, without chatter. */
import { useEffect, useRef } from 'react';
import type { AppState } from '../app/state.ts';
import { useApp, useViewStore } from './context.tsx';
import * as format from './format.ts';
import { holdText } from './hold-text.ts';
import { controlStrings } from './strings/controls.ts';
import { waitingText } from './strings/waiting.ts';
import { strings } from './strings.ts';

const t = strings.status;

/** Headline and reason of the state. */
export function describe(
  state: Pick<AppState, 'intent' | 'activity' | 'waitingFor' | 'adapter' | 'settings' | 'control'>,
): {
  readonly title: string;
  readonly text: string;
} {
  const { intent, activity, waitingFor, adapter, settings, control } = state;
  const reason = waitingFor === null ? null : waitingText(waitingFor);
  if (intent === 'running' && activity === 'waiting' && control.holds.length > 0)
    return holdText(control, settings, Date.now());
  if (intent === 'paused') return { title: strings.activities.paused, text: t.pausedText };
  if (intent === 'watching' && (activity === 'idle' || activity === 'waiting'))
    return { title: t.watching, text: reason ?? t.watchingText };
  const title = strings.activities[activity];
  if (activity === 'training')
    return { title, text: t.trainingText(adapter?.description ?? null, adapter?.software === true) };
  if (activity === 'paused') return { title, text: reason ?? t.pausedText };
  return { title, text: reason ?? t.routine[activity] };
}

/** Which light the status shows. */
function tone({ intent, activity }: Pick<AppState, 'intent' | 'activity'>): string {
  if (activity === 'failed') return 'bad';
  if (intent === 'watching' && activity === 'waiting') return 'watch';
  if (intent === 'paused' || activity === 'paused' || activity === 'idle') return 'off';
  return activity === 'waiting' || activity === 'connecting' || activity === 'syncing' ? 'wait' : 'on';
}

export function Status() {
  const intent = useApp((s) => s.intent);
  const activity = useApp((s) => s.activity);
  const waitingFor = useApp((s) => s.waitingFor);
  const adapter = useApp((s) => s.adapter);
  const slow = adapter?.software === true && intent === 'running';
  const settings = useApp((s) => s.settings);
  const control = useApp((s) => s.control);
  const { title, text } = describe({ intent, activity, waitingFor, adapter, settings, control });
  return (
    <div className="status" data-testid="status" data-activity={activity} data-intent={intent}>
      <p className={`status-title tone-${tone({ intent, activity })}`}>
        <span className="status-light" aria-hidden="true" />
        {title}
      </p>
      <p className="status-text">{text}</p>
      {control.finishing && (
        <p className="status-note" data-testid="finishing">
          {controlStrings.finishing}
        </p>
      )}
      {control.slowed && activity === 'training' && (
        <p className="status-note">{controlStrings.slowed(format.percent(control.share))}</p>
      )}
      {slow && <p className="status-note">{t.softwareAdapter}</p>}
    </div>
  );
}

/** A round's steps pass every few seconds; only what lasts is worth saying aloud. */
const LASTING_MS = 1_500;
const WAIT_LASTING_MS = 10_000;
const ROUTINE = new Set<AppState['activity']>(['training', 'compressing', 'committing', 'applying']);

/** The tab's title, and a polite live region: connecting, training, paused, watching, stopped, and waits that last. */
export function Announcer() {
  const store = useViewStore();
  const region = useRef<HTMLOutputElement>(null);
  useEffect(() => {
    let key = '';
    let timer: ReturnType<typeof setTimeout> | undefined;
    const say = (text: string) => {
      if (region.current !== null) region.current.textContent = text;
    };
    const check = () => {
      const { intent, activity } = store.getState();
      const { title, text } = describe(store.getState());
      const routine = intent === 'running' && ROUTINE.has(activity);
      document.title =
        intent === 'idle'
          ? strings.product
          : strings.pageTitle(routine ? strings.activities.training : title);
      const next = routine ? 'working' : `${title}. ${text}`;
      if (next === key) return;
      key = next;
      clearTimeout(timer);
      const words = routine ? strings.activities.training : next;
      timer = setTimeout(() => say(words), activity === 'waiting' ? WAIT_LASTING_MS : LASTING_MS);
    };
    check();
    const release = store.subscribe(check);
    return () => {
      clearTimeout(timer);
      release();
    };
  }, [store]);
  return <output className="visually-hidden" aria-live="polite" ref={region} />;
}
