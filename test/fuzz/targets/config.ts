/**
 * Hostile settings: bytes of a `--config` file and words of a command line. Each must become a host's options or be refused
 * with UsageError, in a bounded time, and leave nothing behind; anything else is a finding.
 */
import { UsageError } from '../../../src/cli/arguments.ts';
import { hostOptions } from '../../../src/cli/start-options.ts';
import { printable } from '../../../src/cli/terminal.ts';
import { preset } from '../../../src/model/presets.ts';
import { randomSource } from '../../../src/sparseloco/testing.ts';
import { bend, type FuzzReport, heapMb } from '../report.ts';

const SLOW_MS = 2000;
const GROWTH_MB = 16;

const utf8 = new TextEncoder();

/** What somebody may write in the place of a value. */
const VALUES: readonly string[] = [
  '0',
  '-1',
  '1',
  '2',
  '64',
  '65',
  '256',
  '257',
  '1048576',
  '1e308',
  '1e400',
  '0.5',
  '100000',
  'null',
  'true',
  '[]',
  '{}',
  '""',
  '"64"',
  '"\\u0000"',
  '"\\ud800"',
  '"\\u202e"',
  '[[]]',
  '{"a":1}',
  '{"__proto__":1}',
  '"stun:a"',
  '[{"urls":[]}]',
  '[{"urls":"turn:a:1"}]',
  '9007199254740993',
];

function base(): Record<string, unknown> {
  const { model, training, schedule, sparseloco, gauntlet, admission, credits } = preset('tiny');
  return {
    description: 'A run',
    organizer: { name: 'Lab', contact: 'a@b' },
    model,
    training,
    schedule,
    sparseloco,
    gauntlet,
    admission,
    credits,
    shardTokens: 1024,
    iceServers: [{ urls: 'stun:a:3478' }, { urls: ['turn:b'], username: 'u', credential: 'c' }],
  };
}

const WORDS: readonly string[] = [
  '--port',
  '--listen',
  '--data',
  '--name',
  '--preset',
  '--audits',
  '--round-seconds',
  '--ice',
  '--ice-user',
  '--public-url',
  '--trusted-proxy',
  '--validator',
  '--evaluator',
  '--corpus',
  '',
  ' ',
  '-1',
  '0',
  '5',
  '8080',
  'tiny',
  '1m',
  '::',
  '0.0.0.0',
  'stun:a',
  'turn:a',
  'tab',
  'host',
  'https://a/b',
  '\u001b[2J',
  '\u202e',
  'é',
  '__proto__',
  '--',
  '-',
  '--help=x',
  '--new-run',
  '99999999999999999999',
  'NaN',
  '[::1]',
];

/** A config with one value after another replaced in its text; the names stay, so that it gets far. */
function bendText(text: string, random: () => number): string {
  const places = [...text.matchAll(/(?<=:)(?:"[^"]*"|[\d.e+-]+|true|false)/g)];
  const place = places[Math.floor(random() * places.length)];
  const value = VALUES[Math.floor(random() * VALUES.length)] ?? 'null';
  if (place === undefined) return text;
  return text.slice(0, place.index) + value + text.slice(place.index + place[0].length);
}

export async function fuzz(runs: number, seed: number): Promise<FuzzReport> {
  const random = randomSource(seed);
  const below = (n: number) => Math.floor(random() * n);
  const text = JSON.stringify(base());
  const whole = utf8.encode(text);
  const findings: string[] = [];
  let [refused, taken, slowestMs] = [0, 0, 0];
  let before = 0;
  for (let run = 0; run < runs; run++) {
    // The first tenth warms caches up.
    if (run === Math.floor(runs / 10)) before = heapMb();
    const args = ['--preset', 'tiny'];
    let bytes: Uint8Array | undefined;
    if (run % 4 === 0)
      args.push(...Array.from({ length: 1 + below(4) }, () => WORDS[below(WORDS.length)] ?? ''));
    else {
      args.push('--config', 'fuzz.json');
      let changed = text;
      for (let i = below(3); i >= 0; i--) changed = bendText(changed, random);
      bytes = run % 4 === 1 ? bend(whole, utf8.encode(changed), random) : utf8.encode(changed);
    }
    const begin = performance.now();
    try {
      hostOptions(args, bytes);
      taken++;
    } catch (error) {
      if (!(error instanceof UsageError)) findings.push(`run ${run}: ${String(error)}`);
      else if (error.message.length > 1000)
        findings.push(`run ${run}: a complaint of ${error.message.length} letters`);
      else if (/[\p{Cc}\u202e]/u.test(printable(error.message)))
        findings.push(`run ${run}: control characters`);
      else refused++;
    }
    const took = performance.now() - begin;
    slowestMs = Math.max(slowestMs, took);
    if (took > SLOW_MS) findings.push(`run ${run}: ${took.toFixed(0)} ms`);
    if (findings.length > 100) break;
  }
  const grown = heapMb() - before;
  if (grown > GROWTH_MB) findings.push(`the heap grew by ${grown.toFixed(1)} MB`);
  return {
    figures: [
      { name: 'refused', value: refused, unit: 'inputs' },
      { name: 'taken', value: taken, unit: 'inputs' },
      { name: 'slowest', value: slowestMs, unit: 'ms' },
      { name: 'heap_growth', value: grown, unit: 'MB' },
    ],
    findings,
  };
}
