/** Who is connected to the host: places by address and by peer that end with the WebSocket, and who does not read. */
import type { MultiaddrConnection } from '@libp2p/interface';
import { describe, expect, it } from 'vitest';
import * as limits from './limits.ts';
import { type ServerWebSocket, Visitors } from './visitors.ts';

class FakeSocket implements ServerWebSocket {
  bufferedAmount = 0;
  ended = false;
  #listeners: (() => void)[] = [];
  on(event: 'error' | 'close', listener: () => void): void {
    if (event === 'close') this.#listeners.push(listener);
  }
  close(): void {
    this.terminate();
  }
  terminate(): void {
    if (this.ended) return;
    this.ended = true;
    for (const listener of this.#listeners) listener();
  }
}

function setUp() {
  const time = { now: 0 };
  const subscribers = new Set<string>();
  const visitors = new Visitors({ subscribers: () => subscribers, now: () => time.now });
  const gone: string[] = [];
  visitors.onGone((peer) => gone.push(peer));
  /** A WebSocket that stays in its handshake. */
  const knock = (address: string): { socket: FakeSocket; open: (peer: string) => boolean } => {
    const socket = new FakeSocket();
    const transport = { writeBufferLength: 0 } as MultiaddrConnection;
    let done: () => void = () => {};
    const handshake = new Promise<void>((resolve) => {
      done = resolve;
    });
    visitors.enter(socket, address, () => void visitors.upgrade(transport, () => handshake));
    return {
      socket,
      open: (peer) => {
        const welcome = !visitors.refuses(peer, transport);
        done();
        return welcome;
      },
    };
  };
  const connect = async (address: string, peer: string): Promise<FakeSocket | null> => {
    const { socket, open } = knock(address);
    const welcome = open(peer);
    await Promise.resolve();
    await Promise.resolve();
    return welcome ? socket : null;
  };
  return { visitors, time, subscribers, gone, knock, connect };
}

const share = limits.CONNECTION_PLACES.perAddress;

describe('connections', () => {
  it('end what the peer held with the last of them', async () => {
    const { visitors, gone, connect } = setUp();
    const [first, second] = [await connect('192.0.2.1', 'p'), await connect('192.0.2.1', 'p')];
    expect(visitors.shareOf('p')).toBe('192.0.2.1');
    first?.terminate();
    expect(gone).toEqual([]);
    second?.terminate();
    expect(gone).toEqual(['p']);
    expect(visitors.shareOf('p')).toBeNull();
    expect(visitors.figures).toMatchObject({ connections: 0, handshakes: 0 });
  });

  it('of one peer are at most two, the newest', async () => {
    const { visitors, gone, connect } = setUp();
    const sockets = [];
    for (let i = 0; i < 5; i++) sockets.push(await connect('192.0.2.1', 'p'));
    expect(sockets.map((socket) => socket?.ended)).toEqual([true, true, true, false, false]);
    expect(visitors.figures.connections).toBe(2);
    expect(gone).toEqual([]);
  });

  it('have a share for each address: IPv4 in IPv6 clothes is the same one, an IPv6 one is its /64', async () => {
    const { visitors, time, connect } = setUp();
    for (let i = 0; i < share; i++)
      expect(await connect(i % 2 === 0 ? '192.0.2.1' : '::ffff:192.0.2.1', `a${i}`)).not.toBeNull();
    expect(await connect('192.0.2.1', 'one more')).toBeNull();
    for (let i = 0; i < share; i++)
      expect(await connect(`2001:db8:0:1::${i.toString(16)}`, `b${i}`)).not.toBeNull();
    expect(await connect('2001:db8:0:1:ffff::1', 'one more')).toBeNull();
    expect(await connect('2001:db8:0:2::1', 'other')).not.toBeNull();
    // Whoever does nothing gives way in the end.
    time.now = limits.CONNECTION_PLACES.graceMs;
    expect(await connect('192.0.2.1', 'one more')).not.toBeNull();
    expect(visitors.shareOf('a0')).toBeNull();
    expect(visitors.figures.largestAddress).toBe(share);
  });

  it('of members are never given up', async () => {
    const { visitors, time, subscribers, connect } = setUp();
    visitors.vouch(new Set(['member']));
    const member = await connect('192.0.2.1', 'member');
    for (let i = 0; i < share; i++) await connect('192.0.2.1', `key${i}`);
    for (let i = 0; i < share; i += 2) subscribers.add(`key${i}`);
    time.now = 10 * limits.CONNECTION_PLACES.stayMs;
    for (let i = 0; i < share + 100; i++) await connect('192.0.2.1', `more${i}`);
    expect(member?.ended).toBe(false);
    expect(visitors.figures.connections).toBe(share + 1);
  });

  it('leave room for other addresses, whatever one does', async () => {
    const { visitors, connect } = setUp();
    const { total, kept } = limits.CONNECTION_PLACES;
    for (let i = 0; i < total; i++) await connect(`192.0.2.${i % 16}`, `key${i}`);
    expect(visitors.figures.connections).toBe(total - kept);
    expect(await connect('198.51.100.1', 'newcomer')).not.toBeNull();
    expect(visitors.figures.connections).toBe(total - kept);
  });
});

describe('handshakes', () => {
  it('that stall give way to the next of their address', () => {
    const { visitors, time, knock } = setUp();
    const stalled = Array.from({ length: limits.HANDSHAKE_PLACES.perAddress }, () => knock('192.0.2.1'));
    expect(knock('192.0.2.1').socket.ended).toBe(true);
    expect(knock('192.0.2.2').socket.ended).toBe(false);
    time.now = limits.HANDSHAKE_PLACES.graceMs;
    expect(knock('192.0.2.1').socket.ended).toBe(false);
    expect(stalled[0]?.socket.ended).toBe(true);
    expect(visitors.figures.handshakes).toBe(limits.HANDSHAKE_PLACES.perAddress + 1);
  });

  it('that fail end at once', async () => {
    const { visitors } = setUp();
    const socket = new FakeSocket();
    let failed: Promise<void> | undefined;
    visitors.enter(socket, '192.0.2.1', () => {
      failed = visitors.upgrade({ writeBufferLength: 0 } as MultiaddrConnection, () =>
        Promise.reject(new Error('nonsense')),
      );
    });
    await expect(failed).rejects.toThrow('nonsense');
    expect(socket.ended).toBe(true);
    expect(visitors.figures.handshakes).toBe(0);
  });

  it('begin at a rate for each address, which bans slow down', async () => {
    const { visitors, time, connect } = setUp();
    for (let i = 0; i < limits.ARRIVAL_BURST; i++) expect(visitors.mayCome('192.0.2.1')).toBe(true);
    expect(visitors.mayCome('192.0.2.1')).toBe(false);
    expect(visitors.mayCome('192.0.2.2')).toBe(true);
    await connect('192.0.2.1', 'bad');
    visitors.charge('bad');
    time.now = 1000;
    expect(visitors.mayCome('192.0.2.1')).toBe(false);
    time.now = 1100;
    expect(visitors.mayCome('192.0.2.1')).toBe(true);
  });
});

describe('unread bytes', () => {
  it('end a connection that reads nothing for long, not one that reads slowly', async () => {
    const { visitors, time, connect } = setUp();
    const [deaf, slow] = [await connect('192.0.2.1', 'deaf'), await connect('192.0.2.1', 'slow')];
    if (deaf === null || slow === null) throw new Error('no room');
    deaf.bufferedAmount = 1000;
    slow.bufferedAmount = 1000;
    for (; time.now <= limits.UNREAD_TIMEOUT; time.now += 1000) {
      visitors.look();
      slow.bufferedAmount = time.now % 2000 === 0 ? 900 : 1000;
    }
    visitors.look();
    expect([deaf.ended, slow.ended]).toEqual([true, false]);
  });

  it('in all have a cap: the address with most gives, its worst first', async () => {
    const { visitors, connect } = setUp();
    const MiB = 1 << 20;
    const sockets = await Promise.all(
      [...Array(20).keys()].map((i) => connect(i === 0 ? '198.51.100.1' : '192.0.2.1', `p${i}`)),
    );
    for (const [i, socket] of sockets.entries())
      if (socket !== null) socket.bufferedAmount = (i === 0 ? 3 : 2) * MiB;
    visitors.look();
    expect(sockets[0]?.ended).toBe(false);
    const left = sockets.filter((socket) => socket?.ended === false);
    const unread = left.reduce((sum, socket) => sum + (socket?.bufferedAmount ?? 0), 0);
    expect(unread).toBeLessThanOrEqual(limits.MAX_UNREAD);
    expect(unread).toBeGreaterThan(limits.MAX_UNREAD - 3 * MiB);
    expect(visitors.figures.unreadBytes).toBe(unread);
  });
});
