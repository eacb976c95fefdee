/** Contributors and teams by credits, as the chain has them. Names are what people call themselves; keys are who they are. */
import { type ReactNode, useState } from 'react';
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
    <Board
      caption={t.caption}
      who={t.who}
      counted={t.accepted}
      lines={shown.map(({ entry, rank }) => ({
        key: entry.contributor,
        rank,
        own: entry.contributor === identity,
        who: <Who entry={entry} own={entry.contributor === identity} />,
        title: entry.contributor,
        credits: entry.credits,
        count: entry.accepted,
      }))}
    />
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
    <Board
      caption={boardStrings.teamsCaption}
      who={boardStrings.team}
      counted={boardStrings.members}
      lines={teams.map(({ team, credits, members }, i) => ({
        key: team,
        rank: i + 1,
        own: team.toLowerCase() === own,
        who: (
          <span className="who" dir="auto">
            {team}
          </span>
        ),
        credits,
        count: members,
      }))}
    />
  );
}

interface BoardProps {
  readonly caption: string;
  /** Headings of the second and of the last column. */
  readonly who: string;
  readonly counted: string;
  readonly lines: readonly {
    readonly key: string;
    readonly rank: number;
    /** One's own line is marked. */
    readonly own: boolean;
    readonly who: ReactNode;
    readonly title?: string;
    readonly credits: number;
    readonly count: number;
  }[];
}

function Board({ caption, who, counted, lines }: BoardProps) {
  return (
    <Table
      caption={caption}
      hideCaption
      className="board"
      columns={[
        { label: t.rank, number: true },
        { label: who },
        { label: t.credits, number: true },
        { label: counted, number: true },
      ]}
    >
      {lines.map((line) => (
        <Row key={line.key} className={line.own ? 'me' : undefined}>
          <Cell number>{line.rank}</Cell>
          <HeadCell className="board-who" title={line.title}>
            {line.who}
          </HeadCell>
          <Cell number data-value={line.credits}>
            {format.credits(line.credits)}
          </Cell>
          <Cell number>{format.count(line.count)}</Cell>
        </Row>
      ))}
    </Table>
  );
}
