/** The rules and limits in a dialog of the browser's own: focus stays inside, Escape closes, the page waits behind it. */
import { useEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import { useActions, useApp } from '../context.tsx';
import { controlStrings } from '../strings/controls.ts';
import { ActiveRules } from './active.tsx';
import { brief } from './brief.ts';
import { NetworkRules } from './network.tsx';
import { PowerRules } from './power.tsx';
import { ScheduleRules } from './schedule.tsx';

const t = controlStrings;

/** The rules in force, and the button that opens them all. */
export function Rules() {
  const settings = useApp((s) => s.settings);
  const month = useApp((s) => s.control.month);
  const actions = useActions();
  const [open, setOpen] = useState(false);
  const parts = brief(settings, month);
  return (
    <div className="rules">
      <button
        type="button"
        className="button button-small"
        aria-haspopup="dialog"
        disabled={actions === null}
        onClick={() => setOpen(true)}
      >
        {t.open}
      </button>
      <ul className="rules-brief" aria-label={t.rules} data-testid="rules-brief">
        {(parts.length === 0 ? [t.noRules] : parts).map((part) => (
          <li key={part}>{part}</li>
        ))}
      </ul>
      {open && createPortal(<RulesDialog onClose={() => setOpen(false)} />, document.body)}
    </div>
  );
}

function RulesDialog({ onClose }: { readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (dialog.current?.open === false) dialog.current.showModal();
  }, []);
  const close = () => {
    // Leaving a field counts what was typed in it.
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    dialog.current?.close();
  };
  return (
    <dialog
      ref={dialog}
      className="rules-dialog"
      aria-labelledby="rules-heading"
      closedby="any"
      onClose={onClose}
    >
      <div className="rules-sheet">
        <header>
          <div>
            <h2 id="rules-heading">{t.dialog.heading}</h2>
            <p className="hint">{t.dialog.intro}</p>
          </div>
          <button type="button" className="button button-icon" aria-label={t.dialog.close} onClick={close}>
            <svg viewBox="0 0 24 24" aria-hidden="true">
              <path d="M6 6 18 18M18 6 6 18" />
            </svg>
          </button>
        </header>
        <div className="rules-groups">
          <div className="rules-column">
            <ScheduleRules />
            <ActiveRules />
          </div>
          <div className="rules-column">
            <PowerRules />
            <NetworkRules />
          </div>
        </div>
        <footer>
          <button type="button" className="button button-primary" onClick={close}>
            {t.dialog.done}
          </button>
        </footer>
      </div>
    </dialog>
  );
}
