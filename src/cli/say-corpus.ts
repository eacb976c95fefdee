/** Words for a run's text: what of it is published, what is skipped and why, and how far its preparation is. */
import type { CorpusListing } from '../host/corpus.ts';
import type { PrepareProgress } from '../host/prepare.ts';
import type { SkippedEntry } from '../host/text-files.ts';
import { encodingText, fileProblem } from './say.ts';

const WHY: { readonly [W in SkippedEntry['why']]: string } = {
  hidden: 'hidden',
  program: 'a folder of programs or of the system',
  link: 'a symbolic link',
  special: 'no file: a pipe, socket or device',
  'other-kind': 'no .txt, .text or .md file',
  blank: 'empty',
  'too-large': 'larger than 256 MiB: split it',
  unreadable: 'unreadable',
  'not-utf8': 'not UTF-8',
};

/** The same behind a number, where it reads differently: of one, of several. */
const COUNTED: { readonly [W in SkippedEntry['why']]?: readonly [one: string, several: string] } = {
  program: ['of programs or the system', 'of programs or the system'],
  link: ['symbolic link', 'symbolic links'],
  special: ['pipe, socket or device', 'pipes, sockets or devices'],
  'other-kind': ['of another kind', 'of other kinds'],
  'too-large': ['too large', 'too large'],
};

/** What an owner surely meant to publish, and so should hear of by name. */
const UNEXPECTED: readonly SkippedEntry['why'][] = ['unreadable', 'not-utf8', 'too-large'];
/** Names in the log; the list has them all. */
const MAX_NAMED = 5;

function reason(entry: SkippedEntry): string {
  if (entry.why === 'not-utf8') return encodingText(entry.found);
  if (entry.why !== 'unreadable') return WHY[entry.why];
  // It was there a moment ago, under this name or under bytes that are no text.
  return entry.error === 'ENOENT' ? 'cannot be opened by this name' : fileProblem(entry.error);
}

const total = ({ files }: CorpusListing): number => files.reduce((sum, { bytes }) => sum + bytes, 0);

function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const files = (count: number): string => (count === 1 ? '1 file' : `${count} files`);

function skippedLine(skipped: readonly SkippedEntry[]): string {
  const counts = new Map<SkippedEntry['why'], number>();
  for (const { why } of skipped) counts.set(why, (counts.get(why) ?? 0) + 1);
  const parts = [...counts].map(([why, count]) => {
    const [one, several] = COUNTED[why] ?? [WHY[why], WHY[why]];
    return `${count} ${count === 1 ? one : several}`;
  });
  return `${skipped.length} skipped (${parts.join(', ')})`;
}

/** The lines of a start's log, once: how much is published, and what an owner may miss. */
export function publishedLines(listing: CorpusListing): string[] {
  const { path, skipped } = listing;
  const published = `Text: ${files(listing.files.length)}, ${size(total(listing))}`;
  if (path === null) return [`${published}, public domain`];
  const rest = skipped.length === 0 ? '' : `; ${skippedLine(skipped)}, see --list`;
  const unexpected = skipped.filter(({ why }) => UNEXPECTED.includes(why));
  const named = unexpected.slice(0, MAX_NAMED);
  const more = unexpected.length - named.length;
  return [
    `${published}, becomes public: whoever reaches this host can read it${rest}`,
    ...named.map((entry) => `Skipped: "${entry.name}" ${reason(entry)}`),
    ...(more === 0 ? [] : [`Skipped: ${more} more like these`]),
  ];
}

/** The answer to --list: every file that would be published, and everything else with its reason. */
export function listingLines(listing: CorpusListing): string[] {
  const { skipped } = listing;
  const amounts = listing.files.map(({ bytes }) => String(bytes));
  const width = Math.max(0, ...amounts.map(({ length }) => length));
  return [
    'Published, for everybody to read (bytes, name):',
    ...listing.files.map(({ name }, i) => `  ${amounts[i].padStart(width)}  ${name}`),
    ...(skipped.length === 0 ? [] : ['Skipped:']),
    ...skipped.map((entry) => `  ${entry.name}  (${reason(entry)})`),
    `${files(listing.files.length)}, ${total(listing)} bytes would be published${
      skipped.length === 0 ? '' : `; ${skippedLine(skipped)}`
    }. No run was made.`,
  ];
}

const STAGES: Record<PrepareProgress['stage'], string> = {
  reading: 'reading the text',
  tokenizer: 'training the tokenizer',
  encoding: 'encoding the text',
  writing: 'writing shards',
  genesis: 'making the first state',
  done: 'data ready',
};

const STEPS: Record<PrepareProgress['stage'], string> = {
  reading: 'files',
  tokenizer: 'merges',
  encoding: 'documents',
  writing: 'shards',
  genesis: 'steps',
  done: 'steps',
};

/** How often a stage that lasts says how far it is. */
const EVERY_MS = 5000;

/**
 * Which progress is worth a line: the begin of a stage, and every few seconds how far it is. `now`: of a clock in ms.
 */
export function progressLines(now: () => number): (progress: PrepareProgress) => string | null {
  let last: PrepareProgress['stage'] | null = null;
  let said = 0;
  return ({ stage, done, of }) => {
    if (stage === 'done') return null;
    if (stage === last && (done === 0 || now() - said < EVERY_MS)) return null;
    const begins = stage !== last;
    last = stage;
    said = now();
    if (begins) return `Preparing, once: ${STAGES[stage]} ...`;
    return `  ${STAGES[stage]}: ${done}${of === null ? '' : ` of ${of}`} ${STEPS[stage]}`;
  };
}

/** Behind a list: why a start would refuse this text all the same. */
export const refusalLine = (problem: string): string => `A start would refuse it: ${problem}`;
