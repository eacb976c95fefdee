/** What gossip brings: what is passed on, what is refused, what is fetched ahead, and what reaches the chain and the page. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Offer } from '../chain/follower.ts';
import { testChain, type TestChain } from '../chain/testing.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import { open, seal, signBytes, signedBytes } from '../protocol/envelope.ts';
import { MAX_SEALED_BYTES, PROTOCOL_VERSION } from '../protocol/limits.ts';
import { joinWorks, solveJoin } from '../protocol/join.ts';
import type { Message, MessageOf } from '../protocol/messages.ts';
import { sealOf } from '../protocol/seal.ts';
import { testHash, testIdentity } from '../protocol/testing.ts';
import type { Clock } from '../protocol/timer.ts';
import { encodeClaim } from '../work/pretrain/claim.ts';
import { REPEAT_SPACING_MS } from '../swarm/repeats.ts';
import { workloadOf } from '../work/workloads.ts';
import { Inbox, type InboxOptions } from './inbox.ts';

const ada = await testIdentity('ada');
const bob = await testIdentity('bob');
const validator = await testIdentity('validator');
const chain: TestChain = await testChain(ada, { rounds: 2 });
const { run } = chain;

let now: number;
let announced: string[];
let pruned: number[];
let offered: { readonly opinions: readonly Uint8Array[] }[];

beforeEach(() => {
  announced = [];
  pruned = [];
  offered = [];
  inRound(1);
});

/** A message a second after the last one, from the peer that Ada's presence names. */
function hear(box: Inbox, bytes: Uint8Array): ReturnType<Inbox['receive']> {
  now += 1000;
  return box.receive(bytes, PEER);
}

function inRound(round: number): void {
  now = run.rounds.start(round) + 1000;
}

function inbox(change: Partial<InboxOptions> & { readonly offer?: Offer } = {}): Inbox {
  const clock: Clock = { now: () => now, at: () => () => {} };
  return new Inbox({
    run,
    clock,
    workload: workloadOf(run),
    chain: {
      head: { hash: testHash('head'), joinBases: [{ certificate: testHash('head'), bits: 4, joined: 0 }] },
      offer: async (_message, _sealed, opinions) => {
        offered.push({ opinions });
        return change.offer ?? 'new';
      },
    },
    blobs: {
      announce: (ref, peer, round) => void announced.push(`${toHex(ref.hash).slice(0, 8)} ${peer} ${round}`),
      prune: (round) => void pruned.push(round),
    },
    ownKey: testHash('me'),
    // Bob is a stranger.
    admits: (key) => !bytesEqual(key, bob.publicKey),
    knows: (key) => !bytesEqual(key, bob.publicKey),
    ...change,
  });
}

const PEER = '12D3KooW-ada';

const presence = (change: Partial<MessageOf<'presence'>> = {}): MessageOf<'presence'> => ({
  kind: 'presence',
  run: run.id,
  round: 1,
  peer: PEER,
  role: 'contributor',
  state: 'training',
  adapter: '',
  tokensPerSecond: 1,
  root: testHash('root'),
  height: 1,
  ...change,
});

const claim = (name: string, size = 1000): Uint8Array =>
  encodeClaim({
    submission: { hash: testHash(name), size },
    tokens: 64,
    innerSteps: 1,
    baseRoot: testHash('root'),
    carry: null,
  });
const short = (name: string): string => toHex(testHash(name)).slice(0, 8);
const reveal = (name: string, size = 1000, round = 1): MessageOf<'reveal'> => ({
  kind: 'reveal',
  run: run.id,
  round,
  claim: claim(name, size),
  peer: 'p',
});
const commit = (name: string, sender: Uint8Array, round = 1): MessageOf<'commit'> => ({
  kind: 'commit',
  run: run.id,
  round,
  seal: sealOf(run.id, round, sender, claim(name)),
});
const opinion = (round: number): MessageOf<'opinion'> => ({
  kind: 'opinion',
  run: run.id,
  round,
  height: 0,
  heldOutLoss: 6,
  scores: [],
  refused: [],
  audits: [],
});

