/**
 * A seat's chain against a host without a seat: signatures, submissions and state, over a swarm in memory. What is asked each
 * time: is there one chain, and is nothing that was signed lost or signed twice?
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ChainFollower } from '../chain/follower.ts';
import { openRun, type Run } from '../chain/run.ts';
import { bytesEqual, concatBytes, toHex } from '../protocol/bytes.ts';
import { signManifest } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import { SimHost } from '../sim/host.ts';
import { MemoryNetwork } from '../sim/memory-network.ts';
import { memoryCache } from '../sim/platform.ts';
import { PretendedContributor } from '../sim/pretended.ts';
import { SimSeatMemory } from '../sim/seat-memory.ts';
import { simManifest } from '../sim/swarm.ts';
import { VirtualClock } from '../sim/virtual-clock.ts';
import type { HandoverAnswer, HandoverCode } from '../swarm/handover.ts';
import type { Appended } from '../validator/certify.ts';
import { decodeClaim } from '../work/pretrain/claim.ts';
import { workloadOf } from '../work/workloads.ts';
import { chainPorts } from './chain-ports.ts';
import { HandedChain, type HandedChainOptions, type HandedEvent, SeatConflictError } from './handed-chain.ts';
import type { PeerSwarm } from './platform.ts';
import { RoundBlobs } from './round-blobs.ts';
import { RunClock } from './run-clock.ts';
import { SeatMemoryError, type SignedRecord } from './seat-memory.ts';

const AWAY: HandoverAnswer = { stored: false, retry: true, code: 'not-connected' };

let clock: VirtualClock;
let network: MemoryNetwork;
let run: Run;
let validator: Identity;
let host: SimHost;
/** Peers so far. */
let visits: number;

beforeEach(async () => {
  clock = new VirtualClock();
  network = new MemoryNetwork(clock);
  visits = 0;
  const { organizer, validator: key, manifest, theta, blobs } = await simManifest();
  validator = key;
  const opened = await openRun(await signManifest(organizer, manifest));
  if (!opened.ok) throw new Error(opened.detail);
  ({ run } = opened);
  host = await SimHost.open({ run, theta, blobs, clock, swarm: network.join('host', { role: 'host' }) });
});
afterEach(() => clock.dispose());

/** Lets time pass until a promise has settled. */
async function play<T>(promise: Promise<T>): Promise<T> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  promise.then(end, end);
  await clock.run(() => over);
  return promise;
}

interface Visit {
  readonly chain: HandedChain;
  readonly follower: ChainFollower;
  readonly swarm: PeerSwarm;
  readonly waits: (HandoverCode | null)[];
  readonly conflicts: SeatConflictError[];
  readonly events: HandedEvent[];
  readonly abort: AbortController;
}

/** A seat's visit, from opening its chain on. `handOver`: in the host's place. */
async function visit(
  memory: SimSeatMemory,
  change: { readonly handOver?: PeerSwarm['handOver'] } & Partial<HandedChainOptions> = {},
): Promise<Visit> {
  const swarm: PeerSwarm = Object.assign(network.join(`tab${visits++}`), {
    handOver: change.handOver ?? ((bundle: Uint8Array, signal: AbortSignal) => host.handOver(bundle, signal)),
  });
  const blobs = new RoundBlobs(swarm);
  const sources = { host: host.for(clock), swarm, cache: memoryCache(), onCorrupt: () => {} };
  const follower = new ChainFollower(run, chainPorts({ run, workload: workloadOf(run), sources, blobs }));
  const waits: (HandoverCode | null)[] = [];
  const conflicts: SeatConflictError[] = [];
  const events: HandedEvent[] = [];
  const abort = new AbortController();
  const chain = await play(
    HandedChain.open({
      stay: { run, follower, swarm, blobs, clock: new RunClock(clock) },
      memory,
      signal: abort.signal,
      onWaiting: (why) => void waits.push(why),
      onConflict: (conflict) => void conflicts.push(conflict),
      report: (event) => void events.push(event),
      ...change,
    }),
  );
  return { chain, follower, swarm, waits, conflicts, events, abort };
}

