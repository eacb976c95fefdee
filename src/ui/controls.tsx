/**
 * Pause, Resume, Finish, Stop, and how much. Starting or going on from here needs a trusted click, as everywhere.
 */
import { onTrusted } from './consent.ts';
import { useActions, useApp } from './context.tsx';
import { GpuShare } from './gpu-share.tsx';
import { PresetChoice } from './preset-choice.tsx';
import { Rules } from './rules/dialog.tsx';
import { canStart, canWatch, isStarted } from './startable.ts';
import { controlStrings } from './strings/controls.ts';
import { strings } from './strings.ts';

const t = controlStrings;

export function Controls() {
  const intent = useApp((s) => s.intent);
  const startable = useApp(canStart);
  const actions = useActions();
  const watching = intent === 'watching';
  // Nothing runs any more, so there is nothing to pause; what is left is to look on.
  const failed = useApp((s) => s.activity === 'failed') && !watching;
  const watchable = useApp(canWatch);
  const held = useApp((s) => s.intent === 'running' && s.control.holds.length > 0) && !failed;
  const finishing = useApp((s) => s.control.finishing);
  const inSwarm = useApp((s) => isStarted(s) && !s.control.offline);
  return (
    <section className="controls" aria-labelledby="controls-heading">
      <h2 id="controls-heading" className="visually-hidden">
        {t.heading}
      </h2>
      <div className="controls-buttons">
        {watching && (
          <button
            type="button"
            className="button button-primary"
            key="toggle"
            disabled={!startable}
            onClick={onTrusted(() => actions?.start())}
          >
            {t.start}
          </button>
        )}
        {failed && (
          <button
            type="button"
            className="button button-primary"
            key="toggle"
            disabled={!watchable}
            onClick={onTrusted(() => actions?.watch())}
          >
            {strings.landing.watch}
          </button>
        )}
        {held && (
          <button
            type="button"
            className="button button-primary"
            title={t.hold.waiveHint}
            onClick={onTrusted(() => actions?.waive())}
          >
            {t.hold.waive}
          </button>
        )}
        {intent === 'running' && !failed && (
          <button type="button" className="button" key="toggle" onClick={() => actions?.pause()}>
            {t.pause}
          </button>
        )}
        {intent === 'paused' && !failed && (
          <button
            type="button"
            className="button button-primary"
            key="toggle"
            onClick={onTrusted(() => actions?.resume())}
          >
            {t.resume}
          </button>
        )}
        {inSwarm && !failed && (
          <button type="button" className="button" onClick={onTrusted(() => actions?.finish(!finishing))}>
            {finishing ? t.keepOn : t.finish}
          </button>
        )}
        <button type="button" className="button" onClick={() => actions?.stop()}>
          {watching ? t.stopWatching : t.stop}
        </button>
      </div>
      {!watching && !failed && (
        <div className="controls-amount">
          <PresetChoice />
          <GpuShare />
          <Rules />
        </div>
      )}
      <p className="hint controls-hint">{watching ? t.watchHint : t.pauseHint}</p>
    </section>
  );
}
