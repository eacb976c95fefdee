/**
 * The floods: what a stranger without an account can do to a host, one kind each. Each goes on until its signal aborts, and
 * returns what it got through, for the log.
 */
import { encode } from '@ipld/dag-cbor';
import type { Socket } from 'node:net';
import { fromHex } from '../../src/protocol/bytes.ts';
import { seal } from '../../src/protocol/envelope.ts';
import { createIdentity } from '../../src/protocol/identity.ts';
import type { Message } from '../../src/protocol/messages.ts';
import { ordinaryMessages } from '../../src/protocol/testing-messages.ts';
import type { PeerNode } from '../../src/swarm/peer-node.ts';
import { pause } from '../../src/swarm/pause.ts';
import { acceptRelayed, type Attacker, dial, reserve, sendRelayed } from './attacker.ts';

export interface Battlefield {
  readonly attacker: Attacker;
  /** The round that is open now. */
  readonly round: () => number;
  /** Name of a checkpoint to download. */
  readonly checkpoint: string;
}

export type Flood = (field: Battlefield, signal: AbortSignal) => Promise<Record<string, number>>;

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');

/** `count` sockets that ask for something and read nothing; whoever is hung up on comes again. */
async function unread(
  { attacker }: Battlefield,
  signal: AbortSignal,
  count: number,
  request: string,
): Promise<Record<string, number>> {
  let opened = 0;
  const open = new Set<Socket>();
  while (!signal.aborted) {
    while (open.size < count) {
      const socket = attacker.socket();
      opened++;
      open.add(socket);
      socket.pause();
      socket.on('close', () => open.delete(socket));
      socket.write(request.repeat(100));
    }
    // A paused socket does not notice its end.
    for (const socket of open) if (socket.readableEnded || socket.destroyed) open.delete(socket);
    await pause(500, signal);
  }
  return { sockets: opened };
}

/** Messages of free keys, each in the run's gossip; a key that is banned is replaced by a new one. */
async function gossip(
  { attacker, round }: Battlefield,
  signal: AbortSignal,
  options: { readonly keys: number; readonly perSecond: number },
  make: (round: number, peer: string, index: number) => Promise<Uint8Array>,
): Promise<Record<string, number>> {
  const figures = { keys: 0, messages: 0 };
  const shout = async (): Promise<void> => {
    let node: PeerNode | null = null;
    while (!signal.aborted) {
      if (node === null || node.hostState !== 'connected') {
        if (node !== null) await attacker.end(node);
        node = await attacker.gossiper(signal);
        if (node === null) {
          await pause(1000, signal);
          continue;
        }
        figures.keys++;
      }
      figures.messages +=
        (await node.publish(await make(round(), node.peerId, figures.messages))) > 0 ? 1 : 0;
      await pause((1000 * options.keys) / options.perSecond, signal);
    }
  };
  await Promise.all(Array.from({ length: options.keys }, shout));
  return figures;
}

/** A message that a key signs which nobody has heard of. */
async function ofStranger(message: Message): Promise<Uint8Array> {
  return seal(await createIdentity(), message);
}

const runOf = ({ attacker }: Battlefield): Uint8Array => fromHex(attacker.aim.topic);

