/** A proxy between tabs and a host: passes HTTP and, while it is told to, WebSockets; at the root or below a path. */
import { createServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

export interface Proxy {
  readonly url: string;
  /** Port of the host; may be set later. */
  target: number;
  passSockets: boolean;
  /** WebSockets that it refused. */
  refused: number;
  stop(): void;
}

export interface ProxyOptions {
  readonly target?: number;
  /** Default: a free one. */
  readonly port?: number;
  /** The path to ask the host for; null: this is another site. Default: the same. */
  readonly pathOf?: (url: string) => string | null;
}

export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { pathOf = (url: string) => url } = options;
  const headersOf = (incoming: IncomingMessage) => ({
    ...incoming.headers,
    'x-forwarded-for': incoming.socket.remoteAddress ?? '',
  });
  const server = createServer((incoming, answer) => {
    const path = pathOf(incoming.url ?? '/');
    if (path === null) return void answer.writeHead(404).end('another site');
    const { method } = incoming;
    const onward = request(
      { port: proxy.target, host: '127.0.0.1', path, method, headers: headersOf(incoming) },
      (came) => {
        answer.writeHead(came.statusCode ?? 502, came.headers);
        came.pipe(answer);
      },
    );
    onward.on('error', () => answer.destroy());
    incoming.pipe(onward);
  });
  server.on('upgrade', (incoming, socket, head) => {
    socket.on('error', () => socket.destroy());
    const path = pathOf(incoming.url ?? '/');
    if (path === null) return void socket.destroy();
    if (!proxy.passSockets) {
      proxy.refused++;
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      return;
    }
    const onward = connect(proxy.target, '127.0.0.1', () => {
      const lines = Object.entries(headersOf(incoming)).map(([name, value]) => `${name}: ${String(value)}`);
      onward.write(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    socket.on('error', () => onward.destroy());
    onward.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const proxy: Proxy = {
    url: `http://localhost:${port}`,
    target: options.target ?? 0,
    passSockets: false,
    refused: 0,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return proxy;
}
