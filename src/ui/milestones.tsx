/** What this key has reached, read from the chain, and how far the next marks are. */
import { type NextMilestone, nextMilestones } from '../app/milestones.ts';
import type { MilestoneKind } from '../app/picture-state.ts';
import { useApp } from './context.tsx';
import * as format from './format.ts';
import { milestoneStrings as t } from './strings/truth.ts';

const AMOUNT: Readonly<Record<MilestoneKind, (n: number) => string>> = {
  accepted: format.count,
  tokens: format.compact,
  // Whole credits: thresholds have no fractions.
  credits: (micro) => format.count(micro / 1e6),
};
const named = (kind: MilestoneKind, threshold: number) => t.reached[kind](AMOUNT[kind](threshold));

export function Milestones() {
  const milestones = useApp((s) => s.milestones);
  const accepted = useApp((s) => s.totals.accepted);
  const credits = useApp((s) => s.totals.credits);
  const tokens = useApp((s) => s.standing.tokens);
  return (
    <section className="block" aria-labelledby="milestones-heading" data-testid="milestones">
      <h2 id="milestones-heading">{t.heading}</h2>
      {milestones.length === 0 ? (
        <p className="empty">{t.empty}</p>
      ) : (
        <ol className="milestones">
          {milestones.map(({ kind, threshold, round, at }) => (
            <li key={`${kind} ${threshold}`} data-kind={kind} data-threshold={threshold}>
              <svg viewBox="0 0 16 16" aria-hidden="true">
                <path d="m3 8.5 3.5 3.5L13 4.5" />
              </svg>
              <span>{named(kind, threshold)}</span>
              <span className="hint">
                {t.inRound(format.count(round))}, {format.clock(at).slice(0, 5)}
              </span>
            </li>
          ))}
        </ol>
      )}
      <ul className="milestones-next" aria-label={t.next}>
        {nextMilestones({ accepted, tokens, credits }).map((next) => (
          <Next key={next.kind} next={next} />
        ))}
      </ul>
      <p className="hint">{t.hint}</p>
    </section>
  );
}

function Next({ next: { kind, threshold, share } }: { readonly next: NextMilestone }) {
  const name = named(kind, threshold);
  return (
    <li>
      <span>{name}</span>
      <span className="hint">{format.percent(share)}</span>
      <progress value={share} max={1} aria-label={`${name}: ${t.progress(format.percent(share))}`} />
    </li>
  );
}
