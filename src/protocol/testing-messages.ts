/** One message of each kind for tests and fuzzers: an ordinary one, and the largest legal one. Not shipped. */
import {
  KEY_BYTES,
  MAX_AUDITS,
  MAX_CLAIM_BYTES,
  MAX_PASSED_OVER,
  MAX_REFUSED,
  SIGNATURE_BYTES,
} from './limits.ts';
import { LINK_TAIL, MAX_LINKS_SHOWN, type Message, type MessageKind, type MessageOf } from './messages.ts';
import { encodePassedOver } from './passed-over.ts';
import { MAX_NAME } from './profile.ts';
import { testHash } from './testing.ts';

type EachKind = { readonly [K in MessageKind]: MessageOf<K> };

/** An ordinary message of each kind. The certificate is none of any chain. */
export function ordinaryMessages(run: Uint8Array, round: number, peer: string): EachKind {
  const key = testHash('somebody');
  return {
    join: { kind: 'join', run, certificate: testHash('head'), nonce: 1 },
    commit: { kind: 'commit', run, round, seal: testHash('seal') },
    reveal: { kind: 'reveal', run, round, claim: testHash('claim'), peer },
    audit: { kind: 'audit', run, round, contributors: [key] },
    answer: { kind: 'answer', run, round, answer: testHash('answer'), peer },
    presence: {
      kind: 'presence',
      run,
      round,
      peer,
      role: 'contributor',
      state: 'training',
      adapter: 'none',
      tokensPerSecond: 1,
      root: testHash('root'),
      height: 1,
      links: [['abcdefgh', 'direct', 5]],
    },
    profile: { kind: 'profile', run, name: 'Somebody', team: '', time: 1 },
    opinion: { kind: 'opinion', run, round, height: 0, heldOutLoss: 1, scores: [], refused: [], audits: [] },
    certificate: {
      kind: 'certificate',
      body: testHash('body'),
      signatures: [{ validator: key, signature: new Uint8Array(SIGNATURE_BYTES) }],
    },
    'no-certificate': {
      kind: 'no-certificate',
      run,
      round,
      failure: 'disk-full',
      refused: [{ contributor: key, reason: 'late' }],
      passedOver: encodePassedOver([key]),
    },
  };
}

/** Three bytes of UTF-8 in one unit of a string, as many as a limit of units allows. */
const wide = (units: number): string => '語'.repeat(units);
const many = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

/** The largest legal message of each kind whose limit is not that of gossip itself. */
export function largestMessages(): {
  readonly [K in Exclude<MessageKind, 'opinion' | 'certificate'>]: Message;
} {
  const run = testHash('run');
  const round = 0xffffffff;
  const claim = new Uint8Array(MAX_CLAIM_BYTES).fill(0xff);
  const name = '𝐀'.repeat(MAX_NAME);
  return {
    join: { kind: 'join', run, certificate: run, nonce: Number.MAX_SAFE_INTEGER },
    commit: { kind: 'commit', run, round, seal: run },
    reveal: { kind: 'reveal', run, round, claim, peer: wide(80) },
    audit: { kind: 'audit', run, round, contributors: many(MAX_AUDITS, testHash) },
    answer: { kind: 'answer', run, round, answer: claim, peer: wide(80) },
    presence: {
      kind: 'presence',
      run,
      round,
      peer: wide(80),
      role: 'contributor',
      state: wide(40),
      adapter: wide(120),
      tokensPerSecond: 0.1,
      root: run,
      height: round,
      links: many(MAX_LINKS_SHOWN, () => [wide(LINK_TAIL), 'relayed', 1e12]),
    },
    profile: { kind: 'profile', run, name, team: name, time: Number.MAX_SAFE_INTEGER },
    'no-certificate': {
      kind: 'no-certificate',
      run,
      round,
      failure: 'measuring',
      passedOver: encodePassedOver(many(MAX_PASSED_OVER, testHash)),
      refused: many(MAX_REFUSED, () => ({ contributor: new Uint8Array(KEY_BYTES), reason: 'hash-mismatch' })),
    },
  };
}