/** Has two contributors do a round, and certifies it. */
async function certify(chain: HandedChain, round: number): Promise<Appended> {
  const theta = await chain.theta();
  const done = [];
  for (const seed of [1, 2]) {
    const contributor = await PretendedContributor.create(seed, run, theta);
    done.push({ key: contributor.identity.publicKey, ...(await contributor.work(round)) });
  }
  done.sort((a, b) => (toHex(a.key) < toHex(b.key) ? -1 : 1));
  const verdict = {
    round,
    baseRoot: chain.state.head.root,
    accepted: done.map(({ key, claim }) => ({
      contributor: key,
      claim,
      units: decodeClaim(claim)?.tokens ?? 0,
      weight: 256,
    })),
    refused: [],
    unlisted: [],
    passedOver: [],
    joined: [],
    audits: [],
    scores: [],
  };
  const work = done.map(({ bytes }) => bytes);
  return play(chain.append({ verdict, work, validator, heldOutLoss: 6 - 0.1 * round }));
}

/** Both ends of one chain. */
async function expectSame(chain: HandedChain): Promise<void> {
  expect(chain.state).toEqual(host.follower.state);
  expect(await chain.theta()).toEqual(await host.state.theta());
}

test('what the seat signs is remembered before it is handed over, and the head moves when the host has stored it', async () => {
  const memory = new SimSeatMemory();
  const order: string[] = [];
  const { chain, waits, swarm } = await visit(memory, {
    handOver: async () => {
      order.push(`handed over, ${memory.last.height} remembered, head ${chain.state.head.height}`);
      return { stored: true };
    },
  });
  const published = network.published.length;
  const { certificate, messages } = await certify(chain, 0);
  expect(order).toEqual(['handed over, 1 remembered, head 0']);
  expect(memory.last).toMatchObject({ height: 1, stored: true, hash: certificate.head.hash });
  expect(messages).toEqual([...memory.last.opinions, memory.last.message]);
  expect(memory.last.submissions).toHaveLength(2);
  // The host fetches them from here.
  for (const { claim } of certificate.body.accepted) {
    const ref = workloadOf(run).blobOf(claim);
    expect(await swarm.fetch(ref?.hash ?? new Uint8Array(32), { size: ref?.size ?? 0 })).toBeInstanceOf(
      Uint8Array,
    );
  }
  expect(waits).toEqual([null]);
  expect(network.published).toHaveLength(published);
});

test('rounds go to the host, and another visit continues the chain', async () => {
  const memory = new SimSeatMemory();
  const first = await visit(memory);
  await certify(first.chain, 0);
  await certify(first.chain, 2);
  await expectSame(first.chain);
  expect(first.chain.lastMessages).toEqual([...memory.last.opinions, memory.last.message]);
  const again = await visit(memory);
  await expectSame(again.chain);
  await certify(again.chain, 3);
  await expectSame(again.chain);
  expect(host.follower.head.height).toBe(3);
  expect(again.events).toEqual([]);
});

test('work is served for some rounds, and then leaves the memory', async () => {
  const { chain, swarm } = await visit(new SimSeatMemory());
  const refs = [];
  for (let round = 0; round < 9; round++) {
    const { certificate } = await certify(chain, round);
    refs.push(
      workloadOf(run).blobOf(certificate.body.accepted[0].claim) ?? { hash: new Uint8Array(32), size: 0 },
    );
  }
  await expect(play(swarm.fetch(refs[0].hash, { size: refs[0].size, allowHost: false }))).rejects.toThrow();
  for (const { hash, size } of refs.slice(1)) expect(await swarm.fetch(hash, { size })).toHaveLength(size);
});

test('while the host is away the seat waits with the same bytes, ever longer, and signs nothing else', async () => {
  const memory = new SimSeatMemory();
  const sent: { bytes: Uint8Array; at: number }[] = [];
  const { chain, waits } = await visit(memory, {
    handOver: async (bytes) => {
      sent.push({ bytes, at: clock.now() });
      return sent.length < 8 ? AWAY : { stored: true };
    },
  });
  await certify(chain, 0);
  expect(new Set(sent.map(({ bytes }) => toHex(bytes))).size).toBe(1);
  const pauses = sent.slice(1).map(({ at }, i) => at - sent[i].at);
  expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  expect(waits).toEqual([...Array<HandoverCode>(7).fill('not-connected'), null]);
  expect(memory.kept).toHaveLength(1);
});

