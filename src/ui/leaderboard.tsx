/** Contributors and teams by credits, as the chain has them. Names are what people call themselves; keys are who they are. */
import { useState } from 'react';
import type { BoardEntry } from '../app/picture-state.ts';
import { useApp } from './context.tsx';
import * as format from './format.ts';
import { ProfileForm } from './profile-form.tsx';
import { strings } from './strings.ts';
import { boardStrings } from './strings/truth.ts';
import { Cell, HeadCell, Row, Table } from './table.tsx';

const t = strings.leaderboard;
const SHOWN = 10;
const VIEWS = ['people', 'teams'] as const;
type View = (typeof VIEWS)[number];

export function Leaderboard() {
  const [view, setView] = useState<View>('people');
  const watching = useApp((s) => s.intent === 'watching');
  return (
    <section className="block" aria-labelledby="board-heading" data-testid="leaderboard">
      <div className="block-head">
        <h2 id="board-heading">{t.heading}</h2>
        <fieldset className="segments">
          <legend className="visually-hidden">{boardStrings.view}</legend>
          {VIEWS.map((name) => (
            <label key={name}>
              <input
                type="radio"
                name="board"
                className="visually-hidden"
                checked={view === name}
                onChange={() => setView(name)}
              />
              <span>{boardStrings[name]}</span>
            </label>
          ))}
        </fieldset>
      </div>
      {view === 'people' ? <People /> : <Teams />}
      <p className="hint">{t.hint}</p>
      {!watching && <ProfileForm />}
    </section>
  );
}

function People() {
  const board = useApp((s) => s.leaderboard);
  const identity = useApp((s) => s.identity);
  const place = useApp((s) => s.standing.rank);
  if (board.length === 0) return <p className="empty">{t.empty}</p>;
  // Ten lines, and one's own wherever it stands; past the list's end only the account knows the place.
  const ranked = board.map((entry, i) => ({
    entry,
    rank: entry.contributor === identity ? (place ?? i + 1) : i + 1,
  }));
  const shown = ranked.filter(({ entry }, i) => i < SHOWN || entry.contributor === identity);
  return (
    <Table
      caption={t.caption}
      hideCaption
      className="board"
      columns={[
        { label: t.rank, number: true },
        { label: t.who },
        { label: t.credits, number: true },
        { label: t.accepted, number: true },
      ]}
    >
      {shown.map(({ entry, rank }) => (
        <Row key={entry.contributor} className={entry.contributor === identity ? 'me' : undefined}>
          <Cell number>{rank}</Cell>
          <HeadCell className="board-who" title={entry.contributor}>
            <Who entry={entry} own={entry.contributor === identity} />
          </HeadCell>
          <Cell number data-value={entry.credits}>
            {format.credits(entry.credits)}
          </Cell>
          <Cell number>{format.count(entry.accepted)}</Cell>
        </Row>
      ))}
    </Table>
  );
}

function Who({ entry, own }: { readonly entry: BoardEntry; readonly own: boolean }) {
  const { contributor, name, team } = entry;
  return (
    <>
      {name !== '' && (
        <span className="who" dir="auto">
          {name}
        </span>
      )}
      {own && <span className="tag">{strings.common.you}</span>}
      <span className="board-under">
        <span className="mono">{format.shortId(contributor)}</span>
        {team !== '' && (
          <span className="board-team" dir="auto">
            {team}
          </span>
        )}
      </span>
    </>
  );
}

function Teams() {
  const teams = useApp((s) => s.teams);
  const own = useApp((s) => s.profile.team.toLowerCase());
  if (teams.length === 0) return <p className="empty">{boardStrings.noTeams}</p>;
  return (
    <Table
      caption={boardStrings.teamsCaption}
      hideCaption
      className="board"
      columns={[
        { label: t.rank, number: true },
        { label: boardStrings.team },
        { label: t.credits, number: true },
        { label: boardStrings.members, number: true },
      ]}
    >
      {teams.map(({ team, credits, members }, i) => (
        <Row key={team} className={team.toLowerCase() === own ? 'me' : undefined}>
          <Cell number>{i + 1}</Cell>
          <HeadCell className="board-who">
            <span className="who" dir="auto">
              {team}
            </span>
          </HeadCell>
          <Cell number data-value={credits}>
            {format.credits(credits)}
          </Cell>
          <Cell number>{format.count(members)}</Cell>
        </Row>
      ))}
    </Table>
  );
}
