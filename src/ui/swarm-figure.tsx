/** The first visit's picture: seven tabs around the ring of a round, one of them yours. */
import { point } from './round-geometry.ts';
import { strings } from './strings.ts';

const SIZE = 360;
const CENTRE = SIZE / 2;
const TABS = 7;

export function SwarmFigure() {
  const places = Array.from({ length: TABS }, (_, i) => point(i / TABS, 128, CENTRE));
  return (
    <svg className="figure" viewBox={`0 0 ${SIZE} ${SIZE}`} role="img" aria-label={strings.landing.figure}>
      <g className="figure-links">
        {places.flatMap((a, i) =>
          places
            .slice(i + 1)
            .map((b) => <line key={`${a.x} ${b.x} ${b.y}`} x1={a.x} y1={a.y} x2={b.x} y2={b.y} />),
        )}
      </g>
      <g fill="none" transform={`rotate(-90 ${CENTRE} ${CENTRE})`}>
        <circle
          className="figure-ring"
          cx={CENTRE}
          cy={CENTRE}
          r={72}
          pathLength={1}
          strokeDasharray="0.66 2"
        />
        <circle
          className="figure-ring-soft"
          cx={CENTRE}
          cy={CENTRE}
          r={72}
          pathLength={1}
          strokeDasharray="0.06 2"
          strokeDashoffset={-0.7}
        />
        <circle
          className="figure-ring-soft"
          cx={CENTRE}
          cy={CENTRE}
          r={72}
          pathLength={1}
          strokeDasharray="0.08 2"
          strokeDashoffset={-0.8}
        />
        <circle
          className="figure-ring-soft"
          cx={CENTRE}
          cy={CENTRE}
          r={72}
          pathLength={1}
          strokeDasharray="0.06 2"
          strokeDashoffset={-0.92}
        />
      </g>
      <path className="figure-curve" d="M142 152c12 4 14 26 28 34s18 8 30 12 14 8 22 8" />
      {places.map(({ x, y }, i) => (
        <g
          key={`${x} ${y}`}
          transform={`translate(${x} ${y})`}
          className={i === 0 ? 'figure-you' : 'figure-tab'}
        >
          <path d="M-21 15V-9a7 7 0 0 1 7-7H0a7 7 0 0 1 7 7v2h7a7 7 0 0 1 7 7v15a4 4 0 0 1-4 4h-34a4 4 0 0 1-4-4Z" />
          <path className="figure-spark" d={SPARKS[i % SPARKS.length]} />
        </g>
      ))}
    </svg>
  );
}

/** Little falling curves, one a tab. */
const SPARKS = [
  'M-13 -2c5 0 6 8 11 9s8 2 15 3',
  'M-13 0c3 0 5 5 9 6s10 3 17 4',
  'M-13 -3c4 2 5 11 12 11s9 2 14 2',
  'M-13 1c5-1 8 4 13 6s8 2 13 3',
];