describe('closed in mid-round', () => {
  test('before the host had it: the next visit hands the same certificate over again', async () => {
    const memory = new SimSeatMemory();
    const first = await visit(memory, {
      handOver: async () => {
        first.abort.abort();
        return AWAY;
      },
    });
    await expect(certify(first.chain, 0)).rejects.toMatchObject({ name: 'AbortError' });
    expect(first.conflicts).toEqual([]);
    expect(first.chain.state.head.height).toBe(0);
    expect(host.height).toBe(0);
    const signed = memory.last;
    expect(signed).toMatchObject({ height: 1, stored: false });
    // Another round's certificate would be a second one of that height.
    await expect(certify(first.chain, 1)).rejects.toMatchObject({ conflict: 'refused' });
    expect(memory.kept).toEqual([signed]);

    await first.swarm.stop();
    const again = await visit(memory);
    expect(toHex(host.follower.head.hash)).toBe(toHex(signed.hash));
    await expectSame(again.chain);
    expect(memory.last).toEqual({ ...signed, stored: true });
    expect(again.events).toEqual([{ is: 'handing-over-again', height: 1 }]);
    await certify(again.chain, 1);
    await expectSame(again.chain);
  });

  test('before it heard that the host had it: the next visit sees it in the chain', async () => {
    const memory = new SimSeatMemory();
    const first = await visit(memory);
    await certify(first.chain, 0);
    await memory.saveRecord({ ...memory.last, stored: false });
    const again = await visit(memory);
    await expectSame(again.chain);
    expect(memory.last).toMatchObject({ height: 1, stored: true });
    expect(again.events).toEqual([]);
    await certify(again.chain, 1);
    expect(host.height).toBe(2);
  });

  test('while the host does not answer the next visit either, nothing new is signed', async () => {
    const memory = new SimSeatMemory();
    const first = await visit(memory, {
      handOver: async () => {
        first.abort.abort();
        return AWAY;
      },
    });
    await expect(certify(first.chain, 0)).rejects.toThrow();
    await first.swarm.stop();
    let tries = 0;
    const waits: (HandoverCode | null)[] = [];
    const again = await visit(memory, {
      handOver: async (bundle, signal) => (tries++ < 4 ? AWAY : host.handOver(bundle, signal)),
      onWaiting: (why) => void waits.push(why),
    });
    expect(waits).toEqual([...Array<HandoverCode>(4).fill('not-connected'), null]);
    await expectSame(again.chain);
    expect(memory.kept).toHaveLength(1);
  });
});

test('a memory that cannot note that the host has it goes on: what is stored counts', async () => {
  class Full extends SimSeatMemory {
    override async saveRecord(record: SignedRecord): Promise<void> {
      if (record.stored) throw new Error('the disk is full');
      return super.saveRecord(record);
    }
  }
  const { chain, conflicts, events } = await visit(new Full());
  await certify(chain, 0);
  await certify(chain, 1);
  expect(conflicts).toEqual([]);
  await expectSame(chain);
  expect(host.height).toBe(2);
  const failed = { is: 'memory-failed', what: 'stored', error: 'the disk is full' };
  expect(events).toEqual([failed, failed]);
});

test('a certificate that cannot be remembered does not leave, and does not count', async () => {
  class Forbidden extends SimSeatMemory {
    override saveRecord(): Promise<void> {
      return Promise.reject(new Error('storage is forbidden'));
    }
  }
  let sent = 0;
  const { chain } = await visit(new Forbidden(), {
    handOver: async () => {
      sent++;
      return { stored: true };
    },
  });
  await expect(certify(chain, 0)).rejects.toThrow('storage is forbidden');
  expect(sent).toBe(0);
  expect(chain.state.head.height).toBe(0);
  expect(host.height).toBe(0);
});

test('two seats with one key: the host takes one certificate of a height, the other ends and can start again', async () => {
  const [one, two] = [new SimSeatMemory(), new SimSeatMemory()];
  const first = await visit(one);
  const second = await visit(two);
  await certify(first.chain, 0);
  await expect(certify(second.chain, 1)).rejects.toThrow(SeatConflictError);
  expect(second.conflicts).toMatchObject([
    { conflict: 'refused', facts: { height: 1, why: 'bad-certificate' } },
  ]);
  expect(host.follower.head).toEqual(first.chain.state.head);
  const again = await visit(two);
  await expectSame(again.chain);
  expect(again.events).toEqual([{ is: 'signed-elsewhere', height: 1 }]);
  // So that it can never be handed to a host from an old copy.
  expect(two.kept).toEqual([]);
});

