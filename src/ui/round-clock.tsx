/**
 * The round as a clock face: four arcs true to scale, the time left in the middle, peers around it. The hand is moved
 * by four DOM writes a second, without rendering.
 */
import { memo, useEffect, useMemo, useRef } from 'react';
import type { LinkPath } from '../swarm/types.ts';
import { useApp, useViewStore } from './context.tsx';
import * as format from './format.ts';
import { arcs, type Arc, PHASES, point, progress, SEATS, seats } from './round-geometry.ts';
import { strings } from './strings.ts';

const SIZE = 240;
const CENTRE = SIZE / 2;
const RADIUS = 92;
const ORBIT = 112;
/** Share of the circle left empty between two arcs. */
const GAP = 0.012;
const TICK_MS = 250;

/** An arc's dash on a circle whose path length is 1. */
const dash = (arc: Arc, part: number) => `${Math.max(0, (arc.length - GAP) * part)} 2`;

export function RoundClock() {
  return (
    <section className="round" aria-labelledby="round-heading">
      <h2 id="round-heading" className="visually-hidden">
        {strings.round.heading}
      </h2>
      <div className="face">
        <Face />
        <Reading />
      </div>
      <Steps />
    </section>
  );
}

function Face() {
  const run = useApp((s) => s.run);
  const all = useMemo(() => arcs(run), [run]);
  const store = useViewStore();
  const hands = useRef<(SVGCircleElement | null)[]>([]);

  useEffect(() => {
    const draw = () => {
      const { phase, phaseEndsAt, clockOffsetMs } = store.getState();
      const left = phaseEndsAt - (Date.now() + clockOffsetMs);
      const parts = phaseEndsAt === 0 ? [0, 0, 0, 0] : progress(all, phase, left);
      parts.forEach((part, i) => {
        const hand = hands.current[i];
        if (hand === null || hand === undefined) return;
        hand.setAttribute('stroke-dasharray', dash(all[i], part));
        // A round cap would leave a dot where nothing is over yet.
        hand.style.visibility = part > 0 ? 'visible' : 'hidden';
      });
    };
    draw();
    const timer = setInterval(draw, TICK_MS);
    return () => clearInterval(timer);
  }, [all, store]);

  const circle = (arc: Arc) => ({
    cx: CENTRE,
    cy: CENTRE,
    r: RADIUS,
    pathLength: 1,
    strokeDashoffset: -(arc.start + GAP / 2),
    transform: `rotate(-90 ${CENTRE} ${CENTRE})`,
  });
  return (
    <svg viewBox={`0 0 ${SIZE} ${SIZE}`} aria-hidden="true">
      {all.map((arc) => (
        <circle key={arc.phase} className="arc" {...circle(arc)} strokeDasharray={dash(arc, 1)} />
      ))}
      {all.map((arc, i) => (
        <circle
          key={arc.phase}
          ref={(element) => {
            hands.current[i] = element;
          }}
          className="arc arc-over"
          {...circle(arc)}
        />
      ))}
      <Orbit />
    </svg>
  );
}

/** This tab at the top, the others where their names put them. */
function Orbit() {
  const peers = useApp((s) => s.peers);
  // The peers' numbers change all the time, their names and paths rarely: only those move a mark.
  const key = peers.map((p) => `${p.peer} ${p.path}`).join('\n');
  return <Marks layout={key} />;
}

const Marks = memo(function Marks({ layout }: { readonly layout: string }) {
  const peers = layout === '' ? [] : layout.split('\n').map((line) => line.split(' ') as [string, LinkPath]);
  const places = seats(peers.map(([peer]) => peer));
  const me = point(0, ORBIT, CENTRE);
  return (
    <>
      {peers.map(([peer, path]) => {
        const seat = places.get(peer);
        if (seat === undefined) return null;
        const { x, y } = point(seat / SEATS, ORBIT, CENTRE);
        return path === 'host' ? (
          <rect key={peer} className="mark mark-host" x={x - 3.5} y={y - 3.5} width={7} height={7} rx={1} />
        ) : (
          <circle key={peer} className={`mark mark-${path}`} cx={x} cy={y} r={path === 'direct' ? 4 : 3.4} />
        );
      })}
      <circle className="mark mark-me" cx={me.x} cy={me.y} r={5.5} />
    </>
  );
});

function Reading() {
  const round = useApp((s) => s.round);
  const phase = useApp((s) => s.phase);
  const known = useApp((s) => s.phaseEndsAt !== 0);
  const store = useViewStore();
  const left = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const draw = () => {
      const { phaseEndsAt, clockOffsetMs } = store.getState();
      const text =
        phaseEndsAt === 0 ? format.UNKNOWN : format.countdown(phaseEndsAt - (Date.now() + clockOffsetMs));
      if (left.current !== null && left.current.textContent !== text) left.current.textContent = text;
    };
    draw();
    const timer = setInterval(draw, TICK_MS);
    const release = store.subscribe(draw);
    return () => {
      clearInterval(timer);
      release();
    };
  }, [store]);
  return (
    <div className="reading">
      <span className="reading-round" data-testid="round" data-value={round}>
        {known ? strings.round.label(round) : strings.round.none}
      </span>
      {/* A timer is not announced by itself; the phase below is text that can be read at any time. */}
      <span className="reading-left" role="timer" ref={left} />
      <span className="reading-phase" data-testid="phase" data-value={phase}>
        {known ? strings.phases[phase].title : ' '}
      </span>
    </div>
  );
}

function Steps() {
  const phase = useApp((s) => s.phase);
  const known = useApp((s) => s.phaseEndsAt !== 0);
  return (
    <div className="steps">
      <ol>
        {PHASES.map((p) => (
          <li key={p} aria-current={known && p === phase ? 'step' : undefined}>
            {strings.phases[p].title}
          </li>
        ))}
      </ol>
      <p>{known ? strings.phases[phase].text : strings.round.noneText}</p>
      <ul className="marks-key" aria-label={strings.round.marksLabel}>
        {(['me', 'direct', 'relayed', 'host'] as const).map((mark) => (
          <li key={mark}>
            <svg viewBox="0 0 12 12" aria-hidden="true">
              {mark === 'host' ? (
                <rect className="mark mark-host" x={2} y={2} width={8} height={8} rx={1} />
              ) : (
                <circle className={`mark mark-${mark}`} cx={6} cy={6} r={mark === 'me' ? 5 : 4} />
              )}
            </svg>
            {strings.round.marks[mark]}
          </li>
        ))}
      </ul>
    </div>
  );
}
