/** What this tab gave and what it got for it. */
import type { ReactNode } from 'react';
import { useApp } from './context.tsx';
import { CreditSummary } from './credits.tsx';
import * as format from './format.ts';
import { noteText } from './strings/notes.ts';
import { strings } from './strings.ts';

const t = strings.mine;

export function Contribution() {
  const totals = useApp((s) => s.totals);
  const own = useApp((s) => s.tokensPerSecond);
  const swarm = useApp((s) => s.peers.reduce((sum, p) => sum + p.tokensPerSecond, s.tokensPerSecond));
  return (
    <section className="block" aria-labelledby="mine-heading">
      <h2 id="mine-heading">{t.heading}</h2>
      <dl className="figures">
        <Figure name="credits" term={t.credits} value={totals.credits} note={t.creditsHint} lead>
          {format.credits(totals.credits)}
        </Figure>
        <Figure name="tokens-per-second" term={t.speed} value={own} note={t.swarmSpeed(format.speed(swarm))}>
          {format.speed(own)}
        </Figure>
        <Figure name="inner-steps" term={t.steps} value={totals.innerSteps}>
          {format.compact(totals.innerSteps)}
        </Figure>
        <Figure name="tokens" term={t.tokens} value={totals.tokens}>
          {format.compact(totals.tokens)}
        </Figure>
        <Figure name="accepted" term={t.accepted} value={totals.accepted}>
          {format.count(totals.accepted)}
        </Figure>
        <Figure name="refused" term={t.refused} value={totals.refused}>
          {format.count(totals.refused)}
        </Figure>
      </dl>
      <CreditSummary />
      <p className="hint figures-note">{t.sinceOpened}</p>
      <LastRefusal />
    </section>
  );
}

interface FigureProps {
  readonly name: string;
  readonly term: string;
  /** The exact number, for scripts and tests. */
  readonly value: number;
  readonly note?: string;
  readonly lead?: boolean;
  readonly children: ReactNode;
}

function Figure({ name, term, value, note, lead = false, children }: FigureProps) {
  return (
    <div className={lead ? 'figures-lead' : undefined}>
      <dt>{term}</dt>
      <dd data-testid={name} data-value={value}>
        {children}
      </dd>
      {note !== undefined && <dd className="hint">{note}</dd>}
    </div>
  );
}

function LastRefusal() {
  const record = useApp((s) => s.rounds.findLast((r) => r.own?.outcome === 'refused'));
  const reason = record?.own?.reason ?? null;
  if (record === undefined || reason === null) return <p className="last-refusal hint">{t.noRefusal}</p>;
  const { title, text } = strings.refusals[reason];
  const note = record.own?.note ?? null;
  return (
    <p className="last-refusal" data-testid="last-refusal" data-reason={reason}>
      <strong>
        {t.lastRefusal}, {t.inRound(record.round)}: {title}.
      </strong>{' '}
      {text} {note !== null && <span className="detail">({noteText(note)})</span>}
    </p>
  );
}