describe('messages that are not genuine', () => {
  test('are rejected: bytes that are none, a wrong signature, another run', async () => {
    const box = inbox();
    expect(await hear(box, new Uint8Array(50))).toBe('reject');
    const good = await seal(ada, presence());
    expect(
      await hear(
        box,
        good.map((byte, i) => (i === good.length - 1 ? byte ^ 1 : byte)),
      ),
    ).toBe('reject');
    expect(await hear(box, await seal(ada, presence({ run: testHash('other') })))).toBe('reject');
    expect(box.presences()).toEqual([]);
  });

  test('are too long for their kind, and are not even decoded', async () => {
    const body = encodeCanonical({
      ...commit('one', ada.publicKey),
      more: new Uint8Array(MAX_SEALED_BYTES.commit),
    });
    expect(await hear(inbox(), await signBytes(ada, 'commit', body))).toBe('reject');
  });

  test.each([
    ['audit', { kind: 'audit', run: run.id, round: 0, contributors: [ada.publicKey] }],
    [
      'no-certificate',
      {
        kind: 'no-certificate',
        run: run.id,
        round: 0,
        failure: null,
        passedOver: new Uint8Array(0),
        refused: [],
      },
    ],
    ['opinion', opinion(0)],
  ] as const)('a validator’s word from anybody else: %s', async (_, message) => {
    const heard: string[] = [];
    const box = inbox({
      onAudit: () => void heard.push('audit'),
      onNoCertificate: () => void heard.push('no-certificate'),
      onOpinion: () => void heard.push('opinion'),
    });
    expect(await hear(box, await seal(ada, message as Message))).toBe('reject');
    expect(heard).toEqual([]);
    expect(await hear(box, await seal(validator, message as Message))).toBe('accept');
    expect(heard).toEqual([message.kind]);
  });
});

describe('another version of the protocol', () => {
  /** An envelope begins with its version: a small unsigned integer after the array's head. */
  async function foreign(name: string): Promise<Uint8Array> {
    const signer = await testIdentity(name);
    const version = PROTOCOL_VERSION + 1;
    const body = encodeCanonical({ ...commit('one', signer.publicKey), more: 'news' });
    const signature = await signer.sign(signedBytes('commit', body, version));
    return encodeCanonical([version, signer.publicKey, signature, body]);
  }
  let told: number;
  let box: Inbox;
  beforeEach(() => {
    told = 0;
    box = inbox({ onVersion: () => told++ });
  });

  test('is told when three members speak it, once, and passed on never', async () => {
    for (const name of ['ada', 'ada', 'eve', 'eve'])
      expect(await hear(box, await foreign(name))).toBe('unwanted');
    expect(told).toBe(0);
    for (const name of ['ivy', 'una', 'ada']) expect(await hear(box, await foreign(name))).toBe('unwanted');
    expect(told).toBe(1);
  });

  test('is told when a validator speaks it', async () => {
    await hear(box, await foreign('validator'));
    expect(told).toBe(1);
  });

  test('is nothing that a stranger, a forger or four bytes can say', async () => {
    const forged = (await foreign('validator')).map((byte, i) => (i === 90 ? byte ^ 1 : byte));
    const messages = [await foreign('bob'), forged, Uint8Array.of(0x84, PROTOCOL_VERSION + 1, 0, 0)];
    for (let i = 0; i < 4; i++)
      for (const message of messages) expect(await hear(box, message)).toBe('unwanted');
    expect(told).toBe(0);
    expect(box.sizes.foreign).toBe(0);
    // Nobody listens for it: the same.
    expect(await hear(inbox(), await foreign('validator'))).toBe('unwanted');
  });
});

