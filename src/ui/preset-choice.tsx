/** Eco, Balanced or Full: one choice that sets the GPU share and the rules of power and presence. */
import { useId } from 'react';
import { type Preset, PRESETS, presetOf } from '../app/settings.ts';
import { useActions, useApp } from './context.tsx';
import { controlStrings } from './strings/controls.ts';

const t = controlStrings;
const ORDER: readonly Preset[] = ['eco', 'balanced', 'full'];

export function PresetChoice() {
  const chosen = useApp((s) => presetOf(s.settings));
  const actions = useActions();
  const name = useId();
  return (
    <fieldset className="presets">
      <legend>{t.preset}</legend>
      <div className="presets-row">
        {ORDER.map((preset) => (
          <label key={preset} className="preset">
            <input
              type="radio"
              className="visually-hidden"
              name={name}
              value={preset}
              checked={preset === chosen}
              disabled={actions === null}
              aria-describedby={`${name}-text`}
              onChange={() => actions?.changeSettings(PRESETS[preset])}
            />
            <span>{t.presets[preset].label}</span>
          </label>
        ))}
      </div>
      <p id={`${name}-text`} className="hint">
        {chosen === null ? `${t.ownPreset}.` : t.presets[chosen].text}
      </p>
    </fieldset>
  );
}
