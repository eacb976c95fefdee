/**
 * Every problem, every reason to wait and every way that the model cannot be used, at least once for each case that has words of
 * its own. Complete by type: a new code does not compile without an example, and words.test.ts reads what the page says of it.
 */
import type { ChatProblem } from '../../app/chat-problem.ts';
import type { Problem } from '../../app/state.ts';
import type { Waiting } from '../../peer/reasons.ts';

const MIB = 2 ** 20;
const hash = (byte: string): string => byte.repeat(32);
const url = 'https://swarm.example.org';

type OfCode<T extends { readonly code: string }> = {
  readonly [C in T['code']]: readonly [T & { readonly code: C }, ...(T & { readonly code: C })[]];
};

export const PROBLEM_EXAMPLES: OfCode<Problem> = {
  'no-webgpu': [{ code: 'no-webgpu', recovering: false }],
  'insecure-page': [{ code: 'insecure-page', recovering: false }],
  framed: [{ code: 'framed', recovering: false }],
  'no-adapter': [
    { code: 'no-adapter', recovering: false },
    { code: 'no-adapter', recovering: true },
  ],
  'adapter-too-small': [
    {
      code: 'adapter-too-small',
      recovering: false,
      misfit: { of: 'buffer', name: 'gradients', bytes: 2480 * MIB, most: 1024 * MIB },
      batch: 4,
      sequence: 1024,
      largest: 'small',
    },
    {
      code: 'adapter-too-small',
      recovering: false,
      misfit: { of: 'memory', name: '', bytes: 2480 * MIB, most: null },
      batch: 4,
      sequence: 1024,
      largest: null,
    },
  ],
  'device-lost': [
    {
      code: 'device-lost',
      recovering: true,
      detail: 'the GPU was lost (unknown): Device was lost during execution (TDR)',
    },
  ],
  'gpu-withdrawn': [{ code: 'gpu-withdrawn', recovering: true }],
  'key-not-kept': [
    { code: 'key-not-kept', recovering: false, why: 'blocked' },
    { code: 'key-not-kept', recovering: false, why: 'failed' },
    { code: 'key-not-kept', recovering: false, why: 'too-many-tabs' },
  ],
  'host-unreachable': [
    { code: 'host-unreachable', recovering: true, why: 'unreachable', url, status: null },
    { code: 'host-unreachable', recovering: true, why: 'broken-off', url, status: null },
    { code: 'host-unreachable', recovering: true, why: 'status', url, status: 503 },
    { code: 'host-unreachable', recovering: false, why: 'status', url, status: 404 },
    { code: 'host-unreachable', recovering: false, why: 'no-json', url, status: null },
    { code: 'host-unreachable', recovering: false, why: 'other-form', url, status: null },
    { code: 'host-unreachable', recovering: false, why: 'no-base64', url, status: null },
  ],
  'socket-refused': [{ code: 'socket-refused', recovering: true, addresses: 'wss://swarm.example.org:443' }],
  'other-run': [{ code: 'other-run', recovering: false, ours: hash('1a'), theirs: hash('2b') }],
  'host-changed': [
    { code: 'host-changed', recovering: true, what: 'chain' },
    { code: 'host-changed', recovering: true, what: 'address' },
  ],
  'blob-missing': [
    {
      code: 'blob-missing',
      recovering: true,
      hash: hash('3c'),
      reasons: 'the host sent other bytes; nobody serves it',
    },
  ],
  'bad-manifest': [{ code: 'bad-manifest', recovering: false, detail: 'the field “schedule” is missing' }],
  'protocol-version': [
    { code: 'protocol-version', recovering: false, ours: 3, theirs: 4 },
    { code: 'protocol-version', recovering: false, ours: 3, theirs: null },
  ],
  'ice-skipped': [
    {
      code: 'ice-skipped',
      recovering: false,
      skipped: [{ rule: 'credentials', at: 'turn:turn.example.org:3478' }],
    },
  ],
  'corrupt-data': [
    { code: 'corrupt-data', recovering: true, source: 'cache', hash: hash('4d') },
    { code: 'corrupt-data', recovering: true, source: 'host', hash: hash('4d') },
  ],
  'clock-jumped': [
    { code: 'clock-jumped', recovering: true, whose: 'own', byMs: 3_600_000 },
    { code: 'clock-jumped', recovering: true, whose: 'host', byMs: -600_000 },
  ],
  'not-begun': [{ code: 'not-begun', recovering: true, beginsAt: Date.UTC(2027, 0, 15, 8) }],
  'chain-ahead': [{ code: 'chain-ahead', recovering: true, rounds: 2880 }],
  'no-validator': [{ code: 'no-validator', recovering: true }],
  'round-unjudged': [
    { code: 'round-unjudged', recovering: true, round: 42, failure: 'disk-full' },
    { code: 'round-unjudged', recovering: true, round: 42, failure: 'measuring' },
  ],
  'out-of-sync': [
    { code: 'out-of-sync', recovering: true, why: 'root-differs', height: 42 },
    { code: 'out-of-sync', recovering: true, why: 'no-state', height: 42 },
  ],
  internal: [
    {
      code: 'internal',
      recovering: false,
      detail: 'Cannot read properties of undefined (reading “layers”)',
    },
    { code: 'internal', recovering: true, detail: 'The request was denied.' },
  ],
};

export const WAITING_EXAMPLES: {
  readonly [W in Waiting['why']]: readonly [Extract<Waiting, { why: W }>, ...Extract<Waiting, { why: W }>[]];
} = {
  connecting: [{ why: 'connecting' }],
  model: [{ why: 'model' }],
  text: [{ why: 'text' }],
  admission: [
    { why: 'admission', inMs: null },
    { why: 'admission', inMs: 18_400 },
  ],
  'not-begun': [{ why: 'not-begun', inMs: 172_800_000 }],
  'chain-ahead': [{ why: 'chain-ahead', rounds: 2880, inMs: 86_400_000 }],
  'last-round': [{ why: 'last-round' }],
  'no-step': [{ why: 'no-step' }],
  verdict: [{ why: 'verdict' }],
  audit: [{ why: 'audit' }],
  announced: [{ why: 'announced' }],
  alone: [{ why: 'alone' }],
  trouble: [{ why: 'trouble', trouble: PROBLEM_EXAMPLES['socket-refused'][0] }],
};

export const CHAT_EXAMPLES: OfCode<ChatProblem> = {
  'run-unknown': [{ code: 'run-unknown' }],
  'no-runtime': [
    { code: 'no-runtime', backend: 'wasm', error: 'out of memory' },
    { code: 'no-runtime', backend: 'webgpu', error: 'out of memory' },
  ],
  uncertified: [{ code: 'uncertified', root: hash('5e') }],
  'not-finite': [{ code: 'not-finite' }],
  trouble: [{ code: 'trouble', trouble: PROBLEM_EXAMPLES['host-unreachable'][0] }],
};
