/**
 * A chart over time on a canvas (uPlot), fed straight from the store: a new point redraws the canvas and renders
 * nothing. Whoever uses it says the same in words (the label) and in a table beside it.
 */
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { AppState } from '../app/state.ts';
import { useViewStore } from './context.tsx';
import * as format from './format.ts';

/** Redraws at most once in this time; the eye does not miss the rest, and in a hidden tab there is no eye. */
const REDRAW_MS = 1000;
const HIDDEN_REDRAW_MS = 15_000;

export interface ChartSpec {
  readonly height: number;
  /** What the chart is drawn from: it is redrawn when one of these changes (Object.is). */
  readonly inputs: (state: AppState) => readonly unknown[];
  /** Seconds since the epoch, then one column a series. */
  readonly data: (state: AppState) => uPlot.AlignedData;
  /** The picture in words. */
  readonly label: (state: AppState) => string;
  /** Series after the time axis, and scales, with the colours that the stylesheet gives at that moment. */
  readonly look: (colour: (name: string) => string) => Pick<uPlot.Options, 'series' | 'scales'> & {
    /** Labels of the values' axis; `step` is their distance. */
    readonly values: (values: readonly number[], step: number) => string[];
    readonly axisWidth?: number;
  };
}

/** `spec` must stay the same object: define it outside the component. */
export function TimeChart({ spec }: { readonly spec: ChartSpec }) {
  const store = useViewStore();
  const host = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const schemes = ['(prefers-color-scheme: dark)', '(forced-colors: active)'].map((query) =>
      matchMedia(query),
    );
    let chart: uPlot | null = null;
    let drawn: readonly unknown[] | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;

    const draw = () => {
      clearTimeout(timer);
      timer = undefined;
      const state = store.getState();
      const inputs = spec.inputs(state);
      if (drawn?.every((value, i) => Object.is(value, inputs[i])) === true) return;
      drawn = inputs;
      chart?.setData(spec.data(state));
      element.setAttribute('aria-label', spec.label(state));
    };
    const later = () => {
      timer ??= setTimeout(draw, document.hidden ? HIDDEN_REDRAW_MS : REDRAW_MS);
    };
    /** Colours come from the stylesheet, so a change of scheme needs a new chart. */
    const build = () => {
      chart?.destroy();
      const width = widthFor(element.clientWidth);
      const options = chartOptions(spec, width, readStyle(element, spec));
      chart = new uPlot(options, spec.data(store.getState()), element);
      drawn = null;
      draw();
    };
    build();
    const resize = new ResizeObserver(([entry]) => {
      if (entry !== undefined && chart !== null)
        chart.setSize({ width: widthFor(entry.contentRect.width), height: spec.height });
    });
    resize.observe(element);
    for (const scheme of schemes) scheme.addEventListener('change', build);
    document.addEventListener('visibilitychange', draw);
    const release = store.subscribe(later);
    return () => {
      release();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', draw);
      for (const scheme of schemes) scheme.removeEventListener('change', build);
      resize.disconnect();
      chart?.destroy();
    };
  }, [store, spec]);

  const label = spec.label(store.getState());
  // oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- uPlot's canvas stands inside
  return <div ref={host} className="canvas" style={{ height: spec.height }} role="img" aria-label={label} />;
}

/** Whole pixels; uPlot needs room for its axis. */
const widthFor = (room: number): number => Math.max(120, Math.floor(room));

/** What the stylesheet gives at this moment, for {@link chartOptions}. */
function readStyle(element: HTMLElement, spec: ChartSpec) {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--ink-2'),
    font: `12px ${style.fontFamily}`,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  return { axis, look: spec.look(colour) };
}

/**
 * The functions in here live as long as the chart, and the engine keeps one chart after its end (V8: the descriptors of
 * the getter that uPlot defines on itself). So their scope holds neither the element nor its computed style: through
 * those the whole page that was left would stay.
 */
function chartOptions(
  { height }: ChartSpec,
  width: number,
  { axis, look }: ReturnType<typeof readStyle>,
): uPlot.Options {
  const { series, scales, values: valueLabels, axisWidth = 44 } = look;
  return {
    width,
    height,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 10, 0, 0],
    axes: [
      {
        ...axis,
        space: 80,
        size: 28,
        grid: { show: false },
        values: (_, times, _axis, _space, step) => timeLabels(times, step),
      },
      {
        ...axis,
        size: axisWidth,
        space: 44,
        values: (_, values, _axis, _space, step) => valueLabels(values, step),
      },
    ],
    ...(scales === undefined ? {} : { scales }),
    series: [{}, ...series],
  };
}

/**
 * Labels of the time axis. `times`, `step`: seconds. Ticks closer than a minute need their seconds, or several read the
 * same; the first label of each further day says the day.
 */
export function timeLabels(times: readonly number[], step: number): string[] {
  const first = times[0] ?? 0;
  let day = format.shortDay(first * 1000);
  return times.map((time) => {
    const of = format.shortDay(time * 1000);
    const clock = format.clock(time * 1000).slice(0, step < 60 ? 8 : 5);
    if (step >= 86_400) return of;
    if (of === day) return clock;
    day = of;
    return of;
  });
}
