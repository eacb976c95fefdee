/** What gossip brings: what is passed on, what is refused, what is fetched ahead, and what reaches the chain and the page. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Offer } from '../chain/follower.ts';
import { testChain, type TestChain } from '../chain/testing.ts';
import { toHex } from '../protocol/bytes.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import { open, seal } from '../protocol/envelope.ts';
import { joinWorks, solveJoin } from '../protocol/join.ts';
import type { Message, MessageOf } from '../protocol/messages.ts';
import { sealOf } from '../protocol/seal.ts';
import { testHash, testIdentity } from '../protocol/testing.ts';
import type { Clock } from '../protocol/timer.ts';
import { encodeClaim } from '../work/pretrain/claim.ts';
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
      head: { hash: testHash('head'), joinBits: 4 },
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
    fetchesFrom: () => true,
    ...change,
  });
}

const presence = (change: Partial<MessageOf<'presence'>> = {}): MessageOf<'presence'> => ({
  kind: 'presence',
  run: run.id,
  round: 1,
  peer: '12D3KooW-ada',
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
    expect(await box.receive(new Uint8Array(50))).toBe('reject');
    const good = await seal(ada, presence());
    expect(await box.receive(good.map((byte, i) => (i === good.length - 1 ? byte ^ 1 : byte)))).toBe(
      'reject',
    );
    expect(await box.receive(await seal(ada, presence({ run: testHash('other') })))).toBe('reject');
    expect(box.presences()).toEqual([]);
  });

  test('of another protocol version are told, and not passed on', async () => {
    let told = 0;
    const box = inbox({ onVersion: () => told++ });
    const good = await seal(ada, presence());
    // An envelope begins with its version: a small unsigned integer after the array's head.
    const other = good.slice();
    other[1] = other[1] + 1;
    expect((await open(other)).ok).toBe(false);
    expect(await box.receive(other)).toBe('ignore');
    expect(told).toBe(1);
    expect(await inbox().receive(other)).toBe('ignore');
  });

  test.each([
    ['audit', { kind: 'audit', run: run.id, round: 0, contributors: [ada.publicKey] }],
    ['no-certificate', { kind: 'no-certificate', run: run.id, round: 0, refused: [] }],
    ['opinion', opinion(0)],
  ] as const)('a validator’s word from anybody else: %s', async (_, message) => {
    const heard: string[] = [];
    const box = inbox({
      onAudit: () => void heard.push('audit'),
      onNoCertificate: () => void heard.push('no-certificate'),
      onOpinion: () => void heard.push('opinion'),
    });
    expect(await box.receive(await seal(ada, message as Message))).toBe('reject');
    expect(heard).toEqual([]);
    expect(await box.receive(await seal(validator, message as Message))).toBe('accept');
    expect(heard).toEqual([message.kind]);
  });
});

describe('certificates', () => {
  test.each([
    ['new', 'accept'],
    ['known', 'ignore'],
    ['gap', 'accept'],
    ['bad', 'reject'],
  ] as const)('%s to the chain: %s', async (offer, verdict) => {
    expect(await inbox({ offer }).receive(chain.sealed[0])).toBe(verdict);
  });

  test('come with the opinions that were heard of their round, the newest of each validator', async () => {
    const box = inbox();
    inRound(0);
    const [first, second] = [
      await seal(validator, opinion(0)),
      await seal(validator, { ...opinion(0), height: 1 }),
    ];
    await box.receive(first);
    await box.receive(second);
    await box.receive(await seal(validator, opinion(1)));
    await box.receive(chain.sealed[0]);
    expect(offered).toEqual([{ opinions: [second] }]);
    // Of rounds that are long over, or far ahead, none is kept.
    expect(await box.receive(await seal(validator, opinion(9)))).toBe('ignore');
    inRound(2);
    await box.receive(await seal(validator, opinion(2)));
    await box.receive(chain.sealed[0]);
    expect(offered[1].opinions).toHaveLength(1);
    inRound(3);
    await box.receive(await seal(validator, opinion(3)));
    await box.receive(chain.sealed[0]);
    expect(offered[2].opinions).toEqual([]);
  });
});

describe('signs of life', () => {
  test('the links that somebody listed stand until the next list', async () => {
    const box = inbox();
    await box.receive(await seal(ada, presence({ links: [['bbbbbbbb', 'direct', 5]] })));
    expect(await box.receive(await seal(ada, presence()))).toBe('accept');
    expect(box.presences()).toMatchObject([{ links: [['bbbbbbbb', 'direct', 5]] }]);
    await box.receive(await seal(ada, presence({ links: [] })));
    expect(box.presences()).toMatchObject([{ links: [] }]);
  });

  test('of another time, which anybody could send again, are ignored', async () => {
    inRound(3);
    const box = inbox();
    expect(await box.receive(await seal(ada, presence()))).toBe('ignore');
    expect(box.presences()).toEqual([]);
    expect(await box.receive(await seal(ada, presence({ round: 2 })))).toBe('accept');
    expect(box.presences()).toHaveLength(1);
  });
});

describe('names', () => {
  const profile = { kind: 'profile', run: run.id, name: 'Ada', team: '', time: 5 } as const;

  test('are taken for this run only; a repeated one is passed on, an older one is not', async () => {
    const box = inbox();
    expect(await box.receive(await seal(ada, { ...profile, run: testHash('other') }))).toBe('reject');
    expect(await box.receive(await seal(ada, profile))).toBe('accept');
    expect(await box.receive(await seal(ada, profile))).toBe('accept');
    expect(await box.receive(await seal(ada, { ...profile, name: 'Old', time: 4 }))).toBe('ignore');
    expect(box.profiles.get(toHex(ada.publicKey))?.name).toBe('Ada');
  });

  test('that are not kept are passed on', async () => {
    const box = inbox({ keepsName: () => false });
    expect(await box.receive(await seal(ada, profile))).toBe('accept');
    expect(box.profiles.get(toHex(ada.publicKey))).toBeNull();
  });
});

describe('joins', () => {
  test('over the newest certificate are passed on when they are worth their bits', async () => {
    const box = inbox();
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
    expect(await box.receive(await seal(ada, join(good)))).toBe('accept');
    expect(await box.receive(await seal(ada, join(bad)))).toBe('reject');
    // One that we do not have yet is not ours to judge.
    expect(await box.receive(await seal(ada, join(bad, testHash('another'))))).toBe('ignore');
  });
});

describe('work', () => {
  test('is fetched ahead: one a member and round, and again when it is revealed again', async () => {
    const box = inbox({ fetchesFrom: (contributor) => toHex(contributor) === toHex(ada.publicKey) });
    for (const message of [reveal('one'), reveal('two'), reveal('one')])
      expect(await box.receive(await seal(ada, message))).toBe('accept');
    expect(await box.receive(await seal(bob, reveal('stranger')))).toBe('accept');
    expect(announced).toEqual([`${short('one')} p 1`, `${short('one')} p 1`]);
    expect(await box.receive(await seal(ada, reveal('two', 1000, 2)))).toBe('accept');
    expect(announced).toHaveLength(3);
  });

  test('that is larger than any can be, or no work at all, is rejected', async () => {
    const { maxBytes } = workloadOf(run);
    const box = inbox();
    expect(await box.receive(await seal(ada, reveal('large', maxBytes + 1)))).toBe('reject');
    expect(await box.receive(await seal(ada, { ...reveal('x'), claim: encodeCanonical('x') }))).toBe(
      'reject',
    );
    expect(await box.receive(await seal(ada, reveal('largest', maxBytes)))).toBe('accept');
    expect(announced).toEqual([`${short('largest')} p 1`]);
  });

  test('that is not what was committed is neither fetched nor passed on', async () => {
    const box = inbox();
    expect(await box.receive(await seal(ada, commit('one', ada.publicKey)))).toBe('accept');
    expect(await box.receive(await seal(ada, reveal('two')))).toBe('ignore');
    expect(announced).toEqual([]);
    expect(await box.receive(await seal(ada, reveal('one')))).toBe('accept');
    expect(announced).toEqual([`${short('one')} p 1`]);
  });

  test('a second commit is passed on, for validators to see, and changes nothing here', async () => {
    const box = inbox();
    await box.receive(await seal(ada, commit('one', ada.publicKey)));
    expect(await box.receive(await seal(ada, commit('two', ada.publicKey)))).toBe('accept');
    expect(await box.receive(await seal(ada, reveal('two')))).toBe('ignore');
    expect(await box.receive(await seal(ada, reveal('one')))).toBe('accept');
  });

  test('of another round is old news; one round ahead it begins the next', async () => {
    inRound(5);
    const box = inbox();
    for (const round of [3, 7]) {
      expect(await box.receive(await seal(ada, commit('one', ada.publicKey, round)))).toBe('ignore');
      expect(await box.receive(await seal(ada, reveal('one', 1000, round)))).toBe('ignore');
    }
    expect(await box.receive(await seal(ada, commit('one', ada.publicKey, 5)))).toBe('accept');
    expect(await box.receive(await seal(ada, commit('one', ada.publicKey, 6)))).toBe('accept');
    expect(await box.receive(await seal(ada, commit('one', ada.publicKey, 5)))).toBe('ignore');
    expect(pruned).toEqual([5, 6]);
    expect(announced).toEqual([]);
  });

  test('of one’s own is not fetched', async () => {
    const box = inbox({ ownKey: ada.publicKey });
    expect(await box.receive(await seal(ada, reveal('one')))).toBe('accept');
    expect(announced).toEqual([]);
    await inbox({ ownKey: null }).receive(await seal(ada, reveal('one')));
    expect(announced).toHaveLength(1);
  });

  test('of more members than one certificate can accept is not fetched ahead', async () => {
    const box = inbox();
    for (let i = 0; i < 66; i++) await box.receive(await seal(await testIdentity(`m${i}`), reveal(`w${i}`)));
    expect(announced).toHaveLength(64);
    inRound(2);
    await box.receive(await seal(ada, reveal('next', 1000, 2)));
    expect(announced).toHaveLength(65);
  });

  test('an answer to an audit is passed on for two rounds, and no reason to fetch', async () => {
    const box = inbox();
    const answer: Message = { kind: 'answer', run: run.id, round: 0, answer: encodeCanonical([]), peer: 'p' };
    expect(await box.receive(await seal(ada, answer))).toBe('accept');
    inRound(3);
    expect(await box.receive(await seal(ada, answer))).toBe('ignore');
    expect(announced).toEqual([]);
  });
});
