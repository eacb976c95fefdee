/** Gossip before it is believed: rates of authors and neighbours, verdicts passed on, abuse reported. */
import { generateKeyPair } from '@libp2p/crypto/keys';
import { type GossipSub, type Message, TopicValidatorResult } from '@libp2p/gossipsub';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { beforeEach, describe, expect, it } from 'vitest';
import { MAX_GOSSIP_BYTES, MAX_SEALED_BYTES } from '../protocol/limits.ts';
import { Gossip } from './gossip.ts';
import {
  AUTHOR_BURST,
  AUTHOR_RATE,
  FLOOD_BURST,
  MAX_REJECTED,
  MAX_UNWANTED,
  NEIGHBOUR_BURST,
  NEIGHBOUR_BYTES_BURST,
} from './limits.ts';

const newPeer = async (): Promise<PeerId> => peerIdFromPrivateKey(await generateKeyPair('Ed25519'));

let now = 0;
let gossip: Gossip;
let abuse: string[];
let seen: Map<string, unknown>;
let published: Uint8Array[];
let neighbour: PeerId;
let author: PeerId;

beforeEach(async () => {
  now = 0;
  abuse = [];
  published = [];
  seen = new Map();
  const pubsub = {
    seenCache: { entries: seen },
    msgIdFn: ({ data }: Message) => data,
    msgIdToStrFn: (id: Uint8Array) => String(id),
    topicValidators: new Map(),
    subscribe: () => {},
    publish: (_topic: string, data: Uint8Array) => {
      if (data[0] === 0xee) return Promise.reject(new Error('PublishError.NoPeersSubscribedToTopic'));
      published.push(data);
      return Promise.resolve({ recipients: [neighbour, author] });
    },
  };
  gossip = new Gossip({
    pubsub: pubsub as unknown as GossipSub, // the members that Gossip uses
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
    gossip.setHandler(() => 'accept');
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
    gossip.setHandler(() => 'accept');
    let accepted = 0;
    const authors = await Promise.all(Array.from({ length: 60 }, newPeer));
    for (let i = 0; i < NEIGHBOUR_BURST + 50; i++)
      if ((await gossip.validate(neighbour, message(small, authors[i % 60]))) === TopicValidatorResult.Accept)
        accepted++;
    expect(accepted).toBe(NEIGHBOUR_BURST);
    expect(await gossip.validate(await newPeer(), message(small, await newPeer()))).toBe('accept');
  });

  it('passes nothing on before there is somebody to judge it', async () => {
    expect(await gossip.validate(neighbour, message(small))).toBe('ignore');
  });

  it('has a few unwanted messages of a neighbour ignored; more count as rejected, and it is reported', async () => {
    gossip.setHandler(() => 'unwanted');
    const verdicts: string[] = [];
    for (let i = 0; i < MAX_UNWANTED + MAX_REJECTED; i++)
      verdicts.push(await gossip.validate(neighbour, message(small, await newPeer())));
    expect(verdicts.filter((v) => v === 'ignore')).toHaveLength(MAX_UNWANTED);
    expect(verdicts.at(-1)).toBe('reject');
    expect(abuse).toEqual([]);
    await gossip.validate(neighbour, message(small, await newPeer()));
    expect(abuse).toHaveLength(1);
    // One in ten seconds, as one may bring whose page is old, does no harm; nor does another neighbour.
    for (let i = 0; i < 50; i++) {
      now += 10_000;
      expect(await gossip.validate(author, message(small, await newPeer()))).toBe('ignore');
    }
  });

  it('rejects what is large for long, unread, and leaves ordinary bytes alone', async () => {
    let read = 0;
    gossip.setHandler(() => {
      read++;
      return 'ignore';
    });
    const full = new Uint8Array(MAX_GOSSIP_BYTES);
    const most = Math.floor(NEIGHBOUR_BYTES_BURST / MAX_GOSSIP_BYTES);
    for (let i = 0; i < most + MAX_REJECTED + 1; i++)
      await gossip.validate(neighbour, message(full, await newPeer()));
    expect(read).toBe(most);
    expect(abuse).toEqual([`${neighbour.toString()} brought more than ${MAX_REJECTED} invalid messages`]);
    // The largest work of all members at the full rate of messages, for a minute.
    abuse = [];
    const authors = await Promise.all(Array.from({ length: 30 }, newPeer));
    const work = new Uint8Array(MAX_SEALED_BYTES.reveal);
    for (let i = 0; i < 6000; i++) {
      now += 10;
      expect(await gossip.validate(author, message(work, authors[i % 30]))).toBe('ignore');
    }
    expect(abuse).toEqual([]);
  });

  it('lets another neighbour bring what was ignored only for who brought it', async () => {
    gossip.setHandler(({ length }) => (length === 1 ? 'ignore' : 'accept'));
    const wanted = new Uint8Array([1, 2]);
    // Gossipsub notes a message before it asks.
    const bring = (who: PeerId, data: Uint8Array) => {
      seen.set(String(data), {});
      return gossip.validate(who, message(data));
    };
    for (let i = 0; i < NEIGHBOUR_BURST; i++)
      await gossip.validate(neighbour, message(small, await newPeer()));
    expect(await bring(neighbour, wanted)).toBe('ignore');
    expect(seen.has(String(wanted))).toBe(false);
    expect(await bring(author, wanted)).toBe('accept');
    // What is ignored for what it is stays seen.
    expect(await bring(author, small)).toBe('ignore');
    expect([...seen.keys()]).toEqual([String(wanted), String(small)]);
  });

  it('reports a flood, which is far more than the busiest honest neighbour brings', async () => {
    gossip.setHandler(() => 'ignore');
    const flood = NEIGHBOUR_BURST + FLOOD_BURST;
    for (let i = 0; i < flood; i++) await gossip.validate(neighbour, message(small));
    expect(abuse).toEqual([]);
    await gossip.validate(neighbour, message(small));
    expect(abuse).toEqual([`${neighbour.toString()} flooded the gossip`]);
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
