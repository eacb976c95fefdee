/** Strangers' behaviours: what is one, and what is said of what is not. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { testIdentity } from '../src/protocol/testing.ts';
import { asBehaviour, loadBehaviour } from './behaviour.ts';
import { BEHAVIOURS } from './behaviours/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'behaviour-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

test('names are unique and fit the command line', () => {
  const names = BEHAVIOURS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/);
});

test("a stranger's module is loaded by its path", async () => {
  const path = file(
    'idle.mjs',
    `export default { name: 'idle', summary: 'does nothing', attacker: () => ({ act: async () => ({ say: [], serve: [] }) }) };`,
  );
  expect((await loadBehaviour(path)).name).toBe('idle');
});

test('the example of the documentation is one', async () => {
  const docs = readFileSync(new URL('../docs/threat-model.md', import.meta.url), 'utf8');
  const example = /```js\n([^]*?)```/.exec(docs)?.[1] ?? '';
  const behaviour = await loadBehaviour(file('shrink.mjs', example));
  expect(behaviour.name).toBe('shrink');
  const attacker = behaviour.attacker({
    index: 0,
    count: 1,
    identity: await testIdentity(1),
    allies: new Map(),
  });
  expect(attacker).toHaveProperty('act');
});

describe('what is no behaviour says why', () => {
  test.each([
    ['nothing exported', 'export const a = 1;', /export default/],
    ['no name', 'export default { summary: "", attacker() {} };', /name/],
    ['no attacker', 'export default { name: "x", summary: "" };', /attacker/],
    [
      'identities of the wrong kind',
      'export default { name: "x", summary: "", attacker() {}, identities: 3 };',
      /identities/,
    ],
    ['a syntax error', 'export default {', /cannot be loaded/],
  ])('%s', async (name, text, message) => {
    await expect(loadBehaviour(file(`${name}.mjs`, text))).rejects.toThrow(message);
  });

  test('a file that is not there', async () => {
    await expect(loadBehaviour(join(folder, 'none.mjs'))).rejects.toThrow(/no file/);
  });

  test('whatever is exported, nothing but a BehaviourError is thrown', () => {
    for (const value of [null, undefined, 1, 'x', [], {}, { default: null }, { default: 1 }])
      expect(() => asBehaviour(value, 'x.mjs')).toThrow(/is no behaviour/);
  });
});
