/** What this run is and where it stands, and which machine and key take part here. */
import { useApp } from './context.tsx';
import { Fact } from './fact.tsx';
import * as format from './format.ts';
import { strings } from './strings.ts';

const t = strings.facts;

export function Facts() {
  const run = useApp((s) => s.run);
  const adapter = useApp((s) => s.adapter);
  const height = useApp((s) => s.height);
  const root = useApp((s) => s.root);
  const identity = useApp((s) => s.identity);
  const kept = useApp((s) => (s.keeping?.notKept ?? null) === null);
  const peerId = useApp((s) => s.peerId);
  return (
    <section className="block" aria-labelledby="facts-heading">
      <h2 id="facts-heading">{t.heading}</h2>
      <dl className="ledger ledger-tight">
        <Fact term={t.name}>{run?.name}</Fact>
        <Fact term={t.organizer}>{run?.organizer}</Fact>
        <Fact term={t.model}>{run && t.parameters(format.compact(run.parameters))}</Fact>
        <Fact term={t.roundLength}>{run && format.duration(run.roundMs)}</Fact>
        <Fact term={t.data}>{run && strings.landing.dataText(run.dataSource, run.dataLicence)}</Fact>
        <Fact term={t.judges}>{run && t.judgesText(run.validators)}</Fact>
        <Fact term={t.height} name="height" value={String(height)}>
          {format.count(height)}
        </Fact>
        <Fact term={t.root} name="root" value={root ?? ''} mono>
          {format.shortId(root, 12)}
        </Fact>
        <Fact term={t.run} name="run-id" value={run?.id ?? ''} mono>
          {format.shortId(run?.id, 12)}
        </Fact>
        <Fact term={t.adapter} name="adapter">
          {adapter === null ? t.noAdapter : adapter.description}
          {adapter?.software === true && <span className="tag">{t.software}</span>}
        </Fact>
        <Fact term={t.identity} name="identity" value={identity} mono>
          {format.shortId(identity, 12)}
          {!kept && <span className="tag">{t.keptNot}</span>}
        </Fact>
        <Fact term={t.peer} name="peer-id" value={peerId ?? ''} mono>
          {format.shortPeer(peerId)}
        </Fact>
      </dl>
    </section>
  );
}
