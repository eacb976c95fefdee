/** What a host's address is made of, and which connections count as direct, relayed or none. */
import type { Connection } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { hostMultiaddr, isUsable, pathOf, peerIdOf } from './addresses.ts';

const ID = '12D3KooWRndVhVZPCiQwHBBBdg769GyrPUW13zxwqQyf9r3ANaba';
const OTHER = '12D3KooWHFd1gyNYFqxt7ke9FY2VoVVWY2XSPhvL9vg2pB6wQGfa';

describe('hostMultiaddr', () => {
  it.each([
    ['http://127.0.0.1:8080/', '/ip4/127.0.0.1/tcp/8080/ws'],
    ['http://localhost:8080/run?x=1#y', '/dns/localhost/tcp/8080/ws'],
    ['http://example.org', '/dns/example.org/tcp/80/ws'],
    ['https://example.org/app/', '/dns/example.org/tcp/443/tls/ws/http-path/app%2Fswarm'],
    ['https://example.org/a/b/index.html#x', '/dns/example.org/tcp/443/tls/ws/http-path/a%2Fb%2Fswarm'],
    ['https://example.org/', '/dns/example.org/tcp/443/tls/ws'],
    ['https://[2001:db8::1]:8443/', '/ip6/2001:db8::1/tcp/8443/tls/ws'],
  ])('%s', (url, expected) => {
    const address = hostMultiaddr(url, ID);
    expect(address).toBe(`${expected}/p2p/${ID}`);
    expect(multiaddr(address).toString()).toBe(address);
    expect(peerIdOf(address)).toBe(ID);
  });

  it('says what is wrong with an address without a peer id', () => {
    expect(() => peerIdOf('/ip4/127.0.0.1/tcp/1/ws')).toThrow(/must end in \/p2p\/PEER-ID/);
  });
});

/** What pathOf and isUsable look at. */
const connection = (address: string, limits?: object): Connection =>
  ({ remoteAddr: multiaddr(address), limits, status: 'open' }) as unknown as Connection;

describe('pathOf', () => {
  const relay = `/ip4/127.0.0.1/tcp/1/ws/p2p/${OTHER}`;

  it('tells direct, relayed and host apart', () => {
    expect(pathOf(connection(`${relay}/p2p-circuit/webrtc/p2p/${ID}`))).toBe('direct');
    expect(pathOf(connection(`/webrtc/p2p/${ID}`))).toBe('direct');
    expect(pathOf(connection(`${relay}/p2p-circuit/p2p/${ID}`, { bytes: 1n }))).toBe('relayed');
    expect(pathOf(connection(`${relay}/p2p-circuit/p2p/${ID}`))).toBe('relayed');
    expect(pathOf(connection(relay))).toBe('host');
  });

  it('uses neither relayed nor closed connections', () => {
    expect(isUsable(connection(relay))).toBe(true);
    expect(isUsable(connection(`${relay}/p2p-circuit/p2p/${ID}`, { bytes: 1n }))).toBe(false);
    expect(isUsable({ ...connection(relay), status: 'closed' })).toBe(false);
  });
});
