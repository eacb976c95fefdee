/** Battery thresholds and keeping the screen awake, with what the browser says at the moment, or cannot say. */
import { MIN_BATTERY_GAP } from '../../app/settings.ts';
import { useActions, useApp } from '../context.tsx';
import * as format from '../format.ts';
import { isStarted } from '../startable.ts';
import { controlStrings } from '../strings/controls.ts';
import { Now, PercentField, Radios } from './fields.tsx';

const t = controlStrings.dialog;

export function PowerRules() {
  const battery = useApp((s) => s.settings.battery);
  const actions = useActions();
  return (
    <section className="rules-group" aria-labelledby="rules-power">
      <h3 id="rules-power">{t.power}</h3>
      <Radios
        legend={t.battery}
        value={battery}
        choices={t.batteryChoices}
        onChoose={(choice) => actions?.changeSettings({ battery: choice })}
        detail={battery === 'thresholds' ? <Thresholds /> : undefined}
      />
      <BatteryNow />
      <KeepAwake />
    </section>
  );
}

function Thresholds() {
  const { pauseBelow, resumeAbove } = useApp((s) => s.settings);
  const actions = useActions();
  return (
    <div className="pair">
      <PercentField
        label={t.pauseBelow}
        value={pauseBelow}
        min={0.05}
        max={1 - MIN_BATTERY_GAP}
        onCommit={(value) => actions?.changeSettings({ pauseBelow: value })}
      />
      <PercentField
        label={t.resumeAbove}
        value={resumeAbove}
        min={pauseBelow + MIN_BATTERY_GAP}
        max={1}
        onCommit={(value) => actions?.changeSettings({ resumeAbove: value })}
      />
    </div>
  );
}

function BatteryNow() {
  const battery = useApp((s) => s.control.battery);
  const available = useApp((s) => s.control.has.battery);
  const running = useApp(isStarted);
  const text = !available
    ? t.batteryMissing
    : battery !== null
      ? t.batteryNow(format.percent(battery.level), battery.charging)
      : running
        ? t.batteryQuiet
        : t.batteryIdle;
  return (
    <Now available={available} testId="battery-now">
      {text}
    </Now>
  );
}

function KeepAwake() {
  const keepAwake = useApp((s) => s.settings.keepAwake);
  const awake = useApp((s) => s.control.awake);
  const available = useApp((s) => s.control.has.wakeLock);
  const actions = useActions();
  return (
    <div className="switch">
      <label>
        <input
          type="checkbox"
          checked={keepAwake}
          disabled={!available}
          onChange={() => actions?.changeSettings({ keepAwake: !keepAwake })}
        />
        <span>{t.keepAwake}</span>
      </label>
      <p className="hint" data-testid="awake-now">
        {available ? t.awake[awake === 'missing' ? 'off' : awake] : t.awake.missing}
      </p>
    </div>
  );
}
