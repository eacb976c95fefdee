/** The deny list: bounded, forgetful, and asked on every way in and out. */
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, it } from 'vitest';
import { BanList, createGater } from './bans.ts';
import { BAN_DURATION, MAX_BANS } from './limits.ts';

const newPeer = async (): Promise<PeerId> => peerIdFromPrivateKey(await generateKeyPair('Ed25519'));

describe('BanList', () => {
  it('forgets a ban when its time is over', () => {
    let now = 0;
    const bans = new BanList(() => now);
    bans.add('a', 'flood');
    expect(bans.has('a')).toBe(true);
    expect(bans.has('b')).toBe(false);
    now = BAN_DURATION - 1;
    expect(bans.has('a')).toBe(true);
    now = BAN_DURATION;
    expect(bans.has('a')).toBe(false);
  });

  it('is bounded, drops the oldest, and counts a repeated ban as new', () => {
    const bans = new BanList(() => 0);
    for (let i = 0; i < MAX_BANS; i++) bans.add(`peer ${i}`, '');
    bans.add('peer 0', 'again');
    bans.add('one more', '');
    expect(bans.has('peer 0')).toBe(true);
    expect(bans.has('peer 1')).toBe(false);
    expect(bans.has('one more')).toBe(true);
  });
});

describe('createGater', () => {
  it('refuses banned peers on every way in and out, and addresses that are not ours', async () => {
    const bans = new BanList();
    const [good, bad] = [await newPeer(), await newPeer()];
    const gater = createGater(bans, {
      mayDial: (address) => address.startsWith('/ip4/10.0.0.1/'),
      mayAcceptRelayed: () => true,
    });
    bans.add(bad.toString(), 'flood');
    for (const [peer, denied] of [
      [good, false],
      [bad, true],
    ] as const) {
      expect(gater.denyDialPeer?.(peer)).toBe(denied);
      expect(gater.denyInboundRelayReservation?.(peer)).toBe(denied);
      expect(gater.denyOutboundRelayedConnection?.(good, peer)).toBe(denied);
      expect(gater.denyOutboundRelayedConnection?.(peer, good)).toBe(denied);
      expect(gater.denyInboundRelayedConnection?.(good, peer)).toBe(denied);
    }
    expect(gater.denyDialMultiaddr?.(multiaddr('/ip4/10.0.0.1/tcp/80/ws'))).toBe(false);
    expect(gater.denyDialMultiaddr?.(multiaddr('/ip4/10.0.0.2/tcp/80/ws'))).toBe(true);
  });

  it('refuses a relayed connection when the node is full', async () => {
    const gater = createGater(new BanList(), { mayDial: () => true, mayAcceptRelayed: () => false });
    expect(gater.denyInboundRelayedConnection?.(await newPeer(), await newPeer())).toBe(true);
  });
});
