/**
 * A tab's chain against a real host's: the chain and the keeper of src/host, with signatures, submissions and state, but no
 * network. What is asked each time: is there one chain, and is nothing that was signed lost or signed twice?
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Chain } from '../host/chain.ts';
import { ChainKeeper } from '../host/chain-keeper.ts';
import { openRun } from '../host/open-run.ts';
import { Store } from '../host/store.ts';
import { smallRun, temporaryFolder, writeCorpus } from '../host/testing/fixtures.ts';
import { certifyRound } from '../host/testing/one-round.ts';
import { fromHex, toHex } from '../protocol/bytes.ts';
import type { HandoverAnswer } from '../swarm/handover.ts';
import { HostClient } from './host-client.ts';
import type { SeatMemory, SignedRecord } from './seat-record.ts';
import { SeatConflictError, TabChain, type TabChainOptions } from './tab-chain.ts';
import { MemoryNetwork } from './testing.ts';

const folder = temporaryFolder();
let corpus = '';
beforeAll(() => {
  corpus = writeCorpus(folder.dir);
});
afterAll(() => folder.remove());

/** A host's HTTP interface, without HTTP. */
class ChainHost extends HostClient {
  readonly #chain: () => Chain;

  constructor(chain: () => Chain) {
    super('http://host');
    this.#chain = chain;
  }

  override async head(): ReturnType<HostClient['head']> {
    const { head, checkpoint } = this.#chain();
    const { hash, size, height } = checkpoint;
    return {
      height: head.height,
      validator: 'none',
      certificate: null,
      checkpoint: { hash: toHex(hash), size, height },
    };
  }

  override async certificates(from: number): Promise<Uint8Array[]> {
    return this.#chain()
      .store.certificates(from, 100)
      .map(({ message }) => message);
  }

  override async blob(hash: string): Promise<Uint8Array<ArrayBuffer>> {
    const { store } = this.#chain();
    const ref = store.blob(fromHex(hash));
    const bytes = ref === null ? null : await store.readBlob(ref);
    if (bytes === null) throw new Error('there is no such blob');
    return bytes;
  }
}

/** IndexedDB's place. */
class Memory implements SeatMemory {
  kept: SignedRecord[] = [];

  get last(): SignedRecord {
    const last = this.kept.at(-1);
    if (last === undefined) throw new Error('nothing was signed');
    return last;
  }
  async records(): Promise<SignedRecord[]> {
    return this.kept;
  }
  async saveRecord(record: SignedRecord): Promise<void> {
    this.kept = [...this.kept.filter(({ height }) => height !== record.height), record];
  }
  async forget(height: number): Promise<void> {
    this.kept = this.kept.filter((record) => record.height !== height);
  }
  async note(): Promise<null> {
    return null;
  }
  async saveNote(): Promise<void> {}
  close(): void {}
}

let worlds = 0;

