/** How credits came about: per round from its certificate, and all together; what is only an estimate says so. */
import type { CreditShare, Standing } from '../app/picture-state.ts';
import type { AppState, RoundRecord } from '../app/state.ts';
import { useApp } from './context.tsx';
import * as format from './format.ts';
import { noteText } from './strings/notes.ts';
import { strings } from './strings.ts';
import { creditStrings as t } from './strings/truth.ts';

type CreditState = 'vested' | 'provisional' | 'forfeited';

/** What has become of the credits of an accepted round by now. */
export function creditState(
  { provisionalRounds, forfeitedRounds }: Pick<Standing, 'provisionalRounds' | 'forfeitedRounds'>,
  round: number,
): CreditState {
  if (provisionalRounds.includes(round)) return 'provisional';
  return forfeitedRounds.includes(round) ? 'forfeited' : 'vested';
}

/** Recent rounds that an estimate is made of. */
const RECENT = 5;

/**
 * Micro-credits that this tab may get in the round that is open: its mean share of its last accepted rounds times what
 * the last of them issued. Null without any.
 */
export function estimateNext(rounds: AppState['rounds']): number | null {
  const shares = rounds.flatMap(({ own }) => own?.share ?? []).slice(-RECENT);
  const last = shares.at(-1);
  if (last === undefined) return null;
  const mean = shares.reduce((sum, s) => sum + s.weight / s.totalWeight, 0) / shares.length;
  return Math.round(mean * last.emission);
}

/** Standing of all credits, under the figures. */
export function CreditSummary() {
  const standing = useApp((s) => s.standing);
  const height = useApp((s) => s.height);
  const round = useApp((s) => s.round);
  const estimate = useApp((s) => (s.intent === 'running' ? estimateNext(s.rounds) : null));
  const { rank, of, vested, provisional, forfeited, vestRounds, auditsPassed, auditsFailed, lastAudit } =
    standing;
  const vestsIn = standing.awaitsAudit ? null : vestRounds;
  const audited = auditsPassed + auditsFailed > 0;
  return (
    <div className="credit-summary" data-testid="credit-summary">
      {(rank !== null || audited) && (
        <ul>
          {rank !== null && <li>{t.place(format.count(rank), format.count(of))}</li>}
          {rank !== null && <li>{t.vested(format.credits(vested))}</li>}
          {provisional > 0 && <li>{t.provisional(format.credits(provisional), vestsIn)}</li>}
          {forfeited > 0 && <li className="credit-bad">{t.forfeited(format.credits(forfeited))}</li>}
          {audited && <li>{t.audits(format.count(auditsPassed), format.count(auditsFailed))}</li>}
        </ul>
      )}
      {lastAudit?.outcome === 'failed' && (
        <p className="credit-bad" data-testid="failed-audit">
          {t.failedAudit(lastAudit.round)}{' '}
          {lastAudit.note !== null && <span className="detail">({noteText(lastAudit.note)})</span>}
        </p>
      )}
      {estimate !== null && (
        <p data-testid="credit-estimate" data-value={estimate}>
          {t.estimate(format.credits(estimate), round)}
          <span className="tag" title={t.estimateWhy}>
            {strings.common.estimate}
          </span>{' '}
          <span className="hint">{t.estimateWhy}</span>
        </p>
      )}
      {height > 0 && <p className="hint">{t.checked(format.count(height))}</p>}
    </div>
  );
}

interface DerivationProps {
  readonly own: Pick<NonNullable<RoundRecord['own']>, 'tokens' | 'credits'>;
  readonly share: CreditShare;
  readonly round: number;
}

/** The derivation of one round's credits, each factor by itself. */
export function Derivation({ own, share, round }: DerivationProps) {
  const standing = useApp((s) => s.standing);
  const { rank, of, weight, totalWeight, emission, halvings } = share;
  const state = creditState(standing, round);
  const rows = [
    [t.rank, t.rankText(format.count(rank), format.count(of))],
    [t.tokens, format.count(own.tokens)],
    [t.weight, t.weightText(format.count(weight), format.count(totalWeight))],
    [t.emission, t.emissionText(format.credits(emission), halvings)],
    [t.share, t.shareText(format.share(weight / totalWeight), format.credits(own.credits))],
  ] as const;
  return (
    <>
      <dl className="derivation" data-testid="derivation" data-round={round}>
        {rows.map(([term, text]) => (
          <div key={term}>
            <dt>{term}</dt>
            <dd>{text}</dd>
          </div>
        ))}
        <div>
          <dt>{t.state}</dt>
          <dd className={`credit-${state}`}>{t.states[state].title}</dd>
        </div>
      </dl>
      <p className="hint">
        {t.states[state].text} {t.weightWhy} {t.source}
      </p>
    </>
  );
}
