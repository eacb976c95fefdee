/**
 * Loss over time on a canvas (uPlot), fed straight from the store: a new point redraws the canvas and renders
 * nothing. The same numbers stand in a table for whoever cannot see the picture.
 */
import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { AppState } from '../app/state.ts';
import { useApp, useViewStore } from './context.tsx';
import * as format from './format.ts';
import { strings } from './strings.ts';
import { Cell, Row, Table } from './table.tsx';

const t = strings.loss;
const HEIGHT = 260;
/** Redraws at most once in this time; the eye does not miss the rest, and in a hidden tab there is no eye. */
const REDRAW_MS = 1000;
const HIDDEN_REDRAW_MS = 15_000;

type Points = AppState['trainLoss'];
const last = (points: Points): number | null => points.at(-1)?.[1] ?? null;

/** The two curves on one time axis, seconds as uPlot counts; absent values are null and bridged. */
export function joinCurves(train: Points, heldOut: Points): uPlot.AlignedData {
  const xs = [...new Set([...train, ...heldOut].map(([at]) => at / 1000))].sort((a, b) => a - b);
  const column = (points: Points) => {
    const byTime = new Map(points.map(([at, value]) => [at / 1000, value]));
    return xs.map((x) => byTime.get(x) ?? null);
  };
  return [xs, column(train), column(heldOut)];
}

export function LossChart() {
  const empty = useApp((s) => s.trainLoss.length === 0 && s.heldOutLoss.length === 0);
  return (
    <section className="block" aria-labelledby="loss-heading">
      <h2 id="loss-heading">{t.heading}</h2>
      <Legend />
      <div className="chart" style={{ minHeight: HEIGHT }}>
        {empty ? <p className="empty chart-empty">{t.empty}</p> : <Canvas />}
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
    </dl>
  );
}

function Canvas() {
  const store = useViewStore();
  const host = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    let chart: uPlot | null = null;
    let drawn: readonly [Points, Points] | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;

    const draw = () => {
      clearTimeout(timer);
      timer = undefined;
      const { trainLoss, heldOutLoss } = store.getState();
      if (drawn?.[0] === trainLoss && drawn[1] === heldOutLoss) return;
      drawn = [trainLoss, heldOutLoss];
      chart?.setData(joinCurves(trainLoss, heldOutLoss));
      element.setAttribute(
        'aria-label',
        t.summary(format.loss(last(trainLoss)), format.loss(last(heldOutLoss))),
      );
    };
    const later = () => {
      timer ??= setTimeout(draw, document.hidden ? HIDDEN_REDRAW_MS : REDRAW_MS);
    };
    /** Colours come from the stylesheet, so a change of scheme needs a new chart. */
    const build = () => {
      chart?.destroy();
      chart = new uPlot(options(element), [[], [], []], element);
      drawn = null;
      draw();
    };
    build();
    const resize = new ResizeObserver(([entry]) => {
      if (entry !== undefined && chart !== null)
        chart.setSize({ width: Math.floor(entry.contentRect.width), height: HEIGHT });
    });
    resize.observe(element);
    scheme.addEventListener('change', build);
    document.addEventListener('visibilitychange', draw);
    const release = store.subscribe(later);
    return () => {
      release();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', draw);
      scheme.removeEventListener('change', build);
      resize.disconnect();
      chart?.destroy();
    };
  }, [store]);

  // oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- uPlot's canvas stands inside
  return <div ref={host} className="canvas" role="img" aria-label={t.heading} />;
}

function options(element: HTMLElement): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--ink-2'),
    font: `12px ${style.fontFamily}`,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: Math.max(200, Math.floor(element.clientWidth)),
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 10, 0, 0],
    axes: [
      {
        ...axis,
        space: 80,
        size: 28,
        grid: { show: false },
        // Ticks closer than a minute need their seconds, or several read the same.
        values: (_, times, _axis, _space, step) =>
          times.map((time) => format.clock(time * 1000).slice(0, step < 60 ? 8 : 5)),
      },
      {
        ...axis,
        size: 44,
        space: 44,
        // 0.25 apart need two digits, or 7.25 reads 7.3 beside 7.5.
        values: (_, values, _axis, _space, step) => {
          const tenths = step * 10;
          return values.map((v) => v.toFixed(Math.abs(tenths - Math.round(tenths)) < 1e-9 ? 1 : 2));
        },
      },
    ],
    scales: { y: { range: { min: { pad: 0.08 }, max: { pad: 0.08 } } } },
    series: [
      {},
      { stroke: colour('--train'), width: 1.25, spanGaps: true, points: { show: false } },
      {
        stroke: colour('--held-out'),
        width: 2.25,
        spanGaps: true,
        points: { show: true, size: 6, fill: colour('--held-out'), width: 0 },
      },
    ],
  };
}

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
  const columns = [
    { label: t.time, number: true },
    { label: t.value, number: true },
  ];
  return (
    <div className="numbers-pair">
      {[[t.caption, heldOut] as const, [t.captionTrain, train] as const].map(([caption, points]) => (
        <Table key={caption} caption={caption} columns={columns}>
          {points
            .slice(-ROWS)
            .reverse()
            .map(([at, value], i) => (
              <Row key={`${at} ${i}`}>
                <Cell number>{format.clock(at)}</Cell>
                <Cell number>{format.loss(value)}</Cell>
              </Row>
            ))}
        </Table>
      ))}
    </div>
  );
}
