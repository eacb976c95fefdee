/**
 * Words for people have one home, src/ui/ and src/cli/say*.ts: only there can they be translated, worded anew by a widget
 * or printed by a peer without a page. Below, a state or an error says which one it is, and its figures. This finds
 * sentences elsewhere.
 *
 * A sentence begins with a capital letter (or a quotation mark, or a value), has at least three words, and ends with a
 * full stop, an exclamation mark or a question mark that stands right behind a word, a value or a closing mark. So CSS,
 * SQL with its "= ?", addresses, headers and errors for developers ("expected 32 bytes, got 31") are none.
 */
import { isTesting, type Source, VALUE } from './sources.ts';

const START = new RegExp(`^["'“‘(]?[\\p{Lu}${VALUE}]`, 'u');
const END = new RegExp(`[\\p{L}\\p{N}"'”’)${VALUE}][.!?]["'”’)]*$`, 'u');

export function isSentence(text: string): boolean {
  const trimmed = text.trim();
  return START.test(trimmed) && END.test(trimmed) && trimmed.split(/\s+/).length >= 3;
}

/** Whether a file may hold words for people. */
const mayHold = (path: string): boolean =>
  path.startsWith('ui/') || /^cli\/say(-\w+)?\.ts$/.test(path) || isTesting(path);

/** A problem for each file that has sentences where no words for people belong. */
export function sentenceProblems(sources: readonly Source[]): string[] {
  const problems: string[] = [];
  for (const { path, texts } of sources) {
    const sentences = mayHold(path) ? [] : texts.filter(isSentence);
    if (sentences.length === 0) continue;
    const shown = sentences.map((text) => `\n    ${text.trim().replace(/\s+/g, ' ').slice(0, 140)}`).join('');
    problems.push(
      `src/${path} has ${sentences.length} sentence(s) for people, words belong in src/ui/strings/ or src/cli/say.ts:${shown}`,
    );
  }
  return problems;
}
