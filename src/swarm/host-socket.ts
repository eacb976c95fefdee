/**
 * libp2p's WebSocket transport for hosts below a path (`https://example.org/app/`). A multiaddr can say the path, but
 * libp2p's matchers do not know it there, and neither do relayed addresses that are made of it. So the swarm knows hosts
 * by their plain multiaddr, and only the dial puts the path in.
 */
import type { Connection, MultiaddrConnection, Transport } from '@libp2p/interface';
import { webSockets, type WebSocketsComponents } from '@libp2p/websockets';
import { multiaddr } from '@multiformats/multiaddr';

/** `paths`: by plain multiaddr of a host, its part `/http-path/…`. */
export function webSocketsBelow(paths: ReadonlyMap<string, string>) {
  if (paths.size === 0) return webSockets();
  return (components: WebSocketsComponents): Transport => {
    const inner: Transport = webSockets()(components);
    const dial = inner.dial.bind(inner);
    inner.dial = async (address, options): Promise<Connection> => {
      const plain = address.toString();
      const path = paths.get(plain);
      if (path === undefined) return dial(address, options);
      const { upgrader } = options;
      const upgradeOutbound: typeof upgrader.upgradeOutbound = (connection: MultiaddrConnection, how) => {
        connection.remoteAddr = address;
        return upgrader.upgradeOutbound(connection, how);
      };
      // The WebSocket transport asks nothing else of the upgrader.
      const renaming = new Proxy(upgrader, {
        get: (of, name) => (name === 'upgradeOutbound' ? upgradeOutbound : Reflect.get(of, name, of)),
      });
      const below = multiaddr(plain.replace(/\/p2p\/[^/]+$/, (peer) => `${path}${peer}`));
      return dial(below, { ...options, upgrader: renaming });
    };
    return inner;
  };
}
