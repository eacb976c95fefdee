/**
 * Small messages to everybody: one gossipsub topic, one handler, limits per author and per neighbour.
 *
 * Gossipsub's own scores graylist a neighbour that brings rejected messages; this module bans one that goes on. The
 * scores are tuned because the defaults punish honest peers here: a WebRTC peer that was dialled through the host
 * counts under the host's IP, a quiet topic counts as undelivered messages, and a busy tab breaks IWANT promises.
 */
import {
  type GossipSub,
  type GossipSubComponents,
  type GossipsubOpts,
  gossipsub,
  type Message,
  TopicValidatorResult,
} from '@libp2p/gossipsub';
import { defaultTopicScoreParams } from '@libp2p/gossipsub/score';
import type { PeerId } from '@libp2p/interface';
import { MAX_GOSSIP_BYTES } from '../protocol/limits.ts';
import { pathOf } from './addresses.ts';
import * as limits from './limits.ts';
import type { Meter } from './meter.ts';
import { tapService } from './tap-streams.ts';
import { TokenBucket } from './token-bucket.ts';
import type { GossipVerdict } from './types.ts';

export type GossipHandler = (message: Uint8Array, from: string) => GossipVerdict | Promise<GossipVerdict>;

/** The gossipsub service for a tab (degree 4) or the host, which meshes with more tabs since it talks to all. */
export function gossipService(topic: string, role: 'tab' | 'host', meter: Meter) {
  const options: Partial<GossipsubOpts> = {
    allowedTopics: [topic],
    allowPublishToZeroTopicPeers: true,
    fallbackToFloodsub: false,
    // Own messages are few and at most MAX_GOSSIP_BYTES, and rounds depend on them: send them to every neighbour at once.
    floodPublish: true,
    ...(role === 'tab' ? { D: 4, Dlo: 3, Dhi: 6, Dscore: 2, Dout: 1 } : { D: 8, Dlo: 6, Dhi: 12 }),
    maxInboundDataLength: limits.MAX_GOSSIP_RPC_BYTES,
    maxInboundStreams: 2,
    maxOutboundStreams: 2,
    gossipsubIWantFollowupMs: 30_000,
    scoreParams: {
      retainScore: limits.SCORE_MEMORY,
      IPColocationFactorWeight: 0,
      behaviourPenaltyWeight: -1,
      behaviourPenaltyThreshold: 10,
      behaviourPenaltyDecay: 0.9,
      topics: {
        [topic]: {
          ...defaultTopicScoreParams,
          meshMessageDeliveriesWeight: 0,
          meshFailurePenaltyWeight: 0,
          invalidMessageDeliveriesWeight: -10,
          // Half of it is forgotten in 23 s, so that a graylisted peer stays so for a round.
          invalidMessageDeliveriesDecay: 0.97,
        },
      },
    },
  };
  const create = gossipsub(options);
  return (components: GossipSubComponents): GossipSub =>
    create(
      tapService(components, (connection, direction, bytes) =>
        meter.count(connection.remotePeer.toString(), pathOf(connection), 'gossip', direction, bytes),
      ),
    );
}

export interface GossipOptions {
  readonly pubsub: GossipSub;
  readonly topic: string;
  readonly onAbuse: (peer: string, reason: string) => void;
  readonly now?: () => number;
}

/** What gossipsub keeps to itself: which messages it has seen. Its own types call these private; a test holds them. */
export interface SeenMessages {
  msgIdFn(message: Message): Uint8Array | Promise<Uint8Array>;
  msgIdToStrFn(id: Uint8Array): string;
  readonly seenCache: { readonly entries: Map<string, unknown> };
}

interface Neighbour {
  readonly messages: TokenBucket;
  readonly flood: TokenBucket;
  readonly bytes: TokenBucket;
  readonly unwanted: TokenBucket;
  readonly rejected: TokenBucket;
}

export class Gossip {
  readonly #pubsub: GossipSub;
  readonly #topic: string;
  readonly #onAbuse: (peer: string, reason: string) => void;
  readonly #now: (() => number) | undefined;
  readonly #authors = new Map<string, TokenBucket>();
  readonly #neighbours = new Map<string, Neighbour>();
  #handler: GossipHandler | null = null;

  constructor(options: GossipOptions) {
    this.#pubsub = options.pubsub;
    this.#topic = options.topic;
    this.#onAbuse = options.onAbuse;
    this.#now = options.now;
  }

  start(): void {
    this.#pubsub.topicValidators.set(this.#topic, (peer, message) => this.validate(peer, message));
    this.#pubsub.subscribe(this.#topic);
  }

