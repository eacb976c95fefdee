/** The swarm as nodes and edges in a unit disc: this tab in the middle, linked peers around it, others further out. */
import type { MemberView, SwarmLink } from '../app/picture-state.ts';
import type { AppState } from '../app/state.ts';
import type { LinkPath } from '../swarm/types.ts';
import * as format from './format.ts';

export type NodeKind = 'me' | 'host' | 'linked' | 'heard';

export interface GraphNode {
  readonly id: string;
  readonly kind: NodeKind;
  /** Name or short id. */
  readonly label: string;
  /** Watches or has not said: drawn hollow. */
  readonly idle: boolean;
  /** Within the unit disc. */
  readonly x: number;
  readonly y: number;
}

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  readonly path: LinkPath;
  /** Bytes a second. */
  readonly rate: number;
  readonly own: boolean;
}

export interface SwarmGraphModel {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

/** More than these would be a ball of wool. */
const MAX_OTHERS = 80;
const INNER = 0.62;
const OUTER = 0.94;

type Input = Pick<AppState, 'peerId' | 'links' | 'members'>;

export function swarmGraph({ peerId, links, members }: Input): SwarmGraphModel {
  const me = peerId ?? '';
  const byPeer = new Map(members.map((member) => [member.peer, member]));
  const linked = links.map(({ to }) => to).sort();
  const known = new Set(linked);
  const heard = members.map(({ peer }) => peer).filter((peer) => !known.has(peer) && peer !== me);
  const hosts = new Set(links.filter(({ path }) => path === 'host').map(({ to }) => to));
  const inner = [...hosts, ...linked.filter((peer) => !hosts.has(peer))].slice(0, MAX_OTHERS);
  const outer = heard.sort().slice(0, MAX_OTHERS - inner.length);

  const nodes: GraphNode[] = [
    { id: me, kind: 'me', label: '', idle: false, x: 0, y: 0 },
    ...ring(inner, INNER, 0).map(({ id, x, y }) => ({
      id,
      x,
      y,
      kind: hosts.has(id) ? ('host' as const) : ('linked' as const),
      ...described(byPeer.get(id), id),
    })),
    // Half a step further round, so that they stand in the gaps of the inner ring.
    ...ring(outer, OUTER, 0.5).map(({ id, x, y }) => ({
      id,
      x,
      y,
      kind: 'heard' as const,
      ...described(byPeer.get(id), id),
    })),
  ];
  const drawn = new Set(nodes.map(({ id }) => id));
  const own = links.map((link) => edge(me, link, true));
  return {
    nodes,
    edges: [...own, ...othersEdges(members, me)].filter(({ from, to }) => drawn.has(from) && drawn.has(to)),
  };
}

const described = (member: MemberView | undefined, peer: string) => ({
  label: member !== undefined && member.name !== '' ? member.name : format.shortPeer(peer),
  idle: member?.role !== 'contributor',
});

const edge = (from: string, { to, path, rate }: SwarmLink, own: boolean): GraphEdge => ({
  from,
  to,
  path,
  rate,
  own,
});

/** Links that others told of, each pair once; two ends may see different rates, and the larger has seen more. */
function othersEdges(members: readonly MemberView[], me: string): GraphEdge[] {
  const pairs = new Map<string, GraphEdge>();
  for (const { peer, links } of members) {
    for (const link of links) {
      if (link.to === me) continue;
      const key = [peer, link.to].sort().join(' ');
      const known = pairs.get(key);
      if (known === undefined || link.rate > known.rate) pairs.set(key, edge(peer, link, false));
    }
  }
  return [...pairs.values()];
}

/** Evenly around a circle, the first at the top; `shift` in steps. */
function ring(ids: readonly string[], radius: number, shift: number) {
  return ids.map((id, i) => {
    const angle = ((i + shift) / ids.length) * 2 * Math.PI - Math.PI / 2;
    return { id, x: radius * Math.cos(angle), y: radius * Math.sin(angle) };
  });
}
