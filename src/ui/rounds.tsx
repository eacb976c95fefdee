/** Round history: what became of my work, why, and what it paid. */
import { useState } from 'react';
import type { RoundRecord } from '../app/state.ts';
import { useApp } from './context.tsx';
import * as format from './format.ts';
import { strings } from './strings.ts';
import { Table } from './table.tsx';

const t = strings.rounds;
const SHORT = 8;

export function Rounds() {
  const rounds = useApp((s) => s.rounds);
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
          className="rounds"
          columns={[
            { label: t.round, number: true },
            t.mine,
            t.why,
            { label: t.work, number: true },
            { label: t.credits, number: true },
            { label: t.people, number: true },
            { label: t.loss, number: true },
            { label: t.time, number: true },
          ]}
        >
          {shown.map((record) => (
            <Row key={record.round} record={record} />
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
  return { text: reason === null ? '' : `${reason.title}: ${reason.text}`, detail: own.detail };
}

function Row({ record }: { readonly record: RoundRecord }) {
  const { own } = record;
  const outcome = own?.outcome ?? 'none';
  const { text, detail } = why(own);
  return (
    <tr data-testid="round-row" data-round={record.round} data-outcome={outcome}>
      <th scope="row" className="number">
        {record.round}
      </th>
      <td>
        <span className={`badge outcome-${outcome}`}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            {outcome === 'accepted' && <path d="m3 8.5 3.5 3.5L13 4.5" />}
            {outcome === 'refused' && <path d="m4 4 8 8M12 4l-8 8" />}
            {outcome === 'lost' && <path d="M8 2.5v7M8 12.4v.6" />}
            {outcome === 'none' && <path d="M4 8h8" />}
          </svg>
          {t.outcome[outcome]}
        </span>
      </td>
      <td className="wrap">
        {text} {detail !== '' && <span className="detail">({detail})</span>}
      </td>
      <td className="number">
        {own === null ? format.UNKNOWN : `${format.count(own.innerSteps)} · ${format.compact(own.tokens)}`}
      </td>
      <td className="number" data-value={own?.credits ?? 0}>
        {own === null ? format.UNKNOWN : format.credits(own.credits)}
      </td>
      <td className="number">
        {record.height === null ? <abbr title={t.notCertified}>{format.UNKNOWN}</abbr> : record.contributors}
      </td>
      <td className="number">{format.loss(record.heldOutLoss)}</td>
      <td className="number">{format.clock(record.at)}</td>
    </tr>
  );
}
