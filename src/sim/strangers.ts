/**
 * Whatever a key without a join can say to a swarm: every kind of message, made up, and bytes that are none. For property
 * tests and fuzzers, which compare what honest peers do with and without it. Not shipped.
 *
 * The one thing left out is a join with enough work, which makes a member of whoever sends it.
 */
import type { ChainHead } from '../chain/certificate.ts';
import type { Run } from '../chain/run.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import { open, seal, signBytes, signedBytes } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import { joinHash, leadingZeroBits } from '../protocol/join.ts';
import { MAX_GOSSIP_BYTES, PROTOCOL_VERSION } from '../protocol/limits.ts';
import type { Message, MessageKind } from '../protocol/messages.ts';
import { ordinaryMessages } from '../protocol/testing-messages.ts';
import { encodeClaim } from '../work/pretrain/claim.ts';

const KINDS = [
  'join',
  'commit',
  'reveal',
  'audit',
  'answer',
  'presence',
  'profile',
  'opinion',
  'certificate',
  'no-certificate',
] as const satisfies readonly MessageKind[];

export const UTTERANCES = [
  ...KINDS,
  ...KINDS.map((kind) => `forged ${kind}` as const),
  'weak join',
  'large commit',
  'foreign',
  'foreign by a member, forged',
  'four bytes',
  'version and padding',
  'rewrapped certificate',
  'certificate from the future',
  'garbage',
  'nothing',
  'too many bytes',
] as const;
export type Utterance = (typeof UTTERANCES)[number];

export interface StrangerContext {
  readonly identity: Identity;
  /** Its peer in the network. */
  readonly peer: string;
  readonly run: Run;
  readonly round: number;
  readonly head: Pick<ChainHead, 'hash' | 'height'>;
  /** Whose key it may put in front of a signature that is none: a member's or a validator's. */
  readonly victim: Uint8Array;
  /** A genuine certificate as it was heard; null before the first. */
  readonly certificate: Uint8Array | null;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** The bytes of one thing that a stranger says. */
export async function strangersBytes(what: Utterance, c: StrangerContext): Promise<Uint8Array> {
  const below = (n: number): number => Math.floor(c.random() * n);
  const noise = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => below(256));
  switch (what) {
    case 'weak join': {
      const challenge = { run: c.run.id, certificate: c.head.hash, contributor: c.identity.publicKey };
      let nonce = below(1000);
      while (leadingZeroBits(joinHash(challenge, nonce)) > 0) nonce++;
      return seal(c.identity, { kind: 'join', run: c.run.id, certificate: c.head.hash, nonce });
    }
    case 'large commit': {
      const { commit } = messages(c, noise);
      return signBytes(c.identity, 'commit', encodeCanonical({ ...commit, more: noise(5000) }));
    }
    case 'foreign':
      return foreign(c, c.identity.publicKey, noise);
    case 'foreign by a member, forged':
      return foreign(c, c.victim, noise);
    case 'four bytes':
      return Uint8Array.of(0x84, PROTOCOL_VERSION + 1, 0, 0);
    case 'version and padding': {
      const bytes = new Uint8Array(MAX_GOSSIP_BYTES);
      bytes.set([0x84, PROTOCOL_VERSION + 1 + below(10)]);
      return bytes;
    }
    case 'rewrapped certificate': {
      const opened = c.certificate === null ? null : await open(c.certificate);
      return opened?.ok === true ? seal(c.identity, opened.message) : noise(40);
    }
    case 'certificate from the future': {
      const { certificate } = messages(c, noise);
      const body = encodeCanonical({ run: c.run.id, round: c.round + 5, height: c.head.height + 5 });
      return seal(c.identity, { ...certificate, body });
    }
    case 'garbage':
      return noise(1 + below(400));
    case 'nothing':
      return new Uint8Array(0);
    case 'too many bytes':
      return new Uint8Array(MAX_GOSSIP_BYTES + 1 + below(1000)).fill(0x84);
    default: {
      const forged = what.startsWith('forged ');
      const kind = (forged ? what.slice('forged '.length) : what) as MessageKind;
      const message: Message = messages(c, noise)[kind];
      if (!forged) return seal(c.identity, message);
      return encodeCanonical([PROTOCOL_VERSION, c.victim, noise(64), encodeCanonical(message)]);
    }
  }
}

function messages({ run, round, peer }: StrangerContext, noise: (size: number) => Uint8Array) {
  const ordinary = ordinaryMessages(run.id, Math.max(0, round), peer);
  const submission = { hash: noise(32), size: 1000 };
  const claim = encodeClaim({ submission, tokens: 64, innerSteps: 1, baseRoot: noise(32), carry: null });
  return {
    ...ordinary,
    // Over no certificate at all: worth nothing, whatever its nonce.
    join: { ...ordinary.join, certificate: noise(32) },
    commit: { ...ordinary.commit, seal: noise(32) },
    reveal: { ...ordinary.reveal, claim },
    presence: { ...ordinary.presence, role: 'validator' as const },
  };
}

async function foreign(
  { identity, run, round }: StrangerContext,
  sender: Uint8Array,
  noise: (size: number) => Uint8Array,
): Promise<Uint8Array> {
  const version = PROTOCOL_VERSION + 1;
  const body = encodeCanonical({ kind: 'commit', run: run.id, round: Math.max(0, round), news: noise(8) });
  return encodeCanonical([version, sender, await identity.sign(signedBytes('commit', body, version)), body]);
}
