/**
 * Which licences a package may have. Expressions are read by the grammar of SPDX (spdx.github.io/spdx-spec, annex on
 * licence expressions): identifiers, `+`, `WITH`, `AND`, `OR`, brackets. An identifier that is not on the list is not
 * allowed, so no list of all licences is needed.
 */

/** Licences that let anybody use, change and pass on the code, with no duty beyond the package's own files. */
export const ALLOWED_LICENCES: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BSL-1.0', // Boost's, not Business Source (BUSL)
  'CC-BY-4.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MPL-2.0',
  'WTFPL',
]);

/** Whether somebody may use a package under this expression; null: it is no expression. */
export function allowsUse(expression: string, allowed: ReadonlySet<string>): boolean | null {
  const words = expression.match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;

  /** Alternatives: one that is allowed is enough. */
  function alternatives(): boolean | null {
    let result = conjunction();
    while (result !== null && words[at] === 'OR') {
      at++;
      const other = conjunction();
      result = other === null ? null : result || other;
    }
    return result;
  }

  /** Parts under different licences: each has to be allowed. */
  function conjunction(): boolean | null {
    let result = part();
    while (result !== null && words[at] === 'AND') {
      at++;
      const other = part();
      result = other === null ? null : result && other;
    }
    return result;
  }

  function part(): boolean | null {
    const word = words[at++];
    if (word === '(') {
      const inner = alternatives();
      return words[at++] === ')' ? inner : null;
    }
    if (word === undefined || !/^[A-Za-z0-9][A-Za-z0-9.:-]*\+?$/.test(word) || OPERATORS.has(word))
      return null;
    if (words[at] !== 'WITH') return allowed.has(word) || allowed.has(word.replace(/\+$/, ''));
    const exception = words[at + 1];
    if (exception === undefined || !/^[A-Za-z0-9.-]+$/.test(exception)) return null;
    at += 2;
    return allowed.has(`${word} WITH ${exception}`);
  }

  const result = alternatives();
  return at === words.length ? result : null;
}

const OPERATORS: ReadonlySet<string> = new Set(['AND', 'OR', 'WITH']);
