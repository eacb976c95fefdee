/** Round history: what became of my work, why, and what it paid. */
import { type ReactNode, useId, useState } from 'react';
import type { RoundRecord } from '../app/state.ts';
import { useApp } from './context.tsx';
import { creditState, Derivation } from './credits.tsx';
import * as format from './format.ts';
import { noteText } from './strings/notes.ts';
import { strings } from './strings.ts';
import { creditStrings } from './strings/truth.ts';
import { Cell, HeadCell, Row, Table } from './table.tsx';

const t = strings.rounds;
const SHORT = 8;
const ROUND = { label: t.round, number: true };
const MINE = [
  { label: t.mine },
  { label: t.why },
  { label: t.work, number: true },
  { label: t.credits, number: true },
];
const EVERYONE = [
  { label: t.people, number: true },
  { label: t.loss, number: true },
  { label: t.time, number: true },
];

export function Rounds() {
  const rounds = useApp((s) => s.rounds);
  // A watcher has no work of its own to account for.
  const mine = useApp((s) => s.intent !== 'watching' || s.rounds.some((r) => r.own !== null));
  const [all, setAll] = useState(false);
  const shown = rounds.slice(all ? 0 : -SHORT).reverse();
  return (
    <section className="block" aria-labelledby="rounds-heading">
      <h2 id="rounds-heading">{t.heading}</h2>
      {rounds.length === 0 ? (
        <p className="empty">{t.empty}</p>
      ) : (
        <Table
          caption={t.caption}
          hideCaption
          className={mine ? 'stack rounds' : 'rounds'}
          columns={mine ? [ROUND, ...MINE, ...EVERYONE] : [ROUND, ...EVERYONE]}
        >
          {shown.map((record) => (
            <RoundRow key={record.round} record={record} mine={mine} />
          ))}
        </Table>
      )}
      {rounds.length > SHORT && (
        <button type="button" className="button button-small" onClick={() => setAll(!all)}>
          {all ? t.less : t.more(rounds.length)}
        </button>
      )}
    </section>
  );
}

/** Why a round paid what it paid, in plain words. */
export function why(own: RoundRecord['own']): { readonly text: string; readonly detail: string } {
  if (own === null) return { text: t.noneWhy, detail: '' };
  if (own.outcome === 'accepted')
    return {
      text: own.credits === 0 ? t.acceptedZero : t.acceptedWhy(format.bytes(own.submissionBytes)),
      detail: '',
    };
  const reason = own.reason === null ? null : strings.refusals[own.reason];
  return {
    text: reason === null ? '' : `${reason.title}: ${reason.text}`,
    detail: own.note === null ? '' : noteText(own.note),
  };
}

function RoundRow({ record, mine }: { readonly record: RoundRecord; readonly mine: boolean }) {
  const [open, setOpen] = useState(false);
  const id = useId();
  return (
    <>
      <Row data-testid="round-row" data-round={record.round} data-outcome={record.own?.outcome ?? 'none'}>
        <HeadCell label={t.round} number className="cell-round">
          {record.round}
        </HeadCell>
        {mine && (
          <OwnCells record={record}>
            {record.own?.share && (
              <button
                type="button"
                className="how"
                aria-expanded={open}
                aria-controls={id}
                onClick={() => setOpen(!open)}
              >
                {open ? creditStrings.hide : creditStrings.how}
                <span className="visually-hidden">{creditStrings.howOf(record.round, open)}</span>
              </button>
            )}
          </OwnCells>
        )}
        <Cell label={t.people} number>
          {record.height === null ? format.UNKNOWN : record.contributors}
        </Cell>
        <Cell label={t.loss} number>
          {format.loss(record.heldOutLoss)}
        </Cell>
        <Cell label={t.time} number>
          {format.clock(record.at)}
        </Cell>
      </Row>
      {record.own?.share && open && (
        <Row id={id} className="how-row">
          <Cell colSpan={1 + MINE.length + EVERYONE.length} className="wrap cell-how">
            <Derivation own={record.own} share={record.own.share} round={record.round} />
          </Cell>
        </Row>
      )}
    </>
  );
}

function OwnCells({ record, children }: { readonly record: RoundRecord; readonly children: ReactNode }) {
  const { own, round } = record;
  const state = useApp((s) => creditState(s.standing, round));
  const outcome = own?.outcome ?? 'none';
  const admitted = useApp((s) => s.standing.admittedRound === round);
  const { text, detail } = own === null && admitted ? { text: creditStrings.admitted, detail: '' } : why(own);
  return (
    <>
      <Cell label={t.mine} className="cell-mine">
        <span className={`badge outcome-${outcome}`}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            {outcome === 'accepted' && <path d="m3 8.5 3.5 3.5L13 4.5" />}
            {outcome === 'refused' && <path d="m4 4 8 8M12 4l-8 8" />}
            {outcome === 'lost' && <path d="M8 2.5v7M8 12.4v.6" />}
            {outcome === 'none' && <path d="M4 8h8" />}
          </svg>
          {t.outcome[outcome]}
        </span>
      </Cell>
      <Cell className="wrap cell-why">
        {text} {detail !== '' && <span className="detail">({detail})</span>} {children}
      </Cell>
      <Cell label={t.work} number>
        {own === null ? format.UNKNOWN : `${format.count(own.innerSteps)} · ${format.compact(own.tokens)}`}
      </Cell>
      <Cell label={t.credits} number className="cell-credits" data-value={own?.credits ?? 0}>
        {own === null ? format.UNKNOWN : format.credits(own.credits)}
        {own?.outcome === 'accepted' && state !== 'vested' && (
          <span className={`credit-note credit-${state}`}>{creditStrings.states[state].title}</span>
        )}
      </Cell>
    </>
  );
}