/** A host without a seat, and what a tab with the key needs to open its chain; as often as one likes. */
async function world() {
  const dir = join(folder.dir, `tab-${worlds++}`);
  mkdirSync(dir);
  const { manifest, runId, seat, store, manifestBytes } = await openRun(dir, smallRun(corpus));
  if (seat === null) throw new Error('no seat');
  const network = new MemoryNetwork();
  const hostSwarm = network.join('host');
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  const host = { chain: await Chain.open(manifest, runId, store) };
  const keeper = { now: new ChainKeeper({ chain: host.chain, swarm: hostSwarm, log }) };
  let copies = 0;
  /** Puts another copy of the folder in the host's place: as it was before the first round. */
  const restoreOldCopy = async () => {
    const old = `${dir}-old${copies++}`;
    mkdirSync(old);
    const fresh = Store.open(old);
    const { data, tokenizer, genesis } = manifest;
    fresh.saveRun(manifestBytes, [tokenizer, ...data.train, data.heldOut, genesis.checkpoint]);
    await fresh.writeBlob((await store.readBlob(genesis.checkpoint)) as Uint8Array);
    host.chain = await Chain.open(manifest, runId, fresh);
    keeper.now = new ChainKeeper({ chain: host.chain, swarm: hostSwarm, log });
  };
  let visits = 0;
  const openTab = async (memory: Memory, change: Partial<TabChainOptions> = {}) => {
    const swarm = network.join(`tab${visits++}`);
    const waits: (string | null)[] = [];
    const conflicts: SeatConflictError[] = [];
    const abort = new AbortController();
    const chain = await TabChain.open({
      manifest,
      runId,
      swarm,
      memory,
      sources: { host: new ChainHost(() => host.chain), swarm, onCorrupt: () => {} },
      handOver: (sealed) => keeper.now.take(sealed, swarm.peerId),
      signal: abort.signal,
      onHead: () => {},
      onWaiting: (why) => void waits.push(why),
      onConflict: (conflict) => void conflicts.push(conflict),
      log,
      ...change,
    });
    return { chain, waits, conflicts, abort };
  };
  const certify = (chain: TabChain, round: number) => certifyRound(chain, seat.identity, round);
  return { host, lines, openTab, certify, restoreOldCopy, seat };
}

const away: HandoverAnswer = { stored: false, retry: true, detail: 'the host is not connected' };

/** Both ends of one chain. */
async function expectSame(host: Chain, tab: TabChain) {
  expect(tab.head).toEqual(host.head);
  expect(tab.ledger).toEqual(host.ledger);
  expect(tab.members).toEqual(host.members);
  expect(await tab.theta()).toEqual(await host.theta());
}

test('what the tab signs is remembered before it is handed over, and the head moves when the host has stored it', async () => {
  const w = await world();
  const memory = new Memory();
  const order: string[] = [];
  const { chain, waits } = await w.openTab(memory, {
    handOver: async () => {
      order.push(`handed over, ${memory.last.height} remembered, head ${chain.head.height}`);
      return { stored: true };
    },
  });
  await w.certify(chain, 0);
  expect(order).toEqual(['handed over, 1 remembered, head 0']);
  expect(memory.last).toMatchObject({ height: 1, stored: true });
  expect(memory.last.submissions).toHaveLength(2);
  expect(waits).toEqual([null]);
});

test('rounds go to the host, and another visit continues the chain', async () => {
  const w = await world();
  const memory = new Memory();
  const first = await w.openTab(memory);
  await w.certify(first.chain, 0);
  await w.certify(first.chain, 2);
  await expectSame(w.host.chain, first.chain);
  const again = await w.openTab(memory);
  await expectSame(w.host.chain, again.chain);
  await w.certify(again.chain, 3);
  await expectSame(w.host.chain, again.chain);
  expect(w.host.chain.head.height).toBe(3);
});

test('while the host is away the tab waits with the same bytes and signs nothing else', async () => {
  const w = await world();
  const memory = new Memory();
  const sent: Uint8Array[] = [];
  const { chain, waits } = await w.openTab(memory, {
    handOver: async (sealed) => {
      sent.push(sealed);
      return sent.length < 3 ? away : { stored: true };
    },
  });
  await w.certify(chain, 0);
  expect(sent).toHaveLength(3);
  expect(new Set(sent.map(toHex)).size).toBe(1);
  expect(waits).toEqual([away.detail, away.detail, null]);
});

test('closed before the host had it: the next visit hands the same certificate over again', async () => {
  const w = await world();
  const memory = new Memory();
  const first = await w.openTab(memory, {
    handOver: async () => {
      first.abort.abort();
      return away;
    },
  });
  await expect(w.certify(first.chain, 0)).rejects.toThrow();
  expect(first.chain.head.height).toBe(0);
  expect(w.host.chain.head.height).toBe(0);
  const signed = memory.last;
  expect(signed).toMatchObject({ height: 1, stored: false });

  const again = await w.openTab(memory);
  expect(toHex(w.host.chain.head.hash)).toBe(toHex(signed.hash));
  await expectSame(w.host.chain, again.chain);
  expect(memory.last.stored).toBe(true);
  expect(w.lines.join('\n')).toMatch(/the host lacks height 1/);
  await w.certify(again.chain, 1);
  await expectSame(w.host.chain, again.chain);
});

