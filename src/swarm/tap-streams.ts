/**
 * Counts the bytes of one libp2p service's streams, by handing the service a registrar that shows them to us first.
 *
 * libp2p's own hook, `node.use(protocol, middleware)`, cannot be used: at 3.3.11 every inbound stream appends its
 * handler to the registered array, so the second stream is handled twice, the third three times.
 */
import type { Connection, Stream, StreamMessageEvent } from '@libp2p/interface';
import type { GossipSubComponents } from '@libp2p/gossipsub';
import type { Direction } from './types.ts';

type Registrar = GossipSubComponents['registrar'];
export type StreamTap = (connection: Connection, direction: Direction, bytes: number, stream: Stream) => void;

/** The same components with a registrar that taps every stream of the service that gets them. */
export function tapService<C extends { registrar: Registrar }>(components: C, tap: StreamTap): C {
  const registrar = tapRegistrar(components.registrar, tap);
  return new Proxy(components, {
    get: (target, key) => (key === 'registrar' ? registrar : (Reflect.get(target, key, target) as unknown)),
  });
}

function tapRegistrar(inner: Registrar, tap: StreamTap): Registrar {
  const handle: Registrar['handle'] = (protocol, handler, options) =>
    inner.handle(
      protocol,
      (stream, connection) => {
        tapStream(stream, (direction, bytes) => tap(connection, direction, bytes, stream));
        return handler(stream, tapConnection(connection, tap));
      },
      options,
    );
  const register: Registrar['register'] = (protocol, topology, options) =>
    inner.register(
      protocol,
      {
        ...topology,
        onConnect: (peer, connection) => topology.onConnect?.(peer, tapConnection(connection, tap)),
      },
      options,
    );
  return new Proxy(inner, {
    get(target, key) {
      if (key === 'handle') return handle;
      if (key === 'register') return register;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function tapConnection(inner: Connection, tap: StreamTap): Connection {
  const newStream: Connection['newStream'] = async (protocols, options) => {
    const stream = await inner.newStream(protocols, options);
    tapStream(stream, (direction, bytes) => tap(inner, direction, bytes, stream));
    return stream;
  };
  return new Proxy(inner, {
    get(target, key) {
      if (key === 'newStream') return newStream;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/**
 * Reports every byte that a stream sends or receives. It wraps the two methods all data passes through instead of
 * listening to `message`: a listener would set the stream flowing before its real reader is attached.
 */
export function tapStream(stream: Stream, report: (direction: Direction, bytes: number) => void): void {
  const send = stream.send.bind(stream);
  stream.send = (data) => {
    report('out', data.byteLength);
    return send(data);
  };
  const dispatch = stream.dispatchEvent.bind(stream);
  stream.dispatchEvent = (event: Event) => {
    if (event.type === 'message') report('in', (event as StreamMessageEvent).data.byteLength);
    return dispatch(event);
  };
}
