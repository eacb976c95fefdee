/** What reaches the organizer's terminal: nothing that a terminal obeys, whoever wrote it. */
import { expect, test } from 'vitest';
import type { StatusView } from '../host/view.ts';
import { main } from './main.ts';
import { statusLines } from './status.ts';
import { guarded, printable } from './terminal.ts';

const HOSTILE = 'a\u001b]0;owned\u0007\u001b[2J\r\n\u009b1m\u202eb\u{e0041}\ud800';

test('what a terminal obeys is written as escapes; words of any script stay', () => {
  const line = printable(HOSTILE);
  expect(line).toBe('a\\u001b]0;owned\\u0007\\u001b[2J\\u000d\\u000a\\u009b1m\\u202eb\\udb40\\udc41\\ud800');
  for (const text of ['Zürich — 走る', 'نمی\u200cدانم', '👩\u200d🔬', '']) expect(printable(text)).toBe(text);
});

test('JSON means the same after the escaping', () => {
  const value = { name: 'a\u202e\u009b\u{e0041}b', lines: 'x\ny' };
  expect(JSON.parse(printable(JSON.stringify(value)))).toEqual(value);
});

test('states and adapters of strangers in a status stay in their line', () => {
  const peer = {
    contributor: HOSTILE,
    role: 'contributor',
    state: HOSTILE,
    adapter: HOSTILE,
    tokensPerSecond: 1,
  };
  const view = {
    name: HOSTILE,
    run: HOSTILE,
    root: HOSTILE,
    phase: HOSTILE,
    peers: [peer],
    peerCount: 2,
    trouble: { round: 1, cause: 'disk-full' },
    totals: { accounts: 0 },
    credits: [],
    heldOutLoss: null,
    bytesPerParameter: null,
    troubles: [],
  };
  const lines: string[] = [];
  const { out } = guarded({ out: (line) => lines.push(line), err: () => {} });
  for (const line of statusLines(view as unknown as StatusView)) out(line);
  for (const line of lines) expect(line).not.toMatch(/[\p{Cc}\u202e\p{Cs}]/u);
});

test('a word of the command line that is not understood is no exception', async () => {
  const lines: string[] = [];
  const output = { out: (line: string) => lines.push(line), err: (line: string) => lines.push(line) };
  for (const argv of [[HOSTILE], ['start', HOSTILE], ['start', `--${HOSTILE}`], ['status', '--url', HOSTILE]])
    expect(await main(argv, output)).toBe(2);
  expect(lines.length).toBeGreaterThan(4);
  for (const line of lines) expect(line).not.toMatch(/[\p{Cc}\u202e]/u);
});
