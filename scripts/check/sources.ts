/**
 * The sources as the checks of `npm run check` read them: what each file imports and which texts it contains. Parsed by
 * the parser that Vite brings, so that comments, types and templates are told apart as the compiler tells them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from 'vite';

export interface Source {
  /** Path from src/, with forward slashes. */
  readonly path: string;
  readonly lines: number;
  /** Every specifier as it is written: of values, types, re-exports, `import()` and `import('…').Type`. */
  readonly imports: readonly string[];
  /** Files of workers, as in `new URL('./x.worker.ts', import.meta.url)`. */
  readonly workers: readonly string[];
  /** Every string, template and JSX text; a template's values are replaced by {@link VALUE}. */
  readonly texts: readonly string[];
}

/** Stands for `${…}` in a template's text. */
export const VALUE = '…';

/**
 * Tests and their helpers: `x.test.ts`, `testing.ts`, `testing-x.ts`, all of a folder `testing/`, and of `gallery/`,
 * which shows the page with made-up data.
 */
export const isTesting = (path: string): boolean =>
  /\.test\.tsx?$|(^|\/)testing(-[^/]*)?\.tsx?$|(^|\/)(testing|gallery)\//.test(path);

/** Reads one file's text. Throws Error when it does not parse. */
export function parseSource(path: string, text: string): Source {
  const { program, errors } = parseSync(path, text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${path}: ${error.message}`);
  const found: Found = { imports: [], workers: [], texts: [] };
  visit(program.body, found);
  return { path, lines: text.split('\n').length, ...found };
}

/** All TypeScript files under a folder, in order of their paths. */
export function readSources(folder: string): Source[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /\.tsx?$/.test(path))
    .sort()
    .map((path) => parseSource(path, readFileSync(join(folder, path), 'utf8')));
}

/** A node of the syntax tree (ESTree with TypeScript), as far as this file looks at it. */
type Node = { readonly type?: unknown } & Record<string, unknown>;

const literal = (node: unknown): string | null => {
  const value = (node as { type?: unknown; value?: unknown } | null | undefined)?.value;
  return typeof value === 'string' ? value : null;
};

/** Nodes with a `source`: what they load is an import, not a text. */
const LOADS = new Set([
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
]);

type Found = Record<'imports' | 'workers' | 'texts', string[]>;

function visit(value: unknown, found: Found): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, found);
    return;
  }
  if (value === null || typeof value !== 'object') return;
  const node = value as Node;
  const { imports, workers, texts } = found;
  const loaded = LOADS.has(String(node.type)) ? literal(node.source) : null;
  const worker = workerUrl(node);
  if (loaded !== null) imports.push(loaded);
  if (worker !== null) workers.push(worker);
  if (node.type === 'Literal' || node.type === 'JSXText') {
    const text = literal(node);
    if (text !== null) texts.push(text);
  }
  if (node.type === 'TemplateLiteral') {
    const parts = node.quasis as { value: { cooked: string | null } }[];
    texts.push(parts.map((part) => part.value.cooked ?? '').join(VALUE));
  }
  for (const [key, child] of Object.entries(node))
    if (key !== 'source' || loaded === null) visit(child, found);
}

/** The file of `new URL('./x.worker.ts', import.meta.url)`; null for any other node. */
function workerUrl(node: Node): string | null {
  if (node.type !== 'NewExpression' || (node.callee as { name?: unknown }).name !== 'URL') return null;
  const [first, second] = node.arguments as (Node | undefined)[];
  const path = literal(first);
  const base = second?.type === 'MemberExpression' && (second.object as Node).type === 'MetaProperty';
  return base && path !== null && /^\..*\.tsx?$/.test(path) ? path : null;
}
