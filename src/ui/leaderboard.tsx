/** Contributors by credits, as the ledger has them. Keys, not names: nobody has to give one. */
import { useApp } from './context.tsx';
import * as format from './format.ts';
import { strings } from './strings.ts';
import { Table } from './table.tsx';

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
            t.who,
            { label: t.credits, number: true },
            { label: t.accepted, number: true },
          ]}
        >
          {shown.map(({ contributor, credits, accepted, rank }) => (
            <tr key={contributor} className={contributor === identity ? 'me' : undefined}>
              <td className="number">{rank}</td>
              <th scope="row" className="mono" title={contributor}>
                {format.shortId(contributor)}
                {contributor === identity && <span className="tag">{strings.common.you}</span>}
              </th>
              <td className="number" data-value={credits}>
                {format.credits(credits)}
              </td>
              <td className="number">{format.count(accepted)}</td>
            </tr>
          ))}
        </Table>
      )}
      <p className="hint">{t.hint}</p>
    </section>
  );
}
