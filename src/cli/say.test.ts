/** Words for people: every fault and event of the host room has a sentence, and the log reads as it always did. */
import { expect, test } from 'vitest';
import { type FaultCode, type FaultFacts, fault } from '../host/faults.ts';
import { testHash } from '../protocol/testing.ts';
import { errorText, eventText } from './say.ts';

const say = <C extends FaultCode>(code: C, facts: FaultFacts[C]) => errorText(fault(code, facts));
const listen = (code: string) =>
  say('cannot-listen', { code, address: '10.0.0.1', port: 8780, error: 'no luck' });

test('a fault is a sentence with what to do', () => {
  expect(say('folder-in-use', { dir: '/data' })).toBe(
    'Another tabswarm host is using "/data". Stop it, or name another folder with --data.',
  );
  expect(say('folder-not-empty', { dir: '/photos', found: 'cat.jpg' })).toMatch(
    /photos" holds no run, but other files \("cat\.jpg"\).*--data/,
  );
  expect(say('format-older', { dir: '/data', format: 1, known: 2 })).toMatch(/older Tabswarm \(format 1/);
  expect(say('format-newer', { dir: '/data', format: 9, known: 2 })).toMatch(/newer Tabswarm \(format 9/);
  expect(say('chain-broken', { dir: '/data', height: 4, detail: 'missing' })).toMatch(
    /"\/data" is damaged: certificate 4 .*Restore the folder/,
  );
  expect(say('corpus-unreadable', { path: 'x', error: 'ENOENT' })).toBe('"x" does not exist.');
  expect(say('corpus-unreadable', { path: 'x', error: 'EISDIR' })).toBe(
    '"x" is a folder, and a file is needed here.',
  );
  expect(listen('EADDRINUSE')).toMatch(/Port 8780 is taken.*--port 8781/);
  expect(listen('EACCES')).toMatch(/above 1023/);
  expect(listen('EADDRNOTAVAIL')).toMatch(/no address "10\.0\.0\.1"/);
  expect(listen('EIO')).toBe('Cannot listen on 10.0.0.1:8780: no luck.');
});

test('any other error says itself', () => {
  expect(errorText(new Error('that went wrong'))).toBe('that went wrong');
  expect(errorText('text')).toBe('text');
});

const key = testHash('contributor');
const opinion = {
  kind: 'opinion' as const,
  run: testHash('run'),
  round: 7,
  height: 3,
  heldOutLoss: 5.87654,
  scores: [],
  refused: [{ contributor: key, note: { code: 'late-commit', figures: { ms: 12 } } }],
  audits: [],
};
const refused = [
  { contributor: key, reason: 'late' as const },
  { contributor: testHash('a'), reason: 'copy' as const },
  { contributor: testHash('b'), reason: 'copy' as const },
];

test('a certified round is one line: counts, the first refusal’s figures, loss, size, root', () => {
  const accepted = [{ contributor: key, claim: key, units: 1, weight: 1 }];
  const body = {
    run: key,
    round: 7,
    height: 4,
    previous: key,
    baseRoot: key,
    root: new Uint8Array(32).fill(0xab),
    accepted,
    refused,
    passedOver: new Uint8Array(0),
    joined: [{ contributor: key, nonce: 1, age: 0 }],
    joinBits: 4,
    audits: [],
    issued: 0,
    credits: [],
  };
  expect(eventText({ is: 'certified', body, opinion, bytesPerParameter: 0.0131 })).toBe(
    'round 7 · height 4 · 1 accepted, 3 refused (late, 2 x copy; first: committed 12 ms after the deadline) · ' +
      '1 joined · held-out 5.8765 before it · 0.0131 B/parameter · root abababababab',
  );
  // Without a validator's opinion the bare reasons are left.
  expect(eventText({ is: 'certified', body, opinion: null, bytesPerParameter: null })).toBe(
    'round 7 · height 4 · 1 accepted, 3 refused (late, 2 x copy) · 1 joined · root abababababab',
  );
  expect(eventText({ is: 'nothing-certified', round: 7, refused: [], opinion })).toBe(
    'round 7 · no certificate · 0 accepted, 0 refused',
  );
});

test('audits: what became of one, and why there are none', () => {
  const note = { code: 'silent', figures: { asked: 2 } };
  expect(eventText({ is: 'audit-ended', contributor: 'ab12', round: 3, outcome: 'failed', note })).toBe(
    'audit of ab12 in round 3: failed (asked 2 times, it did not answer)',
  );
  expect(eventText({ is: 'audit-given-up', contributor: 'ab12', round: 3, error: null })).toMatch(
    /was given up: this machine came too late/,
  );
  expect(
    eventText({ is: 'audits-off', why: 'software-gpu', adapter: 'llvmpipe', parameters: 12_400_000 }),
  ).toMatch(/only a software GPU \(llvmpipe\), too slow for 12\.4 M parameters\. Submissions are judged/);
  expect(eventText({ is: 'audits-off', why: 'no-gpu', error: 'no adapter.' })).toMatch(
    /cannot be used: no adapter\. Submissions/,
  );
});

test('a host without a seat says what it could not store', () => {
  expect(eventText({ is: 'behind', certified: 9, height: 4 })).toMatch(/height 9, this host is at 4/);
  expect(eventText({ is: 'link-not-stored', code: 'work-missing', error: 'nobody has it' })).toBe(
    'a certificate could not be stored: the submissions in it could not be had (nobody has it)',
  );
});