test('closed before it heard that the host had it: the next visit sees it in the chain', async () => {
  const w = await world();
  const memory = new Memory();
  const first = await w.openTab(memory);
  await w.certify(first.chain, 0);
  await memory.saveRecord({ ...memory.last, stored: false });
  const again = await w.openTab(memory);
  await expectSame(w.host.chain, again.chain);
  expect(memory.last).toMatchObject({ height: 1, stored: true });
  await w.certify(again.chain, 1);
  expect(w.host.chain.head.height).toBe(2);
});

test('a browser that cannot note that the host has it goes on: what is stored counts', async () => {
  const w = await world();
  class Full extends Memory {
    override async saveRecord(record: SignedRecord): Promise<void> {
      if (record.stored) throw new Error('the disk is full');
      return super.saveRecord(record);
    }
  }
  const { chain, conflicts } = await w.openTab(new Full());
  await w.certify(chain, 0);
  await w.certify(chain, 1);
  expect(conflicts).toEqual([]);
  await expectSame(w.host.chain, chain);
  expect(w.host.chain.head.height).toBe(2);
  expect(w.lines.join('\n')).toMatch(/could not be kept: the disk is full/);
});

test('two tabs with one key: the host takes one certificate of a height, the other tab ends and can start again', async () => {
  const w = await world();
  const [one, two] = [new Memory(), new Memory()];
  const first = await w.openTab(one);
  const second = await w.openTab(two);
  await w.certify(first.chain, 0);
  await expect(w.certify(second.chain, 1)).rejects.toThrow(SeatConflictError);
  expect(second.conflicts.map(({ conflict }) => conflict)).toEqual(['refused']);
  expect(w.host.chain.head).toEqual(first.chain.head);
  const again = await w.openTab(two);
  await expectSame(w.host.chain, again.chain);
  expect(w.lines.join('\n')).toMatch(/certified by another tab with this key/);
  // So that it can never be handed to a host from an old copy.
  expect(two.kept).toEqual([]);
});

test('a host from an old copy gets back what the tab remembers, at the next visit or while it validates', async () => {
  const w = await world();
  const memory = new Memory();
  const first = await w.openTab(memory);
  await w.certify(first.chain, 0);
  await w.certify(first.chain, 1);
  await w.restoreOldCopy();
  expect(w.host.chain.head.height).toBe(0);
  const again = await w.openTab(memory);
  await expectSame(w.host.chain, again.chain);
  expect(w.host.chain.head).toEqual(first.chain.head);

  await w.restoreOldCopy();
  await w.certify(again.chain, 2);
  await expectSame(w.host.chain, again.chain);
  expect(w.host.chain.head.height).toBe(3);
});

test('a host that lost more, or shows another chain than it stored, gets nothing signed', async () => {
  const w = await world();
  const memory = new Memory();
  const first = await w.openTab(memory);
  await w.certify(first.chain, 0);
  await w.certify(first.chain, 1);
  memory.kept = memory.kept.slice(-1);
  await w.restoreOldCopy();
  await expect(w.openTab(memory)).rejects.toMatchObject({ conflict: 'host-behind' });
  await expect(w.certify(first.chain, 2)).rejects.toMatchObject({ conflict: 'refused' });
  memory.kept = memory.kept.filter(({ stored }) => stored);
  // Somebody else with the key goes on from the old copy: a fork, which this tab has no part in.
  const other = await w.openTab(new Memory());
  await w.certify(other.chain, 4);
  await expect(w.openTab(memory)).rejects.toMatchObject({ conflict: 'forked' });
  await w.certify(other.chain, 5);
  await expect(w.openTab(memory)).rejects.toMatchObject({ conflict: 'forked' });
});
