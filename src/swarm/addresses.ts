/** Where peers are: the host's multiaddr as seen from the page, and which path a connection takes. */
import type { Connection } from '@libp2p/interface';
import type { LinkPath } from './types.ts';

/**
 * Multiaddr of the host's WebSocket, which shares its address with the page: `http://127.0.0.1:8080/` gives
 * `/ip4/127.0.0.1/tcp/8080/ws/p2p/ID`, `https://example.org/` gives `/dns/example.org/tcp/443/tls/ws/p2p/ID`, and
 * `https://example.org/app/` gives `/dns/example.org/tcp/443/tls/ws/http-path/app%2Fswarm/p2p/ID`: a proxy that
 * serves the page below a path passes on what is below that path. The page's address ends in a slash or in a file.
 * Throws TypeError when `pageUrl` is no URL.
 */
export function hostMultiaddr(pageUrl: string | URL, hostPeerId: string): string {
  const url = new URL(pageUrl);
  const secure = url.protocol === 'https:' || url.protocol === 'wss:';
  const host = url.hostname;
  const name = host.startsWith('[')
    ? `/ip6/${host.slice(1, -1)}`
    : /^\d+\.\d+\.\d+\.\d+$/.test(host)
      ? `/ip4/${host}`
      : `/dns/${host}`;
  const port = url.port === '' ? (secure ? '443' : '80') : url.port;
  const folder = url.pathname.replace(/[^/]*$/, '');
  const path = folder === '/' ? '' : `/http-path/${encodeURIComponent(`${folder.slice(1)}${SOCKET_NAME}`)}`;
  return `${name}/tcp/${port}${secure ? '/tls/ws' : '/ws'}${path}/p2p/${hostPeerId}`;
}

/** Of the WebSocket below a path. A host takes upgrades under any name; libp2p cannot say a path that ends in a slash. */
const SOCKET_NAME = 'swarm';

/** The path in a host's multiaddr, as it stands there, and the multiaddr without it, as libp2p's matchers want it. */
export function splitPath(address: string): { readonly plain: string; readonly path: string | null } {
  const path = /\/http-path\/[^/]+/.exec(address)?.[0] ?? null;
  return { plain: path === null ? address : address.replace(path, ''), path };
}

/** Peer id at the end of a multiaddr. Throws TypeError when there is none. */
export function peerIdOf(address: string): string {
  const id = /\/p2p\/([A-Za-z0-9]+)$/.exec(address)?.[1];
  if (id === undefined) throw new TypeError(`a host address must end in /p2p/PEER-ID, got "${address}"`);
  return id;
}

/** The path of one connection. Relayed ones carry libp2p's limits; direct ones are WebRTC; what is left is WebSocket. */
export function pathOf(connection: Connection): LinkPath {
  if (connection.limits !== undefined) return 'relayed';
  const address = connection.remoteAddr.toString();
  if (/\/webrtc(\/|$)/.test(address)) return 'direct';
  return address.includes('/p2p-circuit') ? 'relayed' : 'host';
}

/** True for connections that may carry bulk and gossip. */
export const isUsable = (connection: Connection): boolean =>
  connection.status === 'open' && pathOf(connection) !== 'relayed';
