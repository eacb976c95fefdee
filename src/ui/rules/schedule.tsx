/** The clock schedule: at any time, or only in windows of hours on some days of the week. */
import { openingAt } from '../../app/governor/schedule.ts';
import { type ClockWindow, MAX_WINDOWS } from '../../app/settings.ts';
import { useActions, useApp } from '../context.tsx';
import { controlStrings } from '../strings/controls.ts';
import { clockTime, minutesOf, when } from '../when.ts';
import { Radios } from './fields.tsx';

const t = controlStrings.dialog;
const EVERY_DAY = [true, true, true, true, true, true, true];
const NIGHT: ClockWindow = { days: EVERY_DAY, from: 22 * 60, to: 7 * 60 };

export function ScheduleRules() {
  const schedule = useApp((s) => s.settings.schedule);
  const actions = useActions();
  const set = (windows: readonly ClockWindow[] | null) => actions?.changeSettings({ schedule: windows });
  return (
    <section className="rules-group" aria-labelledby="rules-when">
      <h3 id="rules-when">{t.when}</h3>
      <Radios
        legend={t.when}
        hideLegend
        value={schedule === null ? 'always' : 'hours'}
        choices={{ always: t.always, hours: t.hours }}
        onChoose={(choice) => set(choice === 'always' ? null : [NIGHT])}
      />
      {schedule !== null && <Windows windows={schedule} onChange={set} />}
    </section>
  );
}

function Windows(props: {
  readonly windows: readonly ClockWindow[];
  readonly onChange: (windows: readonly ClockWindow[]) => void;
}) {
  const { windows, onChange } = props;
  return (
    <div className="windows">
      {windows.map((window, index) => (
        <WindowRow
          // Windows have no identity but their place.
          key={index}
          name={t.window(index + 1)}
          window={window}
          onChange={(changed) => onChange(windows.map((w, i) => (i === index ? changed : w)))}
          onRemove={windows.length > 1 ? () => onChange(windows.filter((_, i) => i !== index)) : null}
        />
      ))}
      {windows.length < MAX_WINDOWS && (
        <button type="button" className="button button-small" onClick={() => onChange([...windows, NIGHT])}>
          {t.add}
        </button>
      )}
      <p className="now" data-testid="schedule-now">
        {nowText(windows)} <span className="hint">{t.clockNote}</span>
      </p>
    </div>
  );
}

/** Whether the schedule is open now, and until when. */
function nowText(windows: readonly ClockWindow[]): string {
  const now = Date.now();
  const { open, until } = openingAt(windows, now);
  const change = until === null ? null : when(until, now);
  return open ? t.openNow(change) : t.closedNow(change);
}

function WindowRow(props: {
  readonly name: string;
  readonly window: ClockWindow;
  readonly onChange: (window: ClockWindow) => void;
  readonly onRemove: (() => void) | null;
}) {
  const { name, window, onChange, onRemove } = props;
  const { days, from, to } = window;
  return (
    <fieldset className="window">
      <legend className="visually-hidden">{name}</legend>
      <div className="days">
        {t.days.map((day, index) => (
          <label key={day} className="day">
            <input
              type="checkbox"
              className="visually-hidden"
              aria-label={day}
              checked={days[index]}
              onChange={() => onChange({ ...window, days: days.map((on, i) => (i === index ? !on : on)) })}
            />
            <span aria-hidden="true">{t.daysShort[index]}</span>
          </label>
        ))}
      </div>
      <div className="times">
        <TimeField label={t.from} minutes={from} onChange={(value) => onChange({ ...window, from: value })} />
        <TimeField label={t.to} minutes={to} onChange={(value) => onChange({ ...window, to: value })} />
        {to <= from && <span className="hint">{to === from ? t.allDay : t.overnight}</span>}
        {onRemove !== null && (
          <button
            type="button"
            className="button button-small"
            aria-label={`${t.remove} ${name}`}
            onClick={onRemove}
          >
            {t.remove}
          </button>
        )}
      </div>
    </fieldset>
  );
}

function TimeField(props: {
  readonly label: string;
  readonly minutes: number;
  readonly onChange: (minutes: number) => void;
}) {
  return (
    <label className="time-field">
      {props.label}
      <input
        type="time"
        required
        value={clockTime(props.minutes)}
        onChange={(event) => {
          const minutes = minutesOf(event.currentTarget.value);
          if (minutes !== null) props.onChange(minutes);
        }}
      />
    </label>
  );
}
