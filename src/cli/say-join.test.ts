/** Words of `tabswarm join`: every trouble and every fault of the machine is a sentence that says what to do or happens. */
import { expect, test } from 'vitest';
import type { Trouble } from '../peer/reasons.ts';
import { NO_TIME } from '../peer/time-use.ts';
import { PlatformError, type PlatformErrorCode } from '../platform/node/errors.ts';
import type { RoundReport } from './round-log.ts';
import { JOIN, platformText, roundText, troubleText } from './say-join.ts';

const url = 'http://host';
const host = { code: 'host-unreachable', recovering: true, url, status: null } as const;

test.each<[Trouble, RegExp]>([
  [{ ...host, why: 'unreachable' }, /No host answers at http:\/\/host/],
  [{ ...host, why: 'broken-off' }, /broke off/],
  [{ ...host, why: 'status', status: 503 }, /still preparing/],
  [{ ...host, why: 'status', status: 404, recovering: false }, /status 404.*path is wrong\.$/],
  [{ ...host, why: 'no-json', recovering: false }, /no Tabswarm host of this version\.$/],
  [{ code: 'blob-missing', recovering: true, hash: 'ab', reasons: 'host: 404' }, /host: 404/],
  [{ code: 'protocol-version', recovering: false, ours: 3, theirs: 2 }, /as old as the host\.$/],
  [{ code: 'protocol-version', recovering: false, ours: 3, theirs: null }, /Somebody in the swarm/],
  [{ code: 'bad-manifest', recovering: false, detail: 'no key' }, /tell its organizer\.$/],
  [{ code: 'out-of-sync', recovering: true, why: 'root-differs', height: 7 }, /height 7\. A new copy/],
  [{ code: 'out-of-sync', recovering: true, why: 'no-state', height: 7 }, /Nobody offers/],
  [{ code: 'corrupt-data', recovering: true, source: 'cache', hash: 'ab' }, /on this disk/],
  [{ code: 'corrupt-data', recovering: true, source: 'host', hash: 'ab' }, /The host sent/],
  [{ code: 'gpu-unavailable', recovering: false, lack: 'no-adapter' }, /--device cpu/],
  [{ code: 'device-lost', recovering: true, detail: 'reset' }, /opened anew/],
  [{ code: 'no-validator', recovering: true }, /Nobody validates/],
  [{ code: 'internal', recovering: true, detail: 'x' }, /^Something failed: x\./],
])('$0', (trouble, pattern) => {
  expect(troubleText(trouble)).toMatch(pattern);
  expect(troubleText(trouble).endsWith('It is tried again by itself.')).toBe(trouble.recovering);
});

test.each<[PlatformErrorCode, RegExp]>([
  ['key-unreadable', /cannot be read \(why\)/],
  ['key-empty', /FILE is empty.*--key/],
  ['key-malformed', /FILE holds no key.*--key/],
  ['key-unwritable', /cannot be made \(why\).*--key/],
  ['key-in-use', /Another process \(12\).*FILE/],
  ['no-gpu', /No device to train on \(why\).*apt-get install chromium/],
  ['trainer-ended', /ended \(why\)/],
])('%s', (code, pattern) => {
  const facts = { path: 'FILE', cause: 'why', pid: 12, wanted: 'any', install: 'chromium' };
  expect(platformText(new PlatformError(code, facts))).toMatch(pattern);
});

const report: RoundReport = {
  round: 5,
  outcome: 'accepted',
  reason: null,
  note: null,
  admitted: false,
  height: 4,
  root: 'ab',
  contributors: 3,
  heldOutLoss: 5.25,
  innerSteps: 20,
  tokens: 2560,
  trainLoss: 5.5,
  tokensPerSecond: 321.4,
  submissionBytes: 900,
  credits: 1.5,
  totalCredits: 4.5,
  directLinks: 1,
  timeUse: NO_TIME,
  idle: null,
};

test('a round is one line', () => {
  expect(roundText(report)).toBe(
    'round 5 · accepted · height 4 · 3 accepted · held-out 5.2500 before it · 2560 tokens in 20 steps · 321 tokens/s · +1.50 credits (4.50) · 1 direct link',
  );
  const none = {
    ...report,
    directLinks: 0,
    height: null,
    root: null,
    contributors: 0,
    heldOutLoss: null,
    credits: 0,
  };
  expect(roundText({ ...none, outcome: 'lost' })).toMatch(/^round 5 · lost: no certificate came · no cert/);
  expect(roundText({ ...none, outcome: 'absent', innerSteps: 0 })).toBe(
    'round 5 · without this contributor · no certificate · 0 direct links',
  );
  const note = { code: 'late-reveal', figures: { ms: 12 } };
  expect(roundText({ ...report, outcome: 'refused', reason: 'late', note })).toContain(
    'refused (late: revealed 12 ms after the deadline)',
  );
});

test('how long finishing takes is told in seconds or minutes', () => {
  expect(JOIN.finishing(3, 4200)).toContain('takes 5 s at most');
  expect(JOIN.finishing(3, 540_000)).toContain('takes 9 min at most');
});
