/** The few kinds of fields that the rules need. A number counts when the field is left, so that half of it never does. */
import { type ReactNode, useId, useState } from 'react';
import { controlStrings } from '../strings/controls.ts';

interface RadiosProps<T extends string> {
  readonly legend: string;
  /** The heading above says the same. */
  readonly hideLegend?: boolean;
  readonly value: T;
  readonly choices: Readonly<Record<T, string>>;
  readonly onChoose: (value: T) => void;
  /** Fields that belong to the chosen value. */
  readonly detail?: ReactNode;
}

export function Radios<T extends string>(props: RadiosProps<T>) {
  const { legend, hideLegend = false, value, choices, onChoose, detail } = props;
  const name = useId();
  const values = Object.keys(choices) as T[]; // the keys of a Record<T, …> are T
  return (
    <fieldset className="radios">
      <legend className={hideLegend ? 'visually-hidden' : undefined}>{legend}</legend>
      {values.map((choice) => (
        <div key={choice} className="radio">
          <label>
            <input
              type="radio"
              name={name}
              value={choice}
              checked={choice === value}
              onChange={() => onChoose(choice)}
            />
            <span>{choices[choice]}</span>
          </label>
          {choice === value && detail !== undefined && <div className="radio-detail">{detail}</div>}
        </div>
      ))}
    </fieldset>
  );
}

interface NumberFieldProps {
  readonly label: string;
  readonly unit: string;
  /** Null is an empty field. */
  readonly value: number | null;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** Shown while empty; without it the field may not be empty. */
  readonly empty?: string;
  readonly onCommit: (value: number | null) => void;
  readonly describedBy?: string | undefined;
}

export function NumberField(props: NumberFieldProps) {
  const { label, unit, value, min, max, step, empty, onCommit, describedBy } = props;
  const id = useId();
  const [draft, setDraft] = useState<string | null>(null);
  const [kept, setKept] = useState(false);
  const commit = (input: HTMLInputElement) => {
    // A browser gives '' for what it cannot read as a number: that is no wish for "no limit".
    const entry = entryOf(input.value, input.validity.badInput, empty !== undefined);
    setKept(entry === 'unreadable');
    if (entry === 'unreadable') input.value = '';
    else if (draft !== null) onCommit(entry === null ? null : Math.min(max, Math.max(min, entry)));
    setDraft(null);
  };
  return (
    <div className="number-field">
      <label htmlFor={id}>{label}</label>
      <span className="number-box">
        <input
          id={id}
          type="number"
          inputMode="decimal"
          min={min}
          max={max}
          step={step}
          placeholder={empty}
          value={draft ?? value ?? ''}
          aria-describedby={describedBy}
          aria-invalid={kept}
          onChange={(event) => setDraft(event.currentTarget.value)}
          onBlur={(event) => commit(event.currentTarget)}
          onKeyDown={(event) => {
            if (event.key === 'Enter') commit(event.currentTarget);
          }}
        />
        <span className="unit">{unit}</span>
      </span>
      <output className="field-kept">{kept ? controlStrings.dialog.kept : ''}</output>
    </div>
  );
}

/** What a left field says: a number, null for "none", or nothing that can be read. */
export function entryOf(text: string, badInput: boolean, mayBeEmpty: boolean): number | null | 'unreadable' {
  if (badInput) return 'unreadable';
  if (text.trim() === '') return mayBeEmpty ? null : 'unreadable';
  const typed = Number(text);
  return Number.isFinite(typed) ? typed : 'unreadable';
}

/** A share or a charge, shown in percent and kept as 0 to 1. */
export function PercentField(props: {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly onCommit: (value: number) => void;
}) {
  const { label, value, min, max, onCommit } = props;
  return (
    <NumberField
      label={label}
      unit="%"
      value={Math.round(value * 100)}
      min={Math.round(min * 100)}
      max={Math.round(max * 100)}
      step={5}
      onCommit={(percent) => percent !== null && onCommit(Math.round(percent) / 100)}
    />
  );
}

interface NowProps {
  /** Whether the browser can tell at all. */
  readonly available: boolean;
  readonly testId: string;
  readonly children: ReactNode;
}

/** What the browser says at the moment about a rule's matter, or that it cannot say. */
export function Now({ available, testId, children }: NowProps) {
  return (
    <p className={available ? 'now' : 'now now-cannot'} data-testid={testId}>
      {children}
    </p>
  );
}