describe('a host from an old copy', () => {
  test('gets back what the seat remembers, at the next visit or while it validates', async () => {
    const memory = new SimSeatMemory();
    const first = await visit(memory);
    await certify(first.chain, 0);
    await certify(first.chain, 1);
    await host.loseNewest(2);
    expect(host.height).toBe(0);
    const again = await visit(memory);
    await expectSame(again.chain);
    expect(host.follower.head).toEqual(first.chain.state.head);
    expect(again.events.map(({ is }) => is)).toEqual(['handing-over-again', 'handing-over-again']);

    await host.loseNewest(2);
    await certify(again.chain, 2);
    await expectSame(again.chain);
    expect(host.height).toBe(3);
    expect(again.waits).toContain('gap');
    expect(again.waits.at(-1)).toBeNull();
    expect(again.conflicts).toEqual([]);
  });

  test('that lost more than is remembered gets nothing signed', async () => {
    const memory = new SimSeatMemory();
    const first = await visit(memory);
    await certify(first.chain, 0);
    await certify(first.chain, 1);
    memory.kept = memory.kept.slice(-1);
    await host.loseNewest(2);
    await expect(visit(memory)).rejects.toMatchObject({
      conflict: 'host-behind',
      facts: { height: 2, hostHeight: 0 },
    });
    await expect(certify(first.chain, 2)).rejects.toMatchObject({
      conflict: 'refused',
      facts: { why: 'gap' },
    });
    expect(first.conflicts).toHaveLength(1);
    expect(host.height).toBe(0);
  });

  test('that shows another chain than it stored is a fork that the seat has no part in', async () => {
    const memory = new SimSeatMemory();
    const first = await visit(memory);
    await certify(first.chain, 0);
    await certify(first.chain, 1);
    await host.loseNewest(2);
    // Somebody else with the key goes on from the old copy.
    const other = await visit(new SimSeatMemory());
    await certify(other.chain, 4);
    await expect(visit(memory)).rejects.toMatchObject({ conflict: 'forked', facts: { height: 1 } });
    await certify(other.chain, 5);
    await expect(visit(memory)).rejects.toMatchObject({ conflict: 'forked' });
    // Nothing of what it signed was forgotten, or handed over.
    expect(memory.kept.map(({ height, stored }) => [height, stored])).toEqual([
      [1, true],
      [2, true],
    ]);
    expect(host.follower.head).toEqual(other.chain.state.head);
  });

  test('that does not take the old rounds again is not asked for ever', async () => {
    const memory = new SimSeatMemory();
    const first = await visit(memory);
    await certify(first.chain, 0);
    await host.loseNewest(1);
    let asked = 0;
    first.swarm.handOver = async () => {
      asked++;
      return { stored: false, retry: false, code: 'gap', height: 0 };
    };
    await expect(certify(first.chain, 1)).rejects.toMatchObject({ conflict: 'refused' });
    expect(asked).toBe(2);
  });
});

test('a damaged memory is an error before anything is handed over', async () => {
  const memory = new SimSeatMemory();
  const first = await visit(memory);
  await certify(first.chain, 0);
  const record = { ...memory.last, stored: false };
  await host.loseNewest(1);
  memory.kept = [{ ...record, message: record.message.slice(1) }];
  await expect(visit(memory)).rejects.toThrow(SeatMemoryError);
  memory.kept = [{ ...record, hash: concatBytes(record.hash.slice(1), Uint8Array.of(0)) }];
  await expect(visit(memory)).rejects.toThrow(SeatMemoryError);
  expect(host.height).toBe(0);
});

test('a state of the host that was not certified is not taken over', async () => {
  const memory = new SimSeatMemory();
  const first = await visit(memory);
  await certify(first.chain, 0);
  const blob = host.blob.bind(host);
  const { checkpoint } = host.head();
  host.blob = (hash) => {
    const bytes = blob(hash);
    return hash === checkpoint.hash && bytes !== null
      ? bytes.map((b, i) => (i === bytes.length - 1 ? b ^ 1 : b))
      : bytes;
  };
  await expect(visit(memory)).rejects.toThrow();
  host.blob = blob;
  const again = await visit(memory);
  expect(bytesEqual(again.chain.state.head.root, host.follower.head.root)).toBe(true);
});