describe('certificates', () => {
  test('in an envelope of anybody but a validator are rejected, whatever they hold', async () => {
    const opened = await open(chain.sealed[0]);
    if (!opened.ok) throw new Error('no certificate');
    expect(await hear(inbox(), await seal(ada, opened.message))).toBe('reject');
    expect(offered).toEqual([]);
  });

  test.each([
    ['new', 'accept'],
    ['known', 'ignore'],
    ['gap', 'accept'],
    ['bad', 'reject'],
  ] as const)('%s to the chain: %s', async (offer, verdict) => {
    expect(await hear(inbox({ offer }), chain.sealed[0])).toBe(verdict);
  });

  test('come with the opinions that were heard of their round, the newest of each validator', async () => {
    const box = inbox();
    inRound(0);
    const [first, second] = [
      await seal(validator, opinion(0)),
      await seal(validator, { ...opinion(0), height: 1 }),
    ];
    await hear(box, first);
    await hear(box, second);
    await hear(box, await seal(validator, opinion(1)));
    await hear(box, chain.sealed[0]);
    expect(offered).toEqual([{ opinions: [second] }]);
    // Of rounds that are long over, or far ahead, none is kept.
    expect(await hear(box, await seal(validator, opinion(9)))).toBe('ignore');
    inRound(2);
    await hear(box, await seal(validator, opinion(2)));
    await hear(box, chain.sealed[0]);
    expect(offered[1].opinions).toHaveLength(1);
    inRound(3);
    await hear(box, await seal(validator, opinion(3)));
    await hear(box, chain.sealed[0]);
    expect(offered[2].opinions).toEqual([]);
  });
});

describe('signs of life', () => {
  test('the links that somebody listed stand until the next list', async () => {
    const box = inbox();
    await hear(box, await seal(ada, presence({ links: [['bbbbbbbb', 'direct', 5]] })));
    expect(await hear(box, await seal(ada, presence()))).toBe('accept');
    expect(box.presences()).toMatchObject([{ links: [['bbbbbbbb', 'direct', 5]] }]);
    await hear(box, await seal(ada, presence({ links: [] })));
    expect(box.presences()).toMatchObject([{ links: [] }]);
  });

  test('of another time, which anybody could send again, are ignored', async () => {
    inRound(3);
    const box = inbox();
    expect(await hear(box, await seal(ada, presence()))).toBe('ignore');
    expect(box.presences()).toEqual([]);
    expect(await hear(box, await seal(ada, presence({ round: 2 })))).toBe('accept');
    expect(box.presences()).toHaveLength(1);
  });
});

describe('strangers', () => {
  test('are shown behind the known, in a room of their own, and are passed on to nobody', async () => {
    const box = inbox();
    const me = await seal(ada, presence());
    expect(await hear(box, await seal(bob, presence()))).toBe('ignore');
    expect(await hear(box, me)).toBe('accept');
    expect(box.presences().map(({ contributor }) => contributor)).toEqual(
      [ada, bob].map(({ publicKey }) => toHex(publicKey)),
    );
  });

  test('nothing of their work is kept, passed on or fetched, in any round', async () => {
    const box = inbox();
    for (const round of [0, 1, 2]) {
      expect(await hear(box, await seal(bob, commit('one', bob.publicKey, round)))).toBe('ignore');
      expect(await hear(box, await seal(bob, reveal('one', 1000, round)))).toBe('ignore');
      const answer = { kind: 'answer', run: run.id, round, answer: encodeCanonical([]), peer: PEER } as const;
      expect(await hear(box, await seal(bob, answer))).toBe('ignore');
    }
    expect(announced).toEqual([]);
    expect(pruned).toEqual([]);
    expect(box.sizes).toMatchObject({ rounds: 0, commits: 0, wanted: 0, repeats: 0 });
  });
});