  setHandler(handler: GossipHandler): void {
    this.#handler = handler;
  }

  /** Publishes to the topic. Throws RangeError when too long; 0 when nobody listens or the node is stopped. */
  async publish(message: Uint8Array): Promise<number> {
    if (message.byteLength > MAX_GOSSIP_BYTES)
      throw new RangeError(
        `a gossip message has at most ${MAX_GOSSIP_BYTES} bytes, got ${message.byteLength}`,
      );
    try {
      return (await this.#pubsub.publish(this.#topic, message)).recipients.length;
    } catch {
      return 0;
    }
  }

  forgetPeer(peer: string): void {
    this.#neighbours.delete(peer);
  }

  /** Gossipsub's validator: called once a message, before it is delivered or forwarded. Never throws. */
  async validate(neighbour: PeerId, message: Message): Promise<TopicValidatorResult> {
    if (message.type !== 'signed') return TopicValidatorResult.Reject;
    const source = neighbour.toString();
    const entry = this.#neighbour(source);
    if (message.data.byteLength > MAX_GOSSIP_BYTES) return this.#reject(source, entry);
    // Over the limit is ignored, not rejected: an honest neighbour has many neighbours of its own. Up to a point.
    if (!entry.messages.take()) {
      if (!entry.flood.take()) this.#onAbuse(source, 'flooded the gossip');
      return this.#leaveToOthers(message);
    }
    // No honest neighbour's messages are so large for so long: they have limits by kind.
    if (!entry.bytes.take(message.data.byteLength)) return this.#reject(source, entry);
    const author = message.from.toString();
    if (!this.#author(author).take()) return TopicValidatorResult.Ignore;
    // Nobody here can tell yet what is worth passing on.
    if (this.#handler === null) return TopicValidatorResult.Ignore;
    let verdict: GossipVerdict;
    try {
      verdict = await this.#handler(message.data, author);
    } catch {
      verdict = 'ignore'; // our own mistake must not cost the neighbour its score
    }
    if (verdict === 'reject') return this.#reject(source, entry);
    if (verdict === 'unwanted' && !entry.unwanted.take()) return this.#reject(source, entry);
    return verdict === 'accept' ? TopicValidatorResult.Accept : TopicValidatorResult.Ignore;
  }

  /**
   * Ignores a message for who brought it, not for what it is: another neighbour may bring the same. Gossipsub takes it for
   * seen by now, and would drop that copy: whoever uses up its rate and is first could so make this node deaf to anybody.
   */
  async #leaveToOthers(message: Message): Promise<TopicValidatorResult> {
    const seen = this.#pubsub as unknown as SeenMessages;
    seen.seenCache.entries.delete(seen.msgIdToStrFn(await seen.msgIdFn(message)));
    return TopicValidatorResult.Ignore;
  }

  #reject(source: string, entry: Neighbour): TopicValidatorResult {
    if (!entry.rejected.take())
      this.#onAbuse(source, `brought more than ${limits.MAX_REJECTED} invalid messages`);
    return TopicValidatorResult.Reject;
  }

  #neighbour(peer: string): Neighbour {
    let entry = this.#neighbours.get(peer);
    if (entry === undefined) {
      entry = {
        messages: new TokenBucket(limits.NEIGHBOUR_RATE, limits.NEIGHBOUR_BURST, this.#now),
        flood: new TokenBucket(limits.FLOOD_RATE, limits.FLOOD_BURST, this.#now),
        bytes: new TokenBucket(limits.NEIGHBOUR_BYTES_RATE, limits.NEIGHBOUR_BYTES_BURST, this.#now),
        unwanted: new TokenBucket(limits.UNWANTED_DECAY_RATE, limits.MAX_UNWANTED, this.#now),
        rejected: new TokenBucket(limits.REJECTED_DECAY_RATE, limits.MAX_REJECTED, this.#now),
      };
      this.#neighbours.set(peer, entry);
    }
    return entry;
  }

  #author(peer: string): TokenBucket {
    let bucket = this.#authors.get(peer);
    if (bucket === undefined) {
      bucket = new TokenBucket(limits.AUTHOR_RATE, limits.AUTHOR_BURST, this.#now);
      this.#authors.set(peer, bucket);
      for (const oldest of this.#authors.keys()) {
        if (this.#authors.size <= limits.MAX_AUTHORS) break;
        this.#authors.delete(oldest);
      }
    }
    return bucket;
  }
}
