/** What gossip says of others, as far as the picture of the swarm uses it. */
import { expect, it } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { seal } from '../protocol/envelope.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';
import { Follower } from '../app/follower.ts';
import { HostClient } from '../app/host-client.ts';
import { Inbox, type InboxOptions } from './inbox.ts';
import { Submissions } from './submissions.ts';
import { MemoryNetwork } from '../app/testing.ts';

const run = testHash('run');

function inbox(change: Partial<InboxOptions> = {}): Inbox {
  const swarm = new MemoryNetwork().join('me');
  const manifest = testManifest(testHash('organizer'), []);
  const submissions = new Submissions(swarm);
  const sources = { host: new HostClient('http://localhost'), swarm, onCorrupt: () => {} };
  return new Inbox({
    manifest,
    runId: run,
    chain: new Follower({ manifest, runId: run, sources, submissions, onHead: () => {} }),
    submissions,
    ownKey: testHash('me'),
    round: () => 1,
    onNoCertificate: () => {},
    fetchesFrom: () => true,
    onAudit: () => {},
    onGap: () => {},
    onVersion: () => {},
    ...change,
  });
}

const presence = (links?: MessageOf<'presence'>['links'], of = run): MessageOf<'presence'> => ({
  kind: 'presence',
  run: of,
  round: 1,
  peer: '12D3KooW-ada',
  role: 'contributor',
  state: 'training',
  adapter: '',
  tokensPerSecond: 1,
  root: testHash('root'),
  height: 1,
  ...(links !== undefined && { links }),
});

it('keeps the links that somebody listed until the next list', async () => {
  const ada = await testIdentity('ada');
  const box = inbox();
  await box.receive(await seal(ada, presence([['bbbbbbbb', 'direct', 5]])));
  expect(await box.receive(await seal(ada, presence()))).toBe('accept');
  expect(box.presences()).toMatchObject([{ links: [['bbbbbbbb', 'direct', 5]] }]);
  await box.receive(await seal(ada, presence([])));
  expect(box.presences()).toMatchObject([{ links: [] }]);
});

it('ignores a sign of life of another time, which anybody could send again', async () => {
  const ada = await testIdentity('ada');
  const box = inbox({ round: () => 3 });
  expect(await box.receive(await seal(ada, presence()))).toBe('ignore');
  expect(box.presences()).toEqual([]);
  expect(await box.receive(await seal(ada, { ...presence(), round: 2 }))).toBe('accept');
  expect(box.presences()).toHaveLength(1);
});

it('fetches ahead one submission a member and round, as large as one can be, and again when it is revealed again', async () => {
  const [ada, bob] = [await testIdentity('ada'), await testIdentity('bob')];
  const announced: string[] = [];
  const box = inbox({
    submissions: { announce: ({ hash }) => void announced.push(toHex(hash)), prune: () => {} },
    fetchesFrom: (contributor) => toHex(contributor) === toHex(ada.publicKey),
  });
  const reveal = (name: string, size = 1000, round = 1) =>
    ({ kind: 'reveal', run, round, submission: { hash: testHash(name), size }, peer: 'p' }) as const;
  expect(await box.receive(await seal(ada, reveal('large', 1 << 30)))).toBe('reject');
  for (const message of [reveal('one'), reveal('two'), reveal('one')])
    expect(await box.receive(await seal(ada, message))).toBe('accept');
  expect(await box.receive(await seal(bob, reveal('stranger')))).toBe('accept');
  expect(announced).toEqual([toHex(testHash('one')), toHex(testHash('one'))]);
  expect(await box.receive(await seal(ada, reveal('two', 1000, 2)))).toBe('accept');
  expect(announced).toHaveLength(3);
});

it('takes names for this run only, and passes a repeated one on', async () => {
  const ada = await testIdentity('ada');
  const box = inbox();
  const profile = { kind: 'profile', run, name: 'Ada', team: '', time: 5 } as const;
  expect(await box.receive(await seal(ada, { ...profile, run: testHash('other') }))).toBe('reject');
  expect(await box.receive(await seal(ada, profile))).toBe('accept');
  expect(await box.receive(await seal(ada, profile))).toBe('accept');
  expect(await box.receive(await seal(ada, { ...profile, name: 'Old', time: 4 }))).toBe('ignore');
  expect(box.profiles.get(toHex(ada.publicKey))?.name).toBe('Ada');
});
