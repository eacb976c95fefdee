/** Name and team that this volunteer shows. Nothing is sent before the button is pressed. */
import { useId, useState } from 'react';
import { cleanName, MAX_NAME } from '../protocol/profile.ts';
import { onTrusted } from './consent.ts';
import { useActions, useApp } from './context.tsx';
import { profileStrings as t } from './strings/truth.ts';

export function ProfileForm() {
  const profile = useApp((s) => s.profile);
  const actions = useActions();
  const id = useId();
  const [draft, setDraft] = useState(profile);
  const [saved, setSaved] = useState(false);
  const change = (part: Partial<typeof draft>) => {
    setDraft({ ...draft, ...part });
    setSaved(false);
  };
  const save = () => {
    const clean = { name: cleanName(draft.name), team: cleanName(draft.team) };
    actions?.setProfile(clean.name, clean.team);
    setDraft(clean);
    setSaved(true);
  };
  return (
    <details className="numbers profile">
      <summary>{t.heading}</summary>
      <p className="hint">{t.hint}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onTrusted(save)(event);
        }}
      >
        {(['name', 'team'] as const).map((key) => (
          <div key={key}>
            <label htmlFor={`${id}-${key}`}>{t[key]}</label>
            <input
              id={`${id}-${key}`}
              className="field"
              value={draft[key]}
              maxLength={2 * MAX_NAME}
              autoComplete="off"
              dir="auto"
              onChange={(event) => change({ [key]: event.currentTarget.value })}
            />
          </div>
        ))}
        <button type="submit" className="button button-small" disabled={actions === null}>
          {t.save}
        </button>
      </form>
      <p className="hint">
        {t.cleaned(MAX_NAME)} <output>{saved ? t.saved : ''}</output>
      </p>
    </details>
  );
}
