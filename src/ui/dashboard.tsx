/** After Start: the instrument panel on top, the records below it. */
import { lazy, Suspense } from 'react';
import { ChatBox } from './chat.tsx';
import { useApp } from './context.tsx';
import { Contribution } from './contribution.tsx';
import { Controls } from './controls.tsx';
import { Facts } from './facts.tsx';
import { DevicePanel } from './install.tsx';
import { Leaderboard } from './leaderboard.tsx';
import { LossChart } from './loss-chart.tsx';
import { Milestones } from './milestones.tsx';
import { Peers } from './peers.tsx';
import { RoundClock } from './round-clock.tsx';
import { Rounds } from './rounds.tsx';
import { SamplesPanel } from './samples.tsx';
import { Status } from './status.tsx';
import { strings } from './strings.ts';
import { TrafficPanel } from './traffic.tsx';

/** Pictures that are no help in the first second. */
const SwarmGraph = lazy(async () => ({ default: (await import('./swarm-graph.tsx')).SwarmGraph }));
const Usage = lazy(async () => ({ default: (await import('./usage.tsx')).Usage }));
/** Draws and signs: not needed before somebody has given something. */
const Certificate = lazy(async () => ({ default: (await import('./certificate.tsx')).Certificate }));

/** The room of a panel whose code is on its way, so that nothing below it jumps. */
const Coming = ({ className }: { readonly className: string }) => (
  <div className={className} aria-hidden="true" />
);

export function Dashboard() {
  const name = useApp((s) => s.run?.name);
  const watching = useApp((s) => s.intent === 'watching');
  return (
    <div className="dashboard">
      <h1 className="visually-hidden">{name ?? strings.product}</h1>
      <div className="panel">
        <RoundClock />
        <div className="panel-side">
          <Status />
          <Controls />
        </div>
      </div>
      <div className="column-main">
        {!watching && <Contribution />}
        <LossChart />
        <ChatBox />
        <SamplesPanel />
        <Rounds />
        <Suspense fallback={<Coming className="block coming coming-graph" />}>
          <SwarmGraph />
        </Suspense>
        <Peers />
      </div>
      <div className="column-side">
        <TrafficPanel />
        <Suspense fallback={<Coming className="block coming coming-usage" />}>
          <Usage />
        </Suspense>
        {!watching && (
          <Suspense fallback={<Coming className="block coming coming-certificate" />}>
            <Certificate />
          </Suspense>
        )}
        {!watching && <Milestones />}
        <Leaderboard />
        <Facts />
        <DevicePanel />
      </div>
    </div>
  );
}
