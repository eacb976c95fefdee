/**
 * First visit: what will run, on whose behalf and what it costs, before anything does. It is also where Stop leads
 * back to.
 */
import type { Keeping } from '../app/key-storage.ts';
import { onTrusted } from './consent.ts';
import { useActions, useApp } from './context.tsx';
import * as format from './format.ts';
import { GpuShare } from './gpu-share.tsx';
import { PresetChoice } from './preset-choice.tsx';
import { Rules } from './rules/dialog.tsx';
import { controlStrings } from './strings/controls.ts';
import { SwarmFigure } from './swarm-figure.tsx';
import { canStart, canWatch, trainingBlocked } from './startable.ts';
import { strings } from './strings.ts';

const t = strings.landing;

export function Landing() {
  return (
    <div className="landing">
      <section className="pitch" aria-labelledby="headline">
        <Pitch />
        <Invitation />
      </section>
      <figure className="figure-box">
        <SwarmFigure />
        <figcaption className="hint">{t.figureNote}</figcaption>
      </figure>
      <section className="amount" aria-label={controlStrings.heading}>
        <PresetChoice />
        <GpuShare />
        <Rules />
      </section>
      <Costs />
    </div>
  );
}

function Pitch() {
  const run = useApp((s) => s.run);
  return (
    <>
      <p className="eyebrow">{run === null ? ' ' : t.runBy(run.organizer)}</p>
      <h1 id="headline">{t.headline}</h1>
      <p className="lead">{run === null ? t.loading : t.lead(run.name, format.compact(run.parameters))}</p>
    </>
  );
}

function Invitation() {
  const actions = useActions();
  const startable = useApp(canStart) && actions !== null;
  const watchable = useApp(canWatch) && actions !== null;
  const blocked = useApp(trainingBlocked);
  const accepted = useApp((s) => s.totals.accepted);
  const { vested, provisional } = useApp((s) => s.standing);
  const finishedRound = useApp((s) => s.control.finishedRound);
  return (
    <div className="invitation">
      {finishedRound !== null && (
        <p className="returning" data-testid="finished">
          {controlStrings.finished(format.count(finishedRound))}
        </p>
      )}
      {accepted > 0 && (
        <p className="returning">
          {t.returning(
            format.count(accepted),
            format.credits(vested),
            provisional > 0 ? format.credits(provisional) : null,
          )}
        </p>
      )}
      <div className="invitation-buttons">
        <button
          type="button"
          className="button button-primary button-big"
          disabled={!startable}
          aria-describedby="promise"
          onClick={onTrusted(() => actions?.start())}
        >
          {t.start}
        </button>
        <button
          type="button"
          className="button button-big"
          disabled={!watchable}
          aria-describedby="watch-note"
          onClick={onTrusted(() => actions?.watch())}
        >
          {t.watch}
        </button>
      </div>
      <p id="promise" className="promise">
        <strong>{blocked ? t.cannotStart : t.promise}</strong> {t.after}
      </p>
      <p id="watch-note" className="hint">
        {t.watchNote}
      </p>
    </div>
  );
}

/** What becomes of the key and the rest, as far as the browser says. */
function keptText({ notKept, promised }: Keeping): string {
  if (notKept === 'too-many-tabs') return t.keptText;
  if (notKept !== null) return t.notKeptText;
  return promised === null ? t.keptText : `${t.keptText} ${promised ? t.promised : t.notPromised}`;
}

function Costs() {
  const run = useApp((s) => s.run);
  const keeping = useApp((s) => s.keeping);
  const rows: readonly (readonly [string, string | null, boolean?])[] = [
    [t.what, t.whatText],
    [t.whom, run && t.whomText(run.organizer, run.description)],
    [t.gpu, run && t.gpuText(format.about(run.gpuBytes)), true],
    [t.download, run && t.downloadText(format.about(run.downloadBytes)), true],
    [
      t.bandwidth,
      run &&
        t.bandwidthText(
          format.about(run.bytesPerRound),
          format.duration(run.roundMs),
          format.perHour(run.bytesPerRound, run.roundMs),
        ),
      true,
    ],
    [t.power, t.powerText],
    [t.leave, t.leaveText],
    [t.data, run && t.dataText(run.dataSource, run.dataLicence)],
    [t.seen, t.seenText],
    [t.kept, keeping && keptText(keeping)],
  ];
  return (
    <section className="costs" aria-labelledby="costs-heading">
      <h2 id="costs-heading">{t.facts}</h2>
      <dl className="ledger">
        {rows.map(([term, text, estimate]) => (
          <div key={term}>
            <dt>
              {term}
              {estimate === true && <span className="tag">{strings.common.estimate}</span>}
            </dt>
            <dd>{text ?? <span className="skeleton" aria-hidden="true" />}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
