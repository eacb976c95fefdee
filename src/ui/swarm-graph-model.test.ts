/** The swarm's graph from what a tab knows, whatever is missing. */
import { describe, expect, it } from 'vitest';
import type { MemberView } from '../app/picture-state.ts';
import { judgePaths } from './path-advice.tsx';
import { swarmGraph } from './swarm-graph-model.ts';

const member = (peer: string, links: MemberView['links'] = [], name = ''): MemberView => ({
  peer,
  contributor: `key ${peer}`,
  name,
  role: 'contributor',
  tokensPerSecond: 1,
  links,
});

describe('the graph', () => {
  it('has this tab in the middle, the host on top, links told by both ends once', () => {
    const { nodes, edges } = swarmGraph({
      peerId: 'me',
      links: [
        { to: 'b', path: 'direct', rate: 5 },
        { to: 'host', path: 'host', rate: 9 },
      ],
      members: [
        member('b', [
          { to: 'me', path: 'direct', rate: 4 },
          { to: 'c', path: 'relayed', rate: 7 },
        ]),
        member('c', [{ to: 'b', path: 'relayed', rate: 8 }], 'Carla'),
      ],
    });
    expect(nodes.map(({ id, kind }) => [id, kind])).toEqual([
      ['me', 'me'],
      ['host', 'host'],
      ['b', 'linked'],
      ['c', 'heard'],
    ]);
    expect(nodes[3].label).toBe('Carla');
    expect(nodes[1].y).toBeLessThan(0);
    expect(edges).toEqual([
      { from: 'me', to: 'b', path: 'direct', rate: 5, own: true },
      { from: 'me', to: 'host', path: 'host', rate: 9, own: true },
      { from: 'c', to: 'b', path: 'relayed', rate: 8, own: false },
    ]);
  });

  it('stays within the disc and draws no link without ends, however many there are', () => {
    const members = Array.from({ length: 300 }, (_, i) =>
      member(`p${i}`, [{ to: `p${(i * 7) % 300}`, path: 'direct', rate: i }]),
    );
    const { nodes, edges } = swarmGraph({ peerId: 'me', links: [], members });
    expect(nodes.length).toBeLessThanOrEqual(81);
    const ids = new Set(nodes.map(({ id }) => id));
    for (const { from, to } of edges) expect(ids.has(from) && ids.has(to)).toBe(true);
    for (const { x, y } of nodes) expect(Math.hypot(x, y)).toBeLessThanOrEqual(1);
  });

  it('is this tab alone when nobody is known', () => {
    expect(swarmGraph({ peerId: null, links: [], members: [] })).toMatchObject({
      nodes: [{ kind: 'me' }],
      edges: [],
    });
  });
});

it('paths are judged by the links to other tabs; the host’s own does not count', () => {
  const of = (...paths: ('direct' | 'relayed' | 'host')[]) => judgePaths(paths.map((path) => ({ path })));
  expect(of()).toBe('alone');
  expect(of('host')).toBe('alone');
  expect(of('host', 'direct', 'direct')).toBe('all-direct');
  expect(of('direct', 'relayed')).toBe('some-relayed');
  expect(of('host', 'relayed')).toBe('none-direct');
});
