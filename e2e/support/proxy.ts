/** A proxy between tabs and a host that passes HTTP and, only while it is told to, WebSockets. */
import { createServer, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

export interface Proxy {
  readonly url: string;
  passSockets: boolean;
  /** WebSockets that it refused. */
  refused: number;
  stop(): void;
}

export async function startProxy(target: number): Promise<Proxy> {
  const server = createServer((incoming, answer) => {
    const onward = request(
      { port: target, path: incoming.url, method: incoming.method, headers: incoming.headers },
      (came) => {
        answer.writeHead(came.statusCode ?? 502, came.headers);
        came.pipe(answer);
      },
    );
    onward.on('error', () => answer.destroy());
    incoming.pipe(onward);
  });
  server.on('upgrade', (incoming, socket, head) => {
    socket.on('error', () => {});
    if (!proxy.passSockets) {
      proxy.refused++;
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      return;
    }
    const onward = connect(target, '127.0.0.1', () => {
      const lines = Object.entries(incoming.headers).map(([name, value]) => `${name}: ${String(value)}`);
      onward.write(`GET ${incoming.url ?? '/'} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const proxy: Proxy = {
    url: `http://localhost:${port}`,
    passSockets: false,
    refused: 0,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return proxy;
}
