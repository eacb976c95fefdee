/** What a validator's tab knows, as facts and tables: its state, the open round, the last certificates, the log. */
import type { CertifiedRow, JudgedEntry, ValidationState } from '../app/validation-state.ts';
import { Fact } from './fact.tsx';
import * as format from './format.ts';
import { noteText } from './strings/notes.ts';
import { fallbackText, noReplaysText, seatLine } from './strings/seat.ts';
import { strings } from './strings.ts';
import { validateStrings } from './strings/validate.ts';
import { Cell, HeadCell, Row, Table } from './table.tsx';

const { facts: f, entries: e, certificates: c, log: l, awake } = validateStrings;

export function Facts({ state }: { readonly state: ValidationState }) {
  const { machine, fallback, audits, phaseLeftMs } = state;
  return (
    <section className="block" aria-labelledby="state-heading">
      <h2 id="state-heading">{f.heading}</h2>
      <dl className="ledger ledger-tight">
        <Fact term={f.round} name="validate-round" value={String(state.round)}>
          {phaseLeftMs === null
            ? format.UNKNOWN
            : f.roundText(
                format.count(state.round),
                strings.phases[state.phase].title,
                format.countdown(phaseLeftMs),
              )}
        </Fact>
        <Fact term={f.height} name="validate-height" value={String(state.height)}>
          {format.count(state.height)}
        </Fact>
        <Fact term={f.root} name="validate-root" value={state.root} mono>
          {format.shortId(state.root, 12)}
        </Fact>
        <Fact term={f.machine} name="validate-machine" value={machine}>
          {machine === '' ? f.opening : machine}
          {fallback !== null && <span className="hint"> {f.fallback(fallbackText(fallback))}</span>}
        </Fact>
        <Fact term={f.audits}>{auditsText(audits)}</Fact>
        <Fact term={f.contributors}>{format.count(state.contributors)}</Fact>
        <Fact term={f.lost}>{format.count(state.roundsLost)}</Fact>
        <Fact term={f.host}>{strings.hosts[state.host]}</Fact>
        <Fact term={f.awake}>{awake[state.awake]}</Fact>
        <Fact term={f.key} name="validate-key" value={state.key} mono>
          {format.shortId(state.key, 12)}
        </Fact>
      </dl>
    </section>
  );
}

function auditsText(audits: ValidationState['audits']): string {
  if (audits === null) return f.opening;
  return 'adapter' in audits && !('why' in audits)
    ? f.auditsOn(audits.adapter)
    : f.auditsOff(noReplaysText(audits));
}

export function Entries({ entries }: { readonly entries: readonly JudgedEntry[] }) {
  return (
    <section className="block" aria-labelledby="entries-heading">
      <h2 id="entries-heading">{e.heading}</h2>
      {entries.length === 0 ? (
        <p className="empty">{e.empty}</p>
      ) : (
        <Table
          caption={e.caption}
          hideCaption
          className="stack"
          columns={[{ label: e.contributor }, { label: e.state }, { label: e.why }]}
        >
          {entries.map(({ contributor, state, reason, note }) => (
            <Row key={contributor}>
              <HeadCell label={e.contributor} className="mono" title={contributor}>
                {format.shortId(contributor)}
              </HeadCell>
              <Cell label={e.state}>
                <span className={`badge outcome-${outcome(state)}`}>{e.states[state]}</span>
              </Cell>
              <Cell label={e.why} className="wrap">
                {reason === null
                  ? format.UNKNOWN
                  : `${strings.refusals[reason].title}${note === null ? '' : `: ${noteText(note)}`}`}
              </Cell>
            </Row>
          ))}
        </Table>
      )}
    </section>
  );
}

const outcome = (state: JudgedEntry['state']): string =>
  state === 'accepted' || state === 'refused' ? state : 'none';

/** Columns of a certificate that are numbers, after its height. */
const NUMBERS: readonly (readonly [label: string, of: (row: CertifiedRow) => string])[] = [
  [c.round, (row) => format.count(row.round)],
  [c.accepted, (row) => format.count(row.accepted)],
  [c.refused, (row) => format.count(row.refused)],
  [c.joined, (row) => format.count(row.joined)],
  [c.loss, (row) => format.loss(row.heldOutLoss)],
];
const COLUMNS = [
  ...[c.height, ...NUMBERS.map(([label]) => label)].map((label) => ({ label, number: true })),
  { label: c.root },
  { label: c.audits },
];

export function Certificates({ rows }: { readonly rows: readonly CertifiedRow[] }) {
  return (
    <section className="block" aria-labelledby="certificates-heading">
      <h2 id="certificates-heading">{c.heading}</h2>
      {rows.length === 0 ? (
        <p className="empty">{c.empty}</p>
      ) : (
        <>
          <p className="hint">{c.note}</p>
          <Table caption={c.caption} hideCaption className="stack" columns={COLUMNS}>
            {rows.map((row) => (
              <Row
                key={row.height}
                data-testid="certificate-row"
                data-height={row.height}
                data-root={row.root}
              >
                <HeadCell label={c.height} number>
                  {format.count(row.height)}
                </HeadCell>
                {NUMBERS.map(([label, of]) => (
                  <Cell key={label} label={label} number>
                    {of(row)}
                  </Cell>
                ))}
                <Cell label={c.root} className="mono">
                  {format.shortId(row.root, 12)}
                </Cell>
                <Cell label={c.audits} className="wrap">
                  {row.audits.length === 0
                    ? format.UNKNOWN
                    : row.audits
                        .map((a) => c.audit(format.shortId(a.contributor), format.count(a.round), a.passed))
                        .join('; ')}
                </Cell>
              </Row>
            ))}
          </Table>
        </>
      )}
    </section>
  );
}

export function Log({ lines }: { readonly lines: ValidationState['log'] }) {
  return (
    <section className="block" aria-labelledby="log-heading">
      <h2 id="log-heading">{l.heading}</h2>
      {lines.length === 0 ? (
        <p className="empty">{l.empty}</p>
      ) : (
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- it scrolls, so the keyboard must reach it
        <ol className="validate-log mono" tabIndex={0} aria-labelledby="log-heading">
          {lines.toReversed().map(({ at, event }, i) => (
            <li key={lines.length - i}>
              <time>{format.clock(at)}</time> {seatLine(event)}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
