/** Metered lines, rate limits and the monthly limit, with what the run needs and what the month has cost so far. */
import { MIN_RATE } from '../../app/settings.ts';
import { useActions, useApp } from '../context.tsx';
import * as format from '../format.ts';
import { isStarted } from '../startable.ts';
import { controlStrings } from '../strings/controls.ts';
import { Now, NumberField, Radios } from './fields.tsx';

const t = controlStrings.dialog;
const KB = 1000;
const GB = 1e9;
const MAX_RATE = 10e9;
const MAX_MONTH = 100_000 * GB;

export function NetworkRules() {
  const settings = useApp((s) => s.settings);
  const actions = useActions();
  return (
    <section className="rules-group" aria-labelledby="rules-network">
      <h3 id="rules-network">{t.network}</h3>
      <Radios
        legend={t.metered}
        value={settings.metered}
        choices={t.meteredChoices}
        onChoose={(choice) => actions?.changeSettings({ metered: choice })}
      />
      <MeteredNow />
      <div className="pair">
        <NumberField
          label={t.down}
          unit={t.rateUnit}
          value={settings.downRate === null ? null : settings.downRate / KB}
          min={MIN_RATE / KB}
          max={MAX_RATE / KB}
          step={50}
          empty={t.noLimit}
          describedBy="rates-hint"
          onCommit={(rate) => actions?.changeSettings({ downRate: rate === null ? null : rate * KB })}
        />
        <NumberField
          label={t.up}
          unit={t.rateUnit}
          value={settings.upRate === null ? null : settings.upRate / KB}
          min={MIN_RATE / KB}
          max={MAX_RATE / KB}
          step={50}
          empty={t.noLimit}
          describedBy="rates-hint"
          onCommit={(rate) => actions?.changeSettings({ upRate: rate === null ? null : rate * KB })}
        />
      </div>
      <RatesHint />
      <NumberField
        label={t.month}
        unit={t.monthUnit}
        value={settings.monthlyCap === null ? null : settings.monthlyCap / GB}
        min={0}
        max={MAX_MONTH / GB}
        step={0.5}
        empty={t.noLimit}
        describedBy="month-hint"
        onCommit={(cap) => actions?.changeSettings({ monthlyCap: cap === null ? null : cap * GB })}
      />
      <Month />
    </section>
  );
}

function MeteredNow() {
  const metered = useApp((s) => s.control.metered);
  const available = useApp((s) => s.control.has.network);
  const running = useApp(isStarted);
  if (available && !running) return null;
  const text = !available
    ? t.meteredMissing
    : metered === null
      ? t.meteredPartly
      : metered
        ? t.meteredYes
        : t.meteredNo;
  return (
    <Now available={available} testId="metered-now">
      {text}
    </Now>
  );
}

/** What the run needs on average, and whether a limit is below that. */
function RatesHint() {
  const run = useApp((s) => s.run);
  const { downRate, upRate } = useApp((s) => s.settings);
  if (run === null) return null;
  const needed = run.bytesPerRound / (run.roundMs / 1000);
  const least = Math.min(downRate ?? Number.POSITIVE_INFINITY, upRate ?? Number.POSITIVE_INFINITY);
  const rate = `${format.about(needed)}/s`;
  const low = least < needed;
  return (
    <p id="rates-hint" className={low ? 'now now-cannot' : 'hint'} data-testid="rates-hint">
      {low ? t.tooLow(rate) : t.needs(rate)}
    </p>
  );
}

function Month() {
  const month = useApp((s) => s.control.month);
  const cap = useApp((s) => s.settings.monthlyCap);
  const used = month === null ? null : month.down + month.up;
  return (
    <div id="month-hint" className="month" data-testid="month-now">
      {cap !== null && used !== null ? (
        <>
          <progress max={Math.max(1, cap)} value={Math.min(used, cap)} aria-label={t.month} />
          <p>{t.monthMeter(format.bytes(used), format.bytes(cap))}</p>
        </>
      ) : (
        <p>{t.monthUsed(format.bytes(used))}</p>
      )}
      <p className="hint">{t.monthNote}</p>
    </div>
  );
}
