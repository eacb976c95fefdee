/** The picture of the swarm from what others say of themselves. */
import { expect, it } from 'vitest';
import { testHash } from '../protocol/testing.ts';
import type { Presence } from '../swarm/presences.ts';
import { membersOf } from './swarm-picture.ts';

const presence = (peer: string, links: NonNullable<Presence['links']>): Presence => ({
  kind: 'presence',
  run: testHash('run'),
  round: 1,
  peer,
  role: 'contributor',
  state: 'training',
  adapter: '',
  tokensPerSecond: 10,
  root: testHash('root'),
  height: 1,
  links,
  contributor: `key of ${peer}`,
  heardAt: 0,
});

it('draws links only between those it knows, and never to oneself', () => {
  const members = membersOf(
    [
      presence('12D3KooW-bbbbbbbb', [
        ['aaaaaaaa', 'direct', 100],
        ['bbbbbbbb', 'direct', 1],
        ['zzzzzzzz', 'relayed', 5],
      ]),
      presence('12D3KooW-aaaaaaaa', [['meeeeeee', 'relayed', 7]]),
      presence('12D3KooW-meeeeeee', []),
    ],
    '12D3KooW-meeeeeee',
    { get: (key) => (key.endsWith('aaaaaaaa') ? { name: 'Ada' } : null) },
  );
  expect(members.map(({ peer, name, links }) => ({ peer, name, links }))).toEqual([
    {
      peer: '12D3KooW-aaaaaaaa',
      name: 'Ada',
      links: [{ to: '12D3KooW-meeeeeee', path: 'relayed', rate: 7 }],
    },
    {
      peer: '12D3KooW-bbbbbbbb',
      name: '',
      links: [{ to: '12D3KooW-aaaaaaaa', path: 'direct', rate: 100 }],
    },
  ]);
});
