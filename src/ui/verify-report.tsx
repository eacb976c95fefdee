/** What came of checking a certificate: the verdict, the figures as signed, and each check by itself. */
import { useEffect } from 'react';
import type { Verification } from '../peer/verify-contribution.ts';
import * as format from './format.ts';
import { falsehoodText, verifyStrings as t } from './strings/certificate.ts';

type Genuine = Verification & { readonly genuine: true };

interface Props {
  readonly found: Verification;
  /** Object URL of the picture that was checked; taken back when the report goes. */
  readonly preview: string | null;
}

export function VerifyReport({ found, preview }: Props) {
  useEffect(() => () => URL.revokeObjectURL(preview ?? ''), [preview]);
  if (!found.genuine) {
    const version = found.falsehood.is === 'version';
    return (
      <div
        className={`verdict ${version ? 'verdict-part' : 'verdict-no'}`}
        data-testid="verdict"
        data-verdict="no"
      >
        <h2>{version ? t.otherVersion : t.notGenuine}</h2>
        <p>{falsehoodText(found.falsehood)}</p>
      </div>
    );
  }
  return (
    <>
      <div
        className={`verdict ${found.proof === 'all' ? 'verdict-yes' : 'verdict-part'}`}
        data-testid="verdict"
        data-verdict={found.proof}
      >
        <h2>{t.verdict[found.proof]}</h2>
        <p>{t.verdictText[found.proof]}</p>
      </div>
      <div className="verify-columns">
        <FiguresList found={found} />
        <div>
          {preview !== null && <img src={preview} alt="" className="verify-preview" />}
          <Checks found={found} />
        </div>
      </div>
    </>
  );
}

function FiguresList({ found: { claim, contributor, run } }: { readonly found: Genuine }) {
  const f = t.figures;
  const rows: readonly (readonly [string, string, ('mono' | undefined)?])[] = [
    [f.contributor, claim.name === '' ? f.anonymous : claim.name],
    ...(claim.team === '' ? [] : [[f.team, claim.team] as const]),
    [f.credits, format.credits(claim.credits)],
    [f.accepted, format.count(claim.accepted)],
    [f.tokens, format.count(claim.units)],
    [f.rounds, f.roundsText(format.count(claim.firstRound), format.count(claim.lastRound))],
    [f.asOf, f.asOfText(format.count(claim.anchor.height), format.day(claim.time))],
    ...(run === null ? [] : [[f.run, f.runText(run.name, run.organizer)] as const]),
    ...(run === null ? [] : [[f.runId, run.id, 'mono'] as const]),
    [f.key, contributor, 'mono'],
  ];
  return (
    <dl className="ledger ledger-tight" data-testid="verified-figures">
      {rows.map(([term, text, type]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd className={type}>{text}</dd>
        </div>
      ))}
    </dl>
  );
}

type Holds = 'yes' | 'unknown';

function Checks({ found: { picture, evidence, chain } }: { readonly found: Genuine }) {
  const c = t.checks;
  const signed: readonly [Holds, string, string?] = ['yes', c.signature, c.signatureNote];
  const drawn: readonly [Holds, string] =
    picture === 'signed' ? ['yes', c.picture] : ['unknown', c.pictureAbsent];
  return (
    <section aria-labelledby="checks-heading">
      <h3 id="checks-heading">{t.checksHeading}</h3>
      <ul className="checks">
        {[signed, drawn, evidenceCheck(picture, evidence), chainCheck(chain)].map(([holds, text, note]) => (
          <li key={text} data-holds={holds}>
            <span className={`check check-${holds}`}>
              <svg viewBox="0 0 16 16" aria-hidden="true">
                <path d={holds === 'yes' ? 'm3 8.5 3.5 3.5L13 4.5' : 'M4 8h8'} />
              </svg>
              <span className="visually-hidden">{t.state[holds]}: </span>
            </span>
            <span>
              {text} {note !== undefined && <span className="detail">{note}</span>}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function evidenceCheck(
  picture: Genuine['picture'],
  evidence: Genuine['evidence'],
): readonly [Holds, string, string?] {
  const c = t.checks;
  if (evidence === null) return ['unknown', picture === 'absent' ? c.evidenceNone : c.evidenceUnknown];
  const { certificates, rounds, proven, complete } = evidence;
  const text = c.evidence(format.count(certificates), format.count(rounds));
  if (complete) return ['yes', text, c.evidenceComplete];
  return ['yes', text, c.evidencePart(format.credits(proven?.credits ?? 0), format.count(rounds))];
}

function chainCheck(chain: Genuine['chain']): readonly [Holds, string, string?] {
  const c = t.checks;
  switch (chain.state) {
    case 'matches':
      return ['yes', c.chain(format.count(chain.heights))];
    case 'other-run':
      return ['unknown', c.chainOtherRun];
    case 'behind':
      return ['unknown', c.chainBehind];
    case 'unreachable':
      return ['unknown', c.chainUnreachable];
  }
}