describe('a message that anybody sends again', () => {
  test('is heard and passed on once in a while', async () => {
    const asked: number[] = [];
    const box = inbox({ onAudit: ({ round }) => asked.push(round) });
    const audit = await seal(validator, {
      kind: 'audit',
      run: run.id,
      round: 1,
      contributors: [ada.publicKey],
    });
    const mine = await seal(ada, commit('one', ada.publicKey));
    for (const message of [audit, mine]) {
      expect(await box.receive(message, PEER)).toBe('accept');
      now += REPEAT_SPACING_MS - 1;
      expect(await box.receive(message, 'somebody else')).toBe('ignore');
      now += 1;
      expect(await box.receive(message, PEER)).toBe('accept');
    }
    expect(asked).toEqual([1, 1]);
    // Set back, a clock makes nobody wait.
    now -= 500_000;
    inRound(1);
    expect(await box.receive(mine, PEER)).toBe('accept');
    expect(box.sizes.repeats).toBe(1);
  });

  test('a sign of life counts only from the peer that it names', async () => {
    const box = inbox();
    const bytes = await seal(ada, presence());
    expect(await box.receive(bytes, 'somebody else')).toBe('ignore');
    expect(box.presences()).toEqual([]);
    // Nor does it make the true one a repetition.
    expect(await box.receive(bytes, PEER)).toBe('accept');
  });
});

describe('names', () => {
  const profile = { kind: 'profile', run: run.id, name: 'Ada', team: '', time: 5 } as const;

  test('are taken for this run only; a repeated one is passed on, an older one is not', async () => {
    const box = inbox();
    expect(await hear(box, await seal(ada, { ...profile, run: testHash('other') }))).toBe('reject');
    expect(await hear(box, await seal(ada, profile))).toBe('accept');
    expect(await hear(box, await seal(ada, profile))).toBe('accept');
    expect(await hear(box, await seal(ada, { ...profile, name: 'Old', time: 4 }))).toBe('ignore');
    expect(box.profiles.get(toHex(ada.publicKey))?.name).toBe('Ada');
  });

  test('of strangers are shown for a while, and neither passed on nor handed on', async () => {
    const box = inbox();
    expect(await hear(box, await seal(bob, { ...profile, name: 'Bob' }))).toBe('ignore');
    expect(box.profiles.get(toHex(bob.publicKey))?.name).toBe('Bob');
    expect(box.profiles.sealed()).toEqual([]);
  });
});

describe('joins', () => {
  test('over the newest certificate are passed on when they are worth their bits', async () => {
    const box = inbox({ admits: () => false });
    const challenge = { run: run.id, certificate: testHash('head'), contributor: ada.publicKey };
    const good = await solveJoin(challenge, 4);
    let bad = 0;
    while (joinWorks(challenge, bad, 4)) bad++;
    const join = (nonce: number, certificate = testHash('head')): Message => ({
      kind: 'join',
      run: run.id,
      certificate,
      nonce,
    });
    expect(await hear(box, await seal(ada, join(good)))).toBe('accept');
    expect(await hear(box, await seal(ada, join(bad)))).toBe('reject');
    // One that we do not have yet is not ours to judge.
    expect(await hear(box, await seal(ada, join(bad, testHash('another'))))).toBe('ignore');
    // A member need not join.
    expect(await hear(inbox(), await seal(ada, join(good)))).toBe('ignore');
  });
});

