/**
 * Loss over time with the swarm's rounds and this tab's share of each. The same numbers stand in tables for whoever
 * cannot see the picture.
 */
import { useState } from 'react';
import uPlot from 'uplot';
import type { AppState } from '../app/state.ts';
import { useApp } from './context.tsx';
import * as format from './format.ts';
import { strings } from './strings.ts';
import { roundShareStrings } from './strings/truth.ts';
import { Cell, Row, Table } from './table.tsx';
import { type ChartSpec, TimeChart } from './time-chart.tsx';

const t = strings.loss;
const HEIGHT = 260;

type Points = AppState['trainLoss'];
const last = (points: Points): number | null => points.at(-1)?.[1] ?? null;

/**
 * Bars and curves on one time axis, seconds as uPlot counts. Absent values of the curves are null and bridged; those of
 * the bars are undefined, so that only the distance between bars makes their width.
 */
export function joinCurves(train: Points, heldOut: Points, bars: Points = []): uPlot.AlignedData {
  const xs = [...new Set([...train, ...heldOut, ...bars].map(([at]) => at / 1000))].sort((a, b) => a - b);
  const column = (points: Points, absent: null | undefined) => {
    const byTime = new Map(points.map(([at, value]) => [at / 1000, value]));
    return xs.map((x) => byTime.get(x) ?? absent);
  };
  return [xs, column(bars, undefined), column(train, null), column(heldOut, null)];
}

export function LossChart() {
  const empty = useApp((s) => s.trainLoss.length === 0 && s.heldOutLoss.length === 0);
  return (
    <section className="block" aria-labelledby="loss-heading">
      <h2 id="loss-heading">{t.heading}</h2>
      <Legend />
      <div className="chart" style={{ minHeight: HEIGHT }}>
        {empty ? <p className="empty chart-empty">{t.empty}</p> : <TimeChart spec={SPEC} />}
      </div>
      <p className="hint">{t.hint}</p>
      {!empty && <Numbers />}
    </section>
  );
}

function Legend() {
  const watching = useApp((s) => s.intent === 'watching' && s.trainLoss.length === 0);
  const train = useApp((s) => last(s.trainLoss));
  const heldOut = useApp((s) => last(s.heldOutLoss));
  const share = useApp((s) => shareNow(s.rounds));
  const change = useApp((s) => {
    const first = s.heldOutLoss[0]?.[1];
    const now = last(s.heldOutLoss);
    return first === undefined || now === null || s.heldOutLoss.length < 2 ? null : now - first;
  });
  return (
    <dl className="legend">
      <div>
        <dt className="key key-held-out">{t.heldOut}</dt>
        <dd data-testid="held-out-loss" data-value={heldOut ?? ''}>
          {format.loss(heldOut)}
          {change !== null && <span className="hint"> {t.sinceStart(format.signed(change))}</span>}
        </dd>
      </div>
      {!watching && (
        <div>
          <dt className="key key-train">{t.train}</dt>
          <dd data-testid="train-loss" data-value={train ?? ''}>
            {format.loss(train)}
          </dd>
        </div>
      )}
      {share !== null && (
        <div>
          <dt className="key key-share">{roundShareStrings.key}</dt>
          <dd data-testid="round-share" data-value={share}>
            {format.share(share)}
          </dd>
        </div>
      )}
    </dl>
  );
}

const shareNow = (rounds: AppState['rounds']): number | null => {
  const share = rounds.findLast((record) => record.own !== null)?.own?.share;
  return share === undefined ? null : share === null ? 0 : share.weight / share.totalWeight;
};

/** Own share of each round with own accepted work: [epoch ms, 0 to 1]. */
const shares = (rounds: AppState['rounds']): Points =>
  rounds.flatMap(({ at, own }) =>
    own?.share ? [[at, own.share.weight / own.share.totalWeight] as const] : [],
  );

const SPEC: ChartSpec = {
  height: HEIGHT,
  inputs: (s) => [s.trainLoss, s.heldOutLoss, s.rounds],
  data: (s) => joinCurves(s.trainLoss, s.heldOutLoss, shares(s.rounds)),
  label: (s) => {
    const share = shareNow(s.rounds);
    const summary = t.summary(format.loss(last(s.trainLoss)), format.loss(last(s.heldOutLoss)));
    return share === null ? summary : summary + roundShareStrings.summary(format.share(share));
  },
  look: (colour) => ({
    scales: {
      y: { range: { min: { pad: 0.08 }, max: { pad: 0.08 } } },
      // The bars stand on the floor of the chart, the largest a quarter as high as it.
      share: { range: (_, _min, max) => [0, 4 * Math.max(max, 0.01)] },
    },
    // 0.25 apart need two digits, or 7.25 reads 7.3 beside 7.5.
    values: (values, step) => {
      const tenths = step * 10;
      return values.map((v) => v.toFixed(Math.abs(tenths - Math.round(tenths)) < 1e-9 ? 1 : 2));
    },
    series: [
      {
        scale: 'share',
        stroke: colour('--accent'),
        fill: colour('--share'),
        width: 0,
        points: { show: false },
        ...(uPlot.paths.bars !== undefined && { paths: uPlot.paths.bars({ size: [0.7, 18], gap: 1 }) }),
      },
      { stroke: colour('--train'), width: 1.25, spanGaps: true, points: { show: false } },
      {
        stroke: colour('--held-out'),
        width: 2.25,
        spanGaps: true,
        points: { show: true, size: 6, fill: colour('--held-out'), width: 0 },
      },
    ],
  }),
};

const ROWS = 50;

function Numbers() {
  const [open, setOpen] = useState(false);
  return (
    <details className="numbers" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t.table}</summary>
      {open && <NumberTables />}
    </details>
  );
}

function NumberTables() {
  const heldOut = useApp((s) => s.heldOutLoss);
  const train = useApp((s) => s.trainLoss);
  const rounds = useApp((s) => s.rounds);
  const tables = [
    [t.caption, t.value, heldOut, format.loss],
    [t.captionTrain, t.value, train, format.loss],
    [roundShareStrings.caption, roundShareStrings.column, shares(rounds), format.share],
  ] as const;
  return (
    <div className="numbers-pair">
      {tables.map(([caption, column, points, text]) => (
        <Table
          key={caption}
          caption={caption}
          columns={[
            { label: t.time, number: true },
            { label: column, number: true },
          ]}
        >
          {points
            .slice(-ROWS)
            .reverse()
            .map(([at, value], i) => (
              <Row key={`${at} ${i}`}>
                <Cell number>{format.clock(at)}</Cell>
                <Cell number>{text(value)}</Cell>
              </Row>
            ))}
        </Table>
      ))}
    </div>
  );
}