const floods = {
  /** Nothing: what the figures are without a stranger. */
  none: async (_field, signal) => {
    await pause(2 ** 31 - 1, signal);
    return {};
  },

  'unread-downloads': (field, signal) =>
    unread(field, signal, 60, `GET /api/blob/${field.checkpoint} HTTP/1.1\r\nHost: localhost\r\n\r\n`),

  'unread-answers': (field, signal) =>
    unread(
      field,
      signal,
      60,
      ['status', 'ledger', 'certificates?from=1', 'profiles']
        .map((name) => `GET /api/${name} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
        .join(''),
    ),

  /** New keys reserve: every other one leaves at once, the others stay. */
  reservations: async ({ attacker }, signal) => {
    const figures = { reserved: 0, refused: 0 };
    const held: { stop(): unknown }[] = [];
    const one = async (): Promise<void> => {
      for (let i = 0; !signal.aborted; i++) {
        const node = await attacker.key();
        try {
          if (await reserve(await dial(node, attacker.relay, signal), signal)) figures.reserved++;
          else figures.refused++;
        } catch {
          figures.refused++;
          await pause(50, signal);
        }
        if (i % 2 === 0) await attacker.end(node);
        else held.push(node);
        const oldest = held.length > 400 ? held.shift() : undefined;
        if (oldest !== undefined) await attacker.end(oldest);
      }
    };
    await Promise.all([one(), one(), one(), one()]);
    return figures;
  },

  /** Another version's messages, as large as gossip takes them: they may be nobody's fault. */
  versions: (field, signal) => {
    const body = encode([3, ...Array.from({ length: 94_000 }, () => 0)]);
    return gossip(field, signal, { keys: 4, perSecond: 100 }, (_round, _peer, index) => {
      const bytes = body.slice();
      bytes[bytes.length - 1] = index % 24; // another message each time
      bytes[bytes.length - 2] = (index >> 4) % 24;
      return Promise.resolve(bytes);
    });
  },

  /** Commits of keys that never joined. */
  commits: (field, signal) =>
    gossip(field, signal, { keys: 4, perSecond: 50 }, (round, peer) =>
      ofStranger(ordinaryMessages(runOf(field), round, peer).commit),
    ),

  reveals: (field, signal) =>
    gossip(field, signal, { keys: 4, perSecond: 50 }, (round, peer) =>
      ofStranger(ordinaryMessages(runOf(field), round, peer).reveal),
    ),

  profiles: (field, signal) =>
    gossip(field, signal, { keys: 4, perSecond: 50 }, (round, peer) =>
      ofStranger({ ...ordinaryMessages(runOf(field), round, peer).profile, time: Date.now() }),
    ),

  presences: (field, signal) =>
    gossip(field, signal, { keys: 4, perSecond: 50 }, (round, peer) =>
      ofStranger(ordinaryMessages(runOf(field), round, peer).presence),
    ),

  /** Commits for the next round, which a clock that is a little fast would send too. */
  'next-round': (field, signal) =>
    gossip(field, signal, { keys: 4, perSecond: 20 }, (round, peer) =>
      ofStranger(ordinaryMessages(runOf(field), round + 1, peer).commit),
    ),

  /** Idle sockets, and WebSockets that never begin their handshake. */
  sockets: async ({ attacker }, signal) => {
    const figures = { sockets: 0 };
    const open = new Set<Socket>();
    while (!signal.aborted) {
      for (let i = 0; i < 400 && open.size < 3000; i++) {
        const socket = attacker.socket();
        figures.sockets++;
        open.add(socket);
        socket.resume();
        socket.on('close', () => open.delete(socket));
        socket.write(i % 2 === 0 ? UPGRADE : 'GET / HTTP/1.1\r\n');
      }
      await pause(250, signal);
    }
    return figures;
  },

  /** Whole connections that do nothing. */
  connections: async ({ attacker }, signal) => {
    const figures = { connected: 0, refused: 0 };
    const held: { stop(): unknown }[] = [];
    const one = async (): Promise<void> => {
      while (!signal.aborted) {
        const node = await attacker.key();
        try {
          await dial(node, attacker.relay, signal);
          figures.connected++;
          held.push(node);
          const oldest = held.length > 400 ? held.shift() : undefined;
          if (oldest !== undefined) await attacker.end(oldest);
        } catch {
          figures.refused++;
          await attacker.end(node);
          await pause(50, signal);
        }
      }
    };
    await Promise.all([one(), one(), one(), one()]);
    return figures;
  },

  /** Data of no kind through the relay, from one free key to another. */
  'relay-bytes': async ({ attacker }, signal) => {
    const figures = { keys: 0, kilobytes: 0 };
    const one = async (): Promise<void> => {
      while (!signal.aborted) {
        const [from, to] = [await attacker.key(), await attacker.key()];
        try {
          await acceptRelayed(to);
          await reserve(await dial(to, attacker.relay, signal), signal);
          const connection = await dial(from, attacker.relay, signal);
          figures.keys++;
          for (;;) {
            const sent = await sendRelayed(connection, to, 1 << 20, signal);
            figures.kilobytes += Math.round(sent / 1024);
            if (sent === 0) break;
          }
        } catch {
          await pause(100, signal); // refused or banned: the next key
        }
        await Promise.all([attacker.end(from), attacker.end(to)]);
      }
    };
    await Promise.all([one(), one()]);
    return figures;
  },

  /** Requests that each say to come from somewhere else. */
  'forwarded-for': async ({ attacker }, signal) => {
    const figures = { requests: 0, refused: 0 };
    const sockets = new Set<Socket>();
    let address = 0;
    while (!signal.aborted) {
      while (sockets.size < 8) {
        const socket = attacker.socket();
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        socket.on('data', (data) => {
          figures.refused += data.toString('latin1').split(' 429 ').length - 1;
        });
      }
      for (const socket of sockets) {
        if (socket.writableLength > 0) continue;
        figures.requests++;
        address++;
        socket.write(
          `GET /api/time HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.${(address >> 16) & 255}.${(address >> 8) & 255}.${address & 255}\r\n\r\n`,
        );
      }
      await pause(10, signal);
    }
    return figures;
  },

  /** Handovers that a stranger begins and never ends, each up to a megabyte. */
  handovers: async ({ attacker }, signal) => {
    const figures = { streams: 0 };
    const one = async (): Promise<void> => {
      while (!signal.aborted) {
        const node = await attacker.key();
        try {
          const connection = await dial(node, attacker.relay, signal);
          for (let i = 0; i < 2; i++) {
            const stream = await connection.newStream('/tabswarm/handover/2', { signal });
            stream.send(new Uint8Array([0x80, 0x80, 0x40, ...new Uint8Array(200 << 10)])); // 1 MiB is promised
            figures.streams++;
          }
          await pause(2000, signal);
        } catch {
          await pause(200, signal);
        }
        await attacker.end(node);
      }
    };
    await Promise.all(Array.from({ length: 20 }, one));
    return figures;
  },
} satisfies Record<string, Flood>;

export const FLOODS: Readonly<Record<string, Flood>> = floods;