describe('work', () => {
  test('is fetched ahead: one a member and round, and again when it is revealed again', async () => {
    const box = inbox();
    for (const message of [reveal('one'), reveal('two'), reveal('one')])
      expect(await hear(box, await seal(ada, message))).toBe('accept');
    expect(announced).toEqual([`${short('one')} p 1`, `${short('one')} p 1`]);
    expect(await hear(box, await seal(ada, reveal('two', 1000, 2)))).toBe('accept');
    expect(announced).toHaveLength(3);
  });

  test('counts of members of its round only', async () => {
    const box = inbox({ admits: (_key, round) => round === 1 });
    for (const round of [0, 2]) {
      expect(await hear(box, await seal(ada, commit('one', ada.publicKey, round)))).toBe('ignore');
      expect(await hear(box, await seal(ada, reveal('one', 1000, round)))).toBe('ignore');
    }
    expect(await hear(box, await seal(ada, commit('one', ada.publicKey)))).toBe('accept');
    expect(announced).toEqual([]);
  });

  test('that is larger than any can be, or no work at all, is rejected', async () => {
    const { maxBytes } = workloadOf(run);
    const box = inbox();
    expect(await hear(box, await seal(ada, reveal('large', maxBytes + 1)))).toBe('reject');
    expect(await hear(box, await seal(ada, { ...reveal('x'), claim: encodeCanonical('x') }))).toBe('reject');
    expect(await hear(box, await seal(ada, reveal('largest', maxBytes)))).toBe('accept');
    expect(announced).toEqual([`${short('largest')} p 1`]);
  });

  test('that is not what was committed is neither fetched nor passed on', async () => {
    const box = inbox();
    expect(await hear(box, await seal(ada, commit('one', ada.publicKey)))).toBe('accept');
    expect(await hear(box, await seal(ada, reveal('two')))).toBe('ignore');
    expect(announced).toEqual([]);
    expect(await hear(box, await seal(ada, reveal('one')))).toBe('accept');
    expect(announced).toEqual([`${short('one')} p 1`]);
  });

  test('a second commit is passed on, for validators to see, and changes nothing here', async () => {
    const box = inbox();
    await hear(box, await seal(ada, commit('one', ada.publicKey)));
    expect(await hear(box, await seal(ada, commit('two', ada.publicKey)))).toBe('accept');
    expect(await hear(box, await seal(ada, reveal('two')))).toBe('ignore');
    expect(await hear(box, await seal(ada, reveal('one')))).toBe('accept');
  });

  test('has a book for each round around the present one, and no message moves on to another', async () => {
    inRound(5);
    const box = inbox();
    for (const round of [3, 7]) {
      expect(await hear(box, await seal(ada, commit('one', ada.publicKey, round)))).toBe('ignore');
      expect(await hear(box, await seal(ada, reveal('one', 1000, round)))).toBe('ignore');
    }
    for (const round of [5, 6, 4, 5, 6])
      expect(await hear(box, await seal(ada, commit('one', ada.publicKey, round)))).toBe('accept');
    expect(pruned).toEqual([5]);
    expect(announced).toEqual([]);
    expect(box.sizes).toMatchObject({ rounds: 3, commits: 3 });
    // What was committed in each is remembered for each.
    for (const round of [4, 5, 6]) {
      expect(await hear(box, await seal(ada, reveal('two', 1000, round)))).toBe('ignore');
      expect(await hear(box, await seal(ada, reveal('one', 1000, round)))).toBe('accept');
    }
    expect(announced).toEqual([4, 5, 6].map((round) => `${short('one')} p ${round}`));
    inRound(6);
    await hear(box, await seal(ada, commit('one', ada.publicKey, 7)));
    expect(box.sizes.rounds).toBe(3);
    // The own clock, set back, brings an earlier round back, and drops none that is in reach.
    inRound(5);
    expect(await hear(box, await seal(ada, reveal('two', 1000, 6)))).toBe('ignore');
    expect(pruned).toEqual([5, 6, 5]);
  });

  test('of one’s own is not fetched', async () => {
    const box = inbox({ ownKey: ada.publicKey });
    expect(await hear(box, await seal(ada, reveal('one')))).toBe('accept');
    expect(announced).toEqual([]);
    await hear(inbox({ ownKey: null }), await seal(ada, reveal('one')));
    expect(announced).toHaveLength(1);
  });

  test('of more members than one certificate can accept is not fetched ahead', async () => {
    const box = inbox();
    for (let i = 0; i < 66; i++)
      await box.receive(await seal(await testIdentity(`m${i}`), reveal(`w${i}`)), PEER);
    expect(announced).toHaveLength(64);
    inRound(2);
    await hear(box, await seal(ada, reveal('next', 1000, 2)));
    expect(announced).toHaveLength(65);
  });

  test('an answer to an audit is passed on for two rounds, and no reason to fetch', async () => {
    const box = inbox();
    const answer: Message = { kind: 'answer', run: run.id, round: 0, answer: encodeCanonical([]), peer: 'p' };
    expect(await hear(box, await seal(ada, answer))).toBe('accept');
    inRound(3);
    expect(await hear(box, await seal(ada, answer))).toBe('ignore');
    expect(announced).toEqual([]);
  });
});
