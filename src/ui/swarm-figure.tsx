/** The first visit's picture: seven tabs around the ring of a round, one of them yours. */
/* oxlint-disable jsx-a11y/prefer-tag-over-role -- drawn inline, so that it takes the page's colours */
import { point } from './round-geometry.ts';
import { strings } from './strings.ts';

const SIZE = 360;
const CENTRE = SIZE / 2;
const TABS = 7;

export function SwarmFigure() {
  const places = Array.from({ length: TABS }, (_, i) => point(i / TABS, 128, CENTRE));
  return (
    <svg
      className="figure"
      viewBox={`0 -6 ${SIZE} ${SIZE - 6}`}
      role="img"
      aria-label={strings.landing.figure}
    >
      <g className="figure-links">
        {places.flatMap((a, i) =>
          places
            .slice(i + 1)
            .map((b) => <line key={`${a.x} ${b.x} ${b.y}`} x1={a.x} y1={a.y} x2={b.x} y2={b.y} />),
        )}
      </g>
      <g fill="none" transform={`rotate(-90 ${CENTRE} ${CENTRE})`}>
        {ARCS.map(([start, length], i) => (
          <circle
            key={start}
            className={i === 0 ? 'figure-ring' : 'figure-ring-soft'}
            cx={CENTRE}
            cy={CENTRE}
            r={72}
            pathLength={1}
            strokeDasharray={`${length} 2`}
            strokeDashoffset={-start}
          />
        ))}
      </g>
      <path className="figure-curve" d="M142 152c12 4 14 26 28 34s18 8 30 12 14 8 22 8" />
      {places.map(({ x, y }, i) => (
        <g
          key={`${x} ${y}`}
          transform={`translate(${x} ${y})`}
          className={i === 0 ? 'figure-you' : 'figure-tab'}
        >
          <rect x={-25} y={-20} width={50} height={40} rx={7} />
          <path className="figure-tabs" d="M-19-9v-3a3 3 0 0 1 3-3h11a3 3 0 0 1 3 3v3M-25-9h50" />
          <path className="figure-spark" d={SPARKS[i % SPARKS.length]} />
        </g>
      ))}
    </svg>
  );
}

/** Start and length of the four phases, as shares of the circle. */
const ARCS = [
  [0.01, 0.64],
  [0.67, 0.07],
  [0.76, 0.09],
  [0.87, 0.12],
] as const;

/** Little falling curves, one a tab. */
const SPARKS = [
  'M-15-1c4 0 6 9 12 10s10 3 18 3',
  'M-15 0c3 0 5 6 10 7s12 4 20 5',
  'M-15-2c5 2 5 12 13 12s10 2 17 2',
  'M-15 1c5-1 8 5 14 7s9 3 16 4',
];
