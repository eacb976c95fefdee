/** Contributors by credits, as the ledger has them. Keys, not names: nobody has to give one. */
import { useApp } from './context.tsx';
import * as format from './format.ts';
import { strings } from './strings.ts';
import { Cell, HeadCell, Row, Table } from './table.tsx';

const t = strings.leaderboard;
const SHOWN = 10;

export function Leaderboard() {
  const board = useApp((s) => s.leaderboard);
  const identity = useApp((s) => s.identity);
  const ranked = board.map((entry, i) => ({ ...entry, rank: i + 1 }));
  // Ten lines, and one's own wherever it stands.
  const shown = ranked.filter((e) => e.rank <= SHOWN || e.contributor === identity);
  return (
    <section className="block" aria-labelledby="board-heading">
      <h2 id="board-heading">{t.heading}</h2>
      {board.length === 0 ? (
        <p className="empty">{t.empty}</p>
      ) : (
        <Table
          caption={t.caption}
          hideCaption
          columns={[
            { label: t.rank, number: true },
            { label: t.who },
            { label: t.credits, number: true },
            { label: t.accepted, number: true },
          ]}
        >
          {shown.map(({ contributor, credits, accepted, rank }) => (
            <Row key={contributor} className={contributor === identity ? 'me' : undefined}>
              <Cell number>{rank}</Cell>
              <HeadCell className="mono" title={contributor}>
                {format.shortId(contributor)}
                {contributor === identity && <span className="tag">{strings.common.you}</span>}
              </HeadCell>
              <Cell number data-value={credits}>
                {format.credits(credits)}
              </Cell>
              <Cell number>{format.count(accepted)}</Cell>
            </Row>
          ))}
        </Table>
      )}
      <p className="hint">{t.hint}</p>
    </section>
  );
}
