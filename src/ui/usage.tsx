/** Line and graphics card over time: bandwidth, tokens per second, share of time in steps, and a measured power. */
import { useId, useState } from 'react';
import type { UsageSample } from '../app/picture-state.ts';
import { idleShare, USES } from '../peer/time-use.ts';
import { useApp } from './context.tsx';
import * as format from './format.ts';
import { usageStrings as t } from './strings/truth.ts';
import { Cell, HeadCell, Row, Table } from './table.tsx';
import { type ChartSpec, TimeChart } from './time-chart.tsx';
import { energyUsed, loadWatts, MAX_WATTS, saveWatts } from './watts.ts';

const HEIGHT = 130;
const ROWS = 40;

const last = (usage: readonly UsageSample[]) => usage.at(-1) ?? null;
const times = (usage: readonly UsageSample[]) => usage.map(({ at }) => at / 1000);
const line = (stroke: string) => ({ stroke, width: 1.75, points: { show: false } });
/** From nothing, or the picture makes a mountain of a molehill. */
const fromZero = (top: number) => ({
  y: { range: (_: unknown, _min: number, max: number) => [0, Math.max(top, 1.1 * max)] as [number, number] },
});

const BANDWIDTH: ChartSpec = {
  height: HEIGHT,
  inputs: (s) => [s.usage],
  data: ({ usage }) => [times(usage), usage.map((u) => u.down), usage.map((u) => u.up)],
  label: ({ usage }) => t.bandwidthSummary(format.rate(last(usage)?.down), format.rate(last(usage)?.up)),
  look: (colour) => ({
    scales: fromZero(1000),
    values: (values) => values.map((v) => format.about(v)),
    axisWidth: 58,
    series: [line(colour('--held-out')), line(colour('--train'))],
  }),
};

const SPEED: ChartSpec = {
  height: HEIGHT,
  inputs: (s) => [s.usage],
  data: ({ usage }) => [times(usage), usage.map((u) => u.tokensPerSecond)],
  label: ({ usage }) => t.speedSummary(format.speed(last(usage)?.tokensPerSecond)),
  look: (colour) => ({
    scales: fromZero(1),
    values: (values) => values.map((v) => format.compact(v)),
    axisWidth: 58,
    series: [line(colour('--accent'))],
  }),
};

const BUSY: ChartSpec = {
  height: HEIGHT,
  inputs: (s) => [s.usage],
  data: ({ usage }) => [times(usage), usage.map((u) => u.busy)],
  label: ({ usage }) => t.busySummary(format.percent(last(usage)?.busy)),
  look: (colour) => ({
    scales: { y: { range: [0, 1] } },
    values: (values) => values.map((v) => format.percent(v)),
    axisWidth: 58,
    series: [{ ...line(colour('--accent')), fill: colour('--share') }],
  }),
};

export function Usage() {
  const empty = useApp((s) => s.usage.length < 2);
  const watching = useApp((s) => s.intent === 'watching');
  return (
    <section className="block usage" aria-labelledby="usage-heading" data-testid="usage">
      <h2 id="usage-heading">{t.heading}</h2>
      {empty ? (
        <p className="empty">{t.empty}</p>
      ) : (
        <div className="usage-charts">
          <figure>
            <figcaption>
              {t.bandwidth} <span className="key key-held-out">{t.down}</span>
              <span className="key key-train">{t.up}</span>
            </figcaption>
            <TimeChart spec={BANDWIDTH} />
          </figure>
          {!watching && (
            <>
              <figure>
                <figcaption>{t.speed}</figcaption>
                <TimeChart spec={SPEED} />
              </figure>
              <figure>
                <figcaption>{t.busy}</figcaption>
                <TimeChart spec={BUSY} />
              </figure>
              <p className="hint">{t.busyWhy}</p>
            </>
          )}
        </div>
      )}
      {!watching && <TimeUse />}
      {!watching && <Watts />}
      {!empty && <Numbers />}
    </section>
  );
}

/** Where the time went: steps, and what held them up. */
function TimeUse() {
  const { sum, lastRound } = useApp((s) => s.timeUse);
  const idle = idleShare(sum);
  if (idle === null) return null;
  return (
    <div className="time-use">
      <h3>{t.timeHeading}</h3>
      <p data-testid="idle-share" data-value={idle}>
        {t.idle(format.share(idle))}
      </p>
      <Table
        caption={t.timeCaption}
        hideCaption
        columns={[
          { label: t.timeHeading },
          { label: t.sinceStart, number: true },
          { label: t.lastRound, number: true },
        ]}
      >
        {USES.filter((use) => sum[use] >= 500).map((use) => (
          <Row key={use}>
            <HeadCell label={t.timeHeading}>{t.uses[use]}</HeadCell>
            <Cell label={t.sinceStart} number>
              {format.duration(sum[use])}
            </Cell>
            <Cell label={t.lastRound} number>
              {format.duration(lastRound[use])}
            </Cell>
          </Row>
        ))}
      </Table>
    </div>
  );
}

/** The volunteer's own measurement, or nothing. */
function Watts() {
  const id = useId();
  const [watts, setWatts] = useState(loadWatts);
  const busy = useApp((s) => s.busyMs);
  return (
    <div className="watts">
      <label htmlFor={id}>{t.watts}</label>
      <span className="watts-field">
        <input
          id={id}
          className="field"
          type="number"
          min={0}
          max={MAX_WATTS}
          inputMode="decimal"
          value={watts ?? ''}
          aria-describedby={`${id}-hint`}
          onChange={({ currentTarget: input }) => {
            // What cannot be read as a number leaves the figure as it is.
            if (!input.validity.badInput) setWatts(saveWatts(input.valueAsNumber));
          }}
        />
        {t.wattsUnit}
      </span>
      <p id={`${id}-hint`} className="hint">
        {t.wattsHint}
      </p>
      {watts !== null && (
        <p data-testid="energy">{t.energy(format.energy(energyUsed(watts, busy)), format.duration(busy))}</p>
      )}
    </div>
  );
}

function Numbers() {
  const [open, setOpen] = useState(false);
  return (
    <details className="numbers" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t.table}</summary>
      {open && <NumberTable />}
    </details>
  );
}

function NumberTable() {
  const usage = useApp((s) => s.usage);
  return (
    <Table
      caption={t.caption}
      columns={[t.time, t.down, t.up, t.speed, t.busy].map((label) => ({ label, number: true }))}
    >
      {usage
        .slice(-ROWS)
        .reverse()
        .map(({ at, down, up, tokensPerSecond, busy }) => (
          <Row key={at}>
            <Cell number>{format.clock(at)}</Cell>
            <Cell number>{format.rate(down)}</Cell>
            <Cell number>{format.rate(up)}</Cell>
            <Cell number>{format.speed(tokensPerSecond)}</Cell>
            <Cell number>{format.percent(busy)}</Cell>
          </Row>
        ))}
    </Table>
  );
}
