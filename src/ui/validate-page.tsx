/**
 * The page of a validator in a browser tab: takes the organizer's key, says what it judges, certifies and waits for. It is
 * a visit of its own: nothing here trains.
 */
import { useEffect, useId, useState } from 'react';
import { useStore } from 'zustand';
import type { Validation } from '../app/validation.ts';
import type { ValidationActions, ValidationState } from '../app/validation-state.ts';
import type { AuditChoice } from '../peer/validating.ts';
import { onTrusted } from './consent.ts';
import { FileDrop, SideMasthead, useHandedFile } from './side-page.tsx';
import { seatProblemText, seatWaitingText } from './strings/seat.ts';
import { strings } from './strings.ts';
import { validateStrings as t } from './strings/validate.ts';
import { Certificates, Entries, Facts, Log } from './validate-report.tsx';

const CHOICES: readonly AuditChoice[] = ['hardware', 'software', 'off'];

/** A key file has 65 bytes; what is far longer is another file. */
const MAX_KEY_FILE = 1024;

export function ValidatePage({ store, actions }: Validation) {
  const state = useStore(store);
  const { stage, run } = state;
  const active = stage === 'starting' || stage === 'running';
  useEffect(() => {
    document.title = t.pageTitle;
  }, []);
  useLeaveWarning(active);
  return (
    <>
      <SideMasthead>{t.home}</SideMasthead>
      <main id="content" className="verify validate">
        <h1>{t.heading}</h1>
        <p className="lead">{t.lead}</p>
        {run !== null && <p className="hint">{t.run(run.name, run.organizer)}</p>}
        <Notice state={state} />
        {active ? (
          <div className={`verdict verdict-${stage === 'running' ? 'yes' : 'part'} validate-running`}>
            <div>
              <h2>{stage === 'running' ? t.running : t.starting}</h2>
              <p>{stage === 'running' ? t.stay : t.startingText}</p>
            </div>
            <button type="button" className="button" onClick={() => actions.stop()}>
              {t.stop}
            </button>
          </div>
        ) : (
          <KeyForm onStart={(key, audits) => actions.start(key, audits)} />
        )}
        {(active || state.log.length > 0) && (
          <>
            <div className="validate-columns">
              <Facts state={state} />
              <Entries entries={state.entries} />
            </div>
            <Certificates rows={state.certificates} />
            <Log lines={state.log} />
          </>
        )}
      </main>
    </>
  );
}

/** A closed or reloaded tab certifies nothing: the browser asks first. */
function useLeaveWarning(active: boolean): void {
  useEffect(() => {
    if (!active) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [active]);
}

/** What is wrong or waited for; a screen reader announces what appears in here. */
function Notice({ state }: { readonly state: ValidationState }) {
  const { stage, problem, waitingFor, log } = state;
  return (
    <div
      className="problems validate-notice"
      aria-live="polite"
      data-testid="validate-notice"
      data-stage={stage}
    >
      {problem !== null && <Problem problem={problem} />}
      {waitingFor !== null && (
        <div className="banner banner-warn">
          <Icon />
          <div className="banner-text">
            <h2>
              {t.waiting}
              <span className="tag">{strings.common.recovering}</span>
            </h2>
            <p>{seatWaitingText(waitingFor)}</p>
          </div>
        </div>
      )}
      {stage === 'idle' && log.length > 0 && <p>{t.stopped}</p>}
    </div>
  );
}

function Problem({ problem }: { readonly problem: NonNullable<ValidationState['problem']> }) {
  const { code, title, detail, text } = seatProblemText(problem);
  return (
    <div className="banner banner-bad" data-testid={`validate-${code}`}>
      <Icon bad />
      <div className="banner-text">
        <h2>{title}</h2>
        {detail !== '' && <p>{detail}</p>}
        <p>{text}</p>
      </div>
    </div>
  );
}

function Icon({ bad = false }: { readonly bad?: boolean }) {
  return (
    <svg className="banner-icon" viewBox="0 0 24 24" aria-hidden="true">
      {bad ? (
        <path d="M12 3.5 22 20.5H2ZM12 10v5M12 17.6v.4" />
      ) : (
        <path d="M12 4a8 8 0 1 0 8 8M12 7v5l3.5 2M20 3v5h-5" />
      )}
    </svg>
  );
}

function KeyForm({ onStart }: { readonly onStart: ValidationActions['start'] }) {
  const id = useId();
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState<string | null>(null);
  const [audits, setAudits] = useState<AuditChoice>('hardware');
  const take = async (file: File) => {
    const fits = file.size <= MAX_KEY_FILE;
    setText(fits ? (await file.text()).trim() : '');
    setChosen(fits ? t.chosen(file.name) : t.tooLong(file.name));
  };
  useHandedFile((file) => void take(file));
  return (
    <form className="validate-form" onSubmit={(event) => event.preventDefault()}>
      <div className="verify-inputs">
        <FileDrop accept=".key,text/plain" onFile={(file) => void take(file)}>
          <span aria-live="polite">
            {t.drop} <u>{t.choose}</u>
            {chosen !== null && <strong className="validate-chosen">{chosen}</strong>}
          </span>
        </FileDrop>
        <div className="validate-paste">
          <label htmlFor={`${id}-key`}>{t.pasteLabel}</label>
          <input
            id={`${id}-key`}
            className="field mono validate-key"
            value={text}
            spellCheck={false}
            autoComplete="off"
            aria-describedby={`${id}-privacy`}
            onChange={(event) => {
              setText(event.currentTarget.value);
              setChosen(null);
            }}
          />
          <p id={`${id}-privacy`} className="hint">
            {t.keyPrivacy}
          </p>
        </div>
      </div>
      <label className="validate-audit">
        {t.auditLabel}
        <select
          className="field"
          value={audits}
          onChange={(event) => {
            const { value } = event.currentTarget;
            setAudits(CHOICES.find((choice) => choice === value) ?? 'hardware');
          }}
        >
          {CHOICES.map((choice) => (
            <option key={choice} value={choice}>
              {t.auditChoices[choice]}
            </option>
          ))}
        </select>
      </label>
      <button
        type="button"
        className="button button-primary button-big"
        disabled={text === ''}
        onClick={onTrusted(() => {
          onStart(text, audits);
          setText('');
        })}
      >
        {t.start}
      </button>
    </form>
  );
}
