/** The table of rooms in docs/architecture.md, written from scripts/rooms.ts so that the page cannot differ from the check. */
import type { Rooms } from './graph.ts';

const BEGIN = '<!-- rooms: written by `npm run rooms` from scripts/rooms.ts -->';
const END = '<!-- /rooms -->';

const code = (names: readonly string[]): string =>
  names.length === 0 ? 'nothing' : names.map((name) => `\`${name}\``).join(', ');

function table(rooms: Rooms): string {
  const rows = Object.entries(rooms).map(
    ([folder, room]) => `| \`src/${folder}/\` | ${room.is} | ${code(room.rooms)} | ${code(room.packages)} |`,
  );
  return ['| folder | what it is | may import | packages |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** The page with the table between its two marks. Throws Error when the page lacks a mark. */
export function withTable(page: string, rooms: Rooms): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END, begin);
  if (begin < 0 || end < 0) throw new Error(`the page needs ${BEGIN} and ${END}`);
  return `${page.slice(0, begin)}${BEGIN}\n\n${table(rooms)}\n\n${page.slice(end)}`;
}
