/** Part of `npm run check`: sentences for people are only where they can be translated (scripts/check/sentences.ts). */
import { resolve } from 'node:path';
import { sentenceProblems } from './check/sentences.ts';
import { readSources } from './check/sources.ts';

const problems = sentenceProblems(readSources(resolve(import.meta.dirname, '../src')));
if (problems.length > 0) {
  console.error(problems.join('\n'));
  console.error(`words: ${problems.length} problem(s)`);
  process.exit(1);
}
console.log('words: all in their place');
