/** Gossip before it is believed: rates of authors and neighbours, verdicts passed on, abuse reported. */
import { generateKeyPair } from '@libp2p/crypto/keys';
import { type GossipSub, type Message, TopicValidatorResult } from '@libp2p/gossipsub';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { beforeEach, describe, expect, it } from 'vitest';
import { MAX_GOSSIP_BYTES } from '../protocol/limits.ts';
import { Gossip } from './gossip.ts';
import { AUTHOR_BURST, AUTHOR_RATE, MAX_REJECTED, NEIGHBOUR_BURST } from './limits.ts';

const newPeer = async (): Promise<PeerId> => peerIdFromPrivateKey(await generateKeyPair('Ed25519'));

let now = 0;
let gossip: Gossip;
let abuse: string[];
let published: Uint8Array[];
let neighbour: PeerId;
let author: PeerId;

beforeEach(async () => {
  now = 0;
  abuse = [];
  published = [];
  const pubsub = {
    topicValidators: new Map(),
    subscribe: () => {},
    publish: (_topic: string, data: Uint8Array) => {
      if (data[0] === 0xee) return Promise.reject(new Error('PublishError.NoPeersSubscribedToTopic'));
      published.push(data);
      return Promise.resolve({ recipients: [neighbour, author] });
    },
  };
  gossip = new Gossip({
    pubsub: pubsub as unknown as GossipSub, // the three members that Gossip uses
    topic: 't',
    onAbuse: (peer, reason) => abuse.push(`${peer} ${reason}`),
    now: () => now,
  });
  neighbour = await newPeer();
  author = await newPeer();
});

const message = (data: Uint8Array, from: PeerId = author): Message =>
  ({ type: 'signed', from, topic: 't', data, sequenceNumber: 1n }) as unknown as Message;
const small = new Uint8Array([1]);

describe('validate', () => {
  it('hands the handler the bytes and their author, and passes its verdict on', async () => {
    const heard: [Uint8Array, string][] = [];
    gossip.setHandler((bytes, from) => {
      heard.push([bytes, from]);
      return bytes[0] === 1 ? 'accept' : bytes[0] === 2 ? Promise.resolve('ignore' as const) : 'reject';
    });
    expect(await gossip.validate(neighbour, message(small))).toBe('accept');
    expect(await gossip.validate(neighbour, message(new Uint8Array([2])))).toBe('ignore');
    expect(await gossip.validate(neighbour, message(new Uint8Array([3])))).toBe('reject');
    expect(heard[0]).toEqual([small, author.toString()]);
  });

  it('rejects what is unsigned or too long without asking the handler', async () => {
    gossip.setHandler(() => {
      throw new Error('must not be called');
    });
    const unsigned = { type: 'unsigned', topic: 't', data: small } as Message;
    expect(await gossip.validate(neighbour, unsigned)).toBe('reject');
    const long = message(new Uint8Array(MAX_GOSSIP_BYTES + 1));
    expect(await gossip.validate(neighbour, long)).toBe('reject');
  });

  it('does not blame the neighbour for a handler that throws', async () => {
    gossip.setHandler(() => {
      throw new Error('bug');
    });
    for (let i = 0; i < 2 * MAX_REJECTED; i++)
      expect(await gossip.validate(neighbour, message(small, await newPeer()))).toBe('ignore');
    expect(abuse).toEqual([]);
  });

  it('ignores an author beyond its rate, and hears it again later', async () => {
    const verdicts: string[] = [];
    for (let i = 0; i < AUTHOR_BURST + 3; i++)
      verdicts.push(await gossip.validate(neighbour, message(small)));
    expect(verdicts.filter((v) => v === 'accept')).toHaveLength(AUTHOR_BURST);
    expect(verdicts.at(-1)).toBe('ignore');
    now += 1000;
    for (let i = 0; i < AUTHOR_RATE; i++)
      expect(await gossip.validate(neighbour, message(small))).toBe('accept');
    expect(await gossip.validate(neighbour, message(small))).toBe('ignore');
    expect(abuse).toEqual([]);
  });

  it('ignores a neighbour beyond its rate, whatever authors it invents, and no other neighbour', async () => {
    let accepted = 0;
    const authors = await Promise.all(Array.from({ length: 60 }, newPeer));
    for (let i = 0; i < NEIGHBOUR_BURST + 50; i++)
      if ((await gossip.validate(neighbour, message(small, authors[i % 60]))) === TopicValidatorResult.Accept)
        accepted++;
    expect(accepted).toBe(NEIGHBOUR_BURST);
    expect(await gossip.validate(await newPeer(), message(small, author))).toBe('accept');
  });

  it('reports a neighbour that brings rejected messages again and again', async () => {
    gossip.setHandler(() => 'reject');
    for (let i = 0; i < MAX_REJECTED; i++) await gossip.validate(neighbour, message(small, await newPeer()));
    expect(abuse).toEqual([]);
    await gossip.validate(neighbour, message(small, await newPeer()));
    expect(abuse).toEqual([`${neighbour.toString()} brought more than ${MAX_REJECTED} invalid messages`]);
  });
});

describe('publish', () => {
  it('says how many peers got it, and nobody when gossipsub refuses', async () => {
    expect(await gossip.publish(small)).toBe(2);
    expect(published).toEqual([small]);
    expect(await gossip.publish(new Uint8Array([0xee]))).toBe(0);
  });

  it('throws on a message that every receiver would reject', async () => {
    await expect(gossip.publish(new Uint8Array(MAX_GOSSIP_BYTES + 1))).rejects.toThrow(RangeError);
  });
});
