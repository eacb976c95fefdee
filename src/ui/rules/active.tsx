/** What happens while somebody uses the computer, and how far this browser can notice that. */
import { MIN_SHARE } from '../../app/settings.ts';
import { onTrusted } from '../consent.ts';
import { useActions, useApp } from '../context.tsx';
import { isStarted } from '../startable.ts';
import { controlStrings } from '../strings/controls.ts';
import { Now, NumberField, PercentField, Radios } from './fields.tsx';

const t = controlStrings.dialog;

export function ActiveRules() {
  const whenActive = useApp((s) => s.settings.whenActive);
  const actions = useActions();
  return (
    <section className="rules-group" aria-labelledby="rules-active">
      <h3 id="rules-active">{t.active}</h3>
      <Radios
        legend={t.active}
        hideLegend
        value={whenActive}
        choices={t.activeChoices}
        onChoose={(choice) => actions?.changeSettings({ whenActive: choice })}
        detail={whenActive === 'run' ? undefined : <Details slow={whenActive === 'slow'} />}
      />
      {whenActive !== 'run' && <Sight />}
    </section>
  );
}

function Details({ slow }: { readonly slow: boolean }) {
  const { activeShare, idleMinutes, gpuShare } = useApp((s) => s.settings);
  const actions = useActions();
  return (
    <div className="pair">
      {slow && (
        <PercentField
          label={t.activeShare}
          value={activeShare}
          min={MIN_SHARE}
          max={gpuShare}
          onCommit={(value) => actions?.changeSettings({ activeShare: value })}
        />
      )}
      <NumberField
        label={t.idleMinutes}
        unit={t.minutes}
        value={idleMinutes}
        min={1}
        max={120}
        step={1}
        onCommit={(minutes) => minutes !== null && actions?.changeSettings({ idleMinutes: minutes })}
      />
    </div>
  );
}

function Sight() {
  const presence = useApp((s) => s.control.presence);
  const available = useApp((s) => s.control.has.idle);
  const running = useApp(isStarted);
  const actions = useActions();
  if (presence === 'computer') return <p className="now">{t.seesComputer}</p>;
  return (
    <div className="sight">
      <Now available={available} testId="presence-now">
        {t.seesPage} {!available && t.noIdle}
      </Now>
      {available && running && (
        <>
          <button
            type="button"
            className="button button-small"
            onClick={onTrusted(() => actions?.askPresence())}
          >
            {t.askPresence}
          </button>
          <p className="hint">{t.askHint}</p>
        </>
      )}
    </div>
  );
}
