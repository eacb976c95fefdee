/**
 * What the page says in every state and of every problem. No state ends without words; each problem has a title, what is known,
 * and what to do; and only what something tries again says that it goes on. docs/page-words.md is written by this test (with
 * `-u` at the end), so that a person can read all words at once.
 */
import { expect, test } from 'vitest';
import { describe as describeState } from '../status.tsx';
import { problemAdvice, problemText, troubleText } from './problems.ts';
import { chatProblemText } from './chat.ts';
import { waitingText } from './waiting.ts';
import { seatProblems } from './seat.ts';
import { CHAT_EXAMPLES, PROBLEM_EXAMPLES, WAITING_EXAMPLES } from './examples.ts';
import { strings } from '../strings.ts';
import { createAppStore } from '../../app/store.ts';
import type { Activity, Intent, Problem } from '../../app/state.ts';

type Listed<E> = E[keyof E] extends readonly (infer T)[] ? T : never;
const all = <E extends object>(examples: E): Listed<E>[] => Object.values(examples).flat() as Listed<E>[];
const problems: readonly Problem[] = all(PROBLEM_EXAMPLES);
const waits = all(WAITING_EXAMPLES);
const sentences = /^[A-Z“].*[.!…]$/s;

test('every problem has a title, words of its own and what to do', () => {
  for (const problem of problems) {
    const { title, text } = problemAdvice(problem);
    expect(title.length, problem.code).toBeGreaterThan(10);
    expect(text, problem.code).toMatch(sentences);
    const known = problemText(problem);
    if (known !== '') expect(known, problem.code).toMatch(sentences);
  }
});

test('words promise nothing where nothing is tried again', () => {
  const promise =
    /tries again|asks again|asks on|goes on|joins again|is fetched from|opens the graphics card again|is asked for/;
  for (const problem of problems) {
    // The same case as one that ended a visit.
    const final = { ...problem, recovering: false } as Problem;
    expect(`${final.code}: ${problemText(final)}`).not.toMatch(promise);
    if (!ONLY_RECOVERING.has(problem.code))
      expect(`${final.code}: ${problemAdvice(final).text}`).not.toMatch(promise);
  }
});
/** What `recovering` says of these is always true (src/app/session-recovers.test.ts), so their advice may say what is done. */
const ONLY_RECOVERING = new Set<Problem['code']>([
  'corrupt-data',
  'clock-jumped',
  'no-validator',
  'host-changed',
  'out-of-sync',
  'round-unjudged',
]);

test('every reason to wait is a sentence', () => {
  for (const wait of waits) expect(waitingText(wait), wait.why).toMatch(sentences);
});

test('no state of the page is without words', () => {
  const state = createAppStore().getState();
  const intents: Intent[] = ['idle', 'running', 'paused', 'watching'];
  const activities = Object.keys(strings.activities) as Activity[];
  for (const intent of intents)
    for (const activity of activities)
      for (const waitingFor of [null, ...waits]) {
        const { title, text } = describeState({ ...state, intent, activity, waitingFor });
        expect(title.length, `${intent} ${activity}`).toBeGreaterThan(3);
        expect(text, `${intent} ${activity}`).toMatch(sentences);
      }
});

test('a way in which the model cannot be used is a sentence', () => {
  for (const problem of all(CHAT_EXAMPLES)) expect(chatProblemText(problem), problem.code).toMatch(/^[A-Z]/);
});

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const row = (...cells: string[]): string => `| ${cells.map(cell).join(' | ')} |`;
const table = (head: readonly string[], rows: readonly string[][]): string =>
  [row(...head), `| ${head.map(() => '---').join(' | ')} |`, ...rows.map((cells) => row(...cells))].join(
    '\n',
  );

test('docs/page-words.md lists them all', async () => {
  const page = `# What the page says

Every state and every problem of the volunteer's page with its words, made from the same code as the page. The test
\`src/ui/strings/words.test.ts\` writes this file (\`npx vitest run src/ui/strings/words.test.ts -u\`) and fails when it is old.

## Problems

"Goes on" says whether the banner has the mark "${strings.common.recovering}": something tries again then.

${table(
  ['code', 'goes on', 'title', 'what is known', 'what to do'],
  problems.map((problem) => {
    const { title, text } = problemAdvice(problem);
    return [`\`${problem.code}\``, problem.recovering ? 'yes' : 'no', title, problemText(problem), text];
  }),
)}

## Activities

${table(
  ['activity', 'title', 'text without a reason to wait'],
  (Object.keys(strings.activities) as Activity[]).map((activity) => [
    `\`${activity}\``,
    strings.activities[activity],
    describeState({ ...createAppStore().getState(), intent: 'running', activity, waitingFor: null }).text,
  ]),
)}

## Reasons to wait

${table(
  ['reason', 'text'],
  waits.map((wait) => [`\`${wait.why}\``, waitingText(wait)]),
)}

## Refused and lost work

${table(
  ['reason', 'title', 'text'],
  Object.entries(strings.refusals).map(([reason, { title, text }]) => [`\`${reason}\``, title, text]),
)}

## The model in use

${table(
  ['code', 'text'],
  all(CHAT_EXAMPLES).map((problem) => [`\`${problem.code}\``, chatProblemText(problem)]),
)}

## A validator's tab

${table(
  ['code', 'title', 'what to do'],
  Object.entries(seatProblems).map(([code, { title, text }]) => [`\`${code}\``, title, text]),
)}
`;
  await expect(page).toMatchFileSnapshot('../../../docs/page-words.md');
  expect(troubleText({ code: 'no-validator', recovering: true })).not.toBe('');
});
