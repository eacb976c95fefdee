/** Pause, Resume, Stop and the GPU share. Starting from here (while watching) needs a trusted click, as everywhere. */
import { onTrusted } from './consent.ts';
import { useActions, useApp } from './context.tsx';
import { GpuShare } from './gpu-share.tsx';
import { canStart, canWatch } from './startable.ts';
import { strings } from './strings.ts';

const t = strings.controls;

export function Controls() {
  const intent = useApp((s) => s.intent);
  const startable = useApp(canStart);
  const actions = useActions();
  const watching = intent === 'watching';
  // Nothing runs any more, so there is nothing to pause; what is left is to look on.
  const failed = useApp((s) => s.activity === 'failed') && !watching;
  const watchable = useApp(canWatch);
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
        <button type="button" className="button" onClick={() => actions?.stop()}>
          {watching ? t.stopWatching : t.stop}
        </button>
      </div>
      {!watching && !failed && <GpuShare />}
      {!watching && <p className="hint controls-hint">{t.pauseHint}</p>}
    </section>
  );
}
