/**
 * What a stranger brings: an address of its own on the loopback, keys that cost nothing, raw sockets, and libp2p nodes that
 * do no more than they must.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Connection } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import type { Libp2p } from 'libp2p';
import { pause } from '../../src/swarm/pause.ts';
import { createPeerNode, type PeerNode } from '../../src/swarm/peer-node.ts';
import { createStrangerNode } from '../../src/swarm/testing.ts';

/** The attacker's, which honest tabs do not share. All of 127/8 is loopback on Linux; elsewhere it has to be set up. */
export const ATTACKER = '127.0.0.66';

const HOP = '/libp2p/circuit/relay/0.2.0/hop';
const STOP = '/libp2p/circuit/relay/0.2.0/stop';
/** Messages of circuit relay v2, written by hand: RESERVE, and the answer OK to a request to connect. */
const RESERVE = new Uint8Array([0x08, 0]);
const STOP_OK = new Uint8Array([0x08, 1, 0x20, 100]);

export interface Aim {
  readonly port: number;
  readonly hostId: string;
  readonly topic: string;
}

export class Attacker {
  readonly aim: Aim;
  readonly #forwarder: Server;
  readonly #port: number;
  readonly #address: string | undefined;
  readonly #open = new Set<Socket>();
  readonly #nodes = new Set<{ stop(): unknown }>();

  private constructor(aim: Aim, forwarder: Server, port: number, address: string | undefined) {
    this.aim = aim;
    this.#forwarder = forwarder;
    this.#port = port;
    this.#address = address;
  }

  /** libp2p cannot choose the address that it comes from, so its connections go through a forwarder that does. */
  static async start(aim: Aim): Promise<Attacker> {
    const address = await usable(aim.port);
    const forwarder = createServer((from) => {
      const to = connect({ port: aim.port, host: '127.0.0.1', localAddress: address });
      for (const [socket, other] of [
        [from, to],
        [to, from],
      ] as const) {
        socket.on('error', () => other.destroy());
        socket.on('close', () => other.destroy());
      }
      from.pipe(to).pipe(from);
    });
    await new Promise<void>((resolve) => forwarder.listen(0, '127.0.0.1', resolve));
    const bound = forwarder.address();
    if (bound === null || typeof bound === 'string') throw new Error('the forwarder has no port');
    return new Attacker(aim, forwarder, bound.port, address);
  }

  /** A raw connection to the host's port. */
  socket(): Socket {
    const socket = connect({ port: this.aim.port, host: '127.0.0.1', localAddress: this.#address });
    this.#open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#open.delete(socket));
    return socket;
  }

  get relay(): string {
    return `/ip4/127.0.0.1/tcp/${this.#port}/ws/p2p/${this.aim.hostId}`;
  }

  /** A new key on a bare node. */
  async key(): Promise<Libp2p> {
    const node = await createStrangerNode();
    this.#nodes.add(node);
    return node;
  }

  /** A new key in the run's gossip, with the client that tabs have. Null: the host did not let it in soon. */
  async gossiper(signal: AbortSignal): Promise<PeerNode | null> {
    const node = await createPeerNode({ relays: [this.relay], topic: this.aim.topic }, null);
    this.#nodes.add(node);
    for (let waited = 0; waited < 5000 && !signal.aborted; waited += 100) {
      if (node.hostState === 'connected' && (await node.publish(new Uint8Array([0]))) > 0) return node;
      await pause(100, signal);
    }
    await this.end(node);
    return null;
  }

  async end(node: { stop(): unknown }): Promise<void> {
    this.#nodes.delete(node);
    await node.stop();
  }

  /** Ends all that is open. */
  async stop(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await Promise.allSettled([...this.#nodes].map((node) => node.stop()));
    this.#nodes.clear();
  }

  async close(): Promise<void> {
    await this.stop();
    await new Promise((resolve) => this.#forwarder.close(resolve));
  }
}

/** The attacker's address where this machine has it, else undefined: then it shares the tabs' own. */
async function usable(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: ATTACKER }, () => {
      socket.destroy();
      resolve(ATTACKER);
    });
    socket.on('error', () => resolve(undefined));
  });
}

export const dial = (node: Libp2p, relay: string, signal: AbortSignal): Promise<Connection> =>
  node.dial(multiaddr(relay), { signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]) });

/** Asks for a reservation; false when it is refused. */
export async function reserve(connection: Connection, signal: AbortSignal): Promise<boolean> {
  const stream = await connection.newStream(HOP, { signal });
  const lp = lpStream(stream);
  await lp.write(RESERVE, { signal });
  const answer = (await lp.read({ signal })).subarray();
  stream.abort(new Error('done'));
  return answer.at(-2) === 0x28 && answer.at(-1) === 100;
}

/** Answers every request to connect through the relay, and reads what comes. */
export async function acceptRelayed(node: Libp2p): Promise<void> {
  await node.handle(STOP, async (stream) => {
    const lp = lpStream(stream);
    await lp.read();
    await lp.write(STOP_OK);
    lp.unwrap().addEventListener('message', () => {});
  });
}

/** Sends up to `bytes` through the relay to another key; resolves to what was sent before the host had enough. */
export async function sendRelayed(
  connection: Connection,
  to: Libp2p,
  bytes: number,
  signal: AbortSignal,
): Promise<number> {
  const id = to.peerId.toMultihash().bytes;
  const peer = [0x0a, id.length, ...id];
  const stream = await connection.newStream(HOP, { signal });
  const lp = lpStream(stream);
  await lp.write(new Uint8Array([0x08, 1, 0x12, peer.length, ...peer]), { signal });
  await lp.read({ signal });
  const piece = new Uint8Array(16 << 10);
  let sent = 0;
  while (sent < bytes && stream.status === 'open' && !signal.aborted) {
    if (!stream.send(piece)) await stream.onDrain({ signal });
    sent += piece.byteLength;
    await pause(1, signal);
  }
  return sent;
}
