/** The blob protocol between real libp2p nodes on loopback, honest and hostile ones. */
import type { Connection, Stream } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import type { Libp2p } from 'libp2p';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bytesEqual } from '../protocol/bytes.ts';
import { BLOB_PROTOCOL, BlobExchange, encodeAnswer, encodeQuestion } from './blobs.ts';
import { PIECE_BYTES } from './limits.ts';
import { Meter } from './meter.ts';
import { createTestNode, EndlessPatience, testBlob } from './testing.ts';
import { BlobUnavailableError } from './types.ts';

interface Peer {
  node: Libp2p;
  id: string;
  meter: Meter;
  blobs: BlobExchange;
  abuse: string[];
}

const nodes: Libp2p[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop();
});

let patience: EndlessPatience;
beforeEach(() => {
  patience = new EndlessPatience();
});

async function peer(): Promise<Peer> {
  const node = await createTestNode();
  nodes.push(node);
  const meter = new Meter();
  const abuse: string[] = [];
  const blobs = new BlobExchange({
    node,
    meter,
    onAbuse: (id, reason) => abuse.push(`${id} ${reason}`),
    patience,
  });
  return { node, id: node.peerId.toString(), meter, blobs, abuse };
}

const link = (from: Peer, to: Peer): Promise<Connection> => from.node.dial(to.node.getMultiaddrs());

/** A peer that answers each question with what `answer` says; null is silence, at which all patience runs out. */
async function hostile(answer: (question: Uint8Array) => Uint8Array | null): Promise<Peer> {
  const made = await peer();
  await made.node.handle(BLOB_PROTOCOL, async (stream: Stream) => {
    try {
      const lp = lpStream(stream);
      for (let silent = false; ; ) {
        const question = (await lp.read()).subarray();
        const bytes = answer(question);
        if (bytes !== null) await lp.write(bytes);
        else if (!silent) {
          silent = true;
          patience.runOut(offsetOf(question) === 0 ? 'first piece' : 'piece');
        }
      }
    } catch {
      // The other side hung up, as it should.
    }
  });
  return made;
}

const offsetOf = (question: Uint8Array): number =>
  new DataView(question.buffer, question.byteOffset).getUint32(32);

describe('fetch', () => {
  let me: Peer;
  let good: Peer;
  beforeEach(async () => {
    me = await peer();
    good = await peer();
    await good.blobs.start();
    await link(me, good);
  });

  it.each([1, PIECE_BYTES, PIECE_BYTES + 1, 20 * PIECE_BYTES - 3])(
    'brings %i bytes and counts them on both sides',
    async (size) => {
      const { hash, bytes } = await testBlob(size);
      good.blobs.serve(hash, bytes);
      const got = await me.blobs.fetch(hash, [() => [good.id]], { size });
      expect(bytesEqual(got, bytes)).toBe(true);
      const pieces = Math.ceil(size / PIECE_BYTES);
      const mine = me.meter.traffic();
      expect(mine.bytesIn).toEqual({ direct: 0, relayed: 0, host: size + 5 * pieces });
      expect(mine.bytesOut).toEqual({ direct: 0, relayed: 0, host: 40 * pieces });
      expect(me.meter.peer(good.id, 'blob')).toEqual({ in: size + 5 * pieces, out: 40 * pieces });
    },
  );

  it('answers from its own store without a peer', async () => {
    const { hash, bytes } = await testBlob(1000);
    me.blobs.serve(hash, bytes);
    expect(bytesEqual(await me.blobs.fetch(hash, [() => []], { size: 1000 }), bytes)).toBe(true);
    me.blobs.forget(hash);
    await expect(me.blobs.fetch(hash, [() => []], { size: 1000 })).rejects.toThrow(/no peer is connected/);
  });

  it('says who did what when nobody has it, and blames nobody', async () => {
    const { hash } = await testBlob(1000);
    for (let i = 0; i < 5; i++) {
      const fetch = me.blobs.fetch(hash, [() => [good.id, 'not-a-peer']], { size: 1000 });
      await expect(fetch).rejects.toBeInstanceOf(BlobUnavailableError);
      await expect(fetch).rejects.toThrow(`…${good.id.slice(-6)} missing`);
      await expect(fetch).rejects.toThrow('…a-peer unreachable');
    }
    expect(me.abuse).toEqual([]);
  });

  it('refuses sizes that no blob may have before it asks anybody', async () => {
    const { hash } = await testBlob(10);
    for (const size of [0, -1, 1.5, Number.NaN, 2 ** 31])
      await expect(me.blobs.fetch(hash, [() => [good.id]], { size })).rejects.toBeInstanceOf(
        BlobUnavailableError,
      );
    expect(me.meter.traffic().bytesOut.host).toBe(0);
  });

  it("stops with the signal's reason", async () => {
    const silent = await hostile(() => null);
    await link(me, silent);
    const { hash } = await testBlob(10);
    const stop = new AbortController();
    const fetch = me.blobs.fetch(hash, [() => [silent.id]], { size: 10, signal: stop.signal });
    stop.abort(new Error('round over'));
    await expect(fetch).rejects.toThrow('round over');
  });

  const size = 3 * PIECE_BYTES;
  const hostiles: [string, RegExp, (bytes: Uint8Array) => (question: Uint8Array) => Uint8Array | null][] = [
    [
      'other bytes under the hash',
      /wrong-bytes/,
      (bytes) => (q) =>
        encodeAnswer(0, size, bytes.map((b) => b ^ 1).subarray(offsetOf(q), offsetOf(q) + PIECE_BYTES)),
    ],
    ['a total of 4 GiB', /wrong-bytes/, () => () => encodeAnswer(0, 0xffffffff, new Uint8Array(PIECE_BYTES))],
    ['a short piece', /malformed/, () => () => encodeAnswer(0, size, new Uint8Array(PIECE_BYTES - 1))],
    ['an empty piece', /malformed/, () => () => encodeAnswer(0, size, new Uint8Array(0))],
    ['an empty answer', /malformed/, () => () => new Uint8Array(0)],
    ['an unknown status', /malformed/, () => () => encodeAnswer(77, size, new Uint8Array(PIECE_BYTES))],
    [
      'an answer over the limit',
      /malformed/,
      () => () => encodeAnswer(0, size, new Uint8Array(PIECE_BYTES + 1)),
    ],
    [
      'silence after the first piece',
      /stalled/,
      (bytes) => (q) => (offsetOf(q) === 0 ? encodeAnswer(0, size, bytes.subarray(0, PIECE_BYTES)) : null),
    ],
    ['silence', /stalled/, () => () => null],
  ];
  it.each(hostiles)('goes on to the next source after %s', async (_name, fault, make) => {
    const { hash, bytes } = await testBlob(size);
    const bad = await hostile(make(bytes));
    await link(me, bad);
    await expect(me.blobs.fetch(hash, [() => [bad.id]], { size })).rejects.toThrow(fault);
    patience.last();
    good.blobs.serve(hash, bytes);
    const got = await me.blobs.fetch(hash, [() => [bad.id, good.id]], { size });
    expect(bytesEqual(got, bytes)).toBe(true);
  });

  it('reports a peer that serves wrong bytes three times, and none that stalls or lacks', async () => {
    const { hash, bytes } = await testBlob(100);
    const liar = await hostile(() => encodeAnswer(0, 100, bytes.toReversed()));
    const silent = await hostile(() => null);
    await link(me, liar);
    await link(me, silent);
    for (let i = 0; i < 3; i++) {
      expect(me.abuse).toEqual([]);
      await expect(me.blobs.fetch(hash, [() => [liar.id]], { size: 100 })).rejects.toThrow(/wrong-bytes/);
      await expect(me.blobs.fetch(hash, [() => [silent.id]], { size: 100 })).rejects.toThrow(/stalled/);
      patience.last();
    }
    expect(me.abuse).toEqual([`${liar.id} served wrong blob bytes 3 times`]);
  });

  it('asks a peer that stalled last from then on', async () => {
    const { hash, bytes } = await testBlob(100);
    let questions = 0;
    const silent = await hostile(() => {
      questions++;
      return null;
    });
    await link(me, silent);
    await expect(me.blobs.fetch(hash, [() => [silent.id]], { size: 100 })).rejects.toThrow(/stalled/);
    patience.last();
    expect(questions).toBe(1);
    good.blobs.serve(hash, bytes);
    await me.blobs.fetch(hash, [() => [silent.id, good.id]], { size: 100 });
    expect(questions).toBe(1);
  });
});

describe('serve', () => {
  let asker: Peer;
  let server: Peer;
  let stream: Stream;
  const blobSize = 2 * PIECE_BYTES;
  beforeEach(async () => {
    asker = await peer();
    server = await peer();
    await server.blobs.start();
    stream = await (await link(asker, server)).newStream(BLOB_PROTOCOL);
  });

  it('never answers with more than a piece, whatever is asked', async () => {
    const { hash, bytes } = await testBlob(blobSize);
    server.blobs.serve(hash, bytes);
    const lp = lpStream(stream);
    await lp.write(encodeQuestion(hash, 0, 0xffffffff));
    expect((await lp.read()).byteLength).toBe(PIECE_BYTES + 5);
    await lp.write(encodeQuestion(hash, blobSize - 10, PIECE_BYTES));
    expect((await lp.read()).byteLength).toBe(15);
  });

  it('says "not here" and stays open', async () => {
    const { hash } = await testBlob(10);
    const lp = lpStream(stream);
    for (let i = 0; i < 3; i++) {
      await lp.write(encodeQuestion(hash, 0, 10));
      expect([...(await lp.read()).subarray()]).toEqual([1, 0, 0, 0, 0]);
    }
  });

  it('lets one peer have a blob four times, then says "not here" to it', async () => {
    const { hash, bytes } = await testBlob(100);
    server.blobs.serve(hash, bytes);
    const lp = lpStream(stream);
    const lengths: number[] = [];
    for (let i = 0; i < 6; i++) {
      await lp.write(encodeQuestion(hash, 0, 100));
      lengths.push((await lp.read()).byteLength);
    }
    expect(lengths).toEqual([105, 105, 105, 105, 5, 5]);
    const other = await peer();
    await link(other, server);
    expect(bytesEqual(await other.blobs.fetch(hash, [() => [server.id]], { size: 100 }), bytes)).toBe(true);
  });

  const nonsense: [string, (hash: Uint8Array) => Uint8Array][] = [
    ['an empty question', () => new Uint8Array(0)],
    ['a short question', () => new Uint8Array(39)],
    ['a long question', () => new Uint8Array(1_000_000)],
    ['an offset past the end', (hash) => encodeQuestion(hash, blobSize, 1)],
  ];
  it.each(nonsense)('hangs up on %s', async (_name, make) => {
    const { hash, bytes } = await testBlob(blobSize);
    server.blobs.serve(hash, bytes);
    const lp = lpStream(stream);
    await lp.write(make(hash)).catch(() => {});
    await expect(lp.read()).rejects.toThrow();
  });

  it('hangs up on a flood of questions nobody reads the answers of', async () => {
    const { hash, bytes } = await testBlob(blobSize);
    server.blobs.serve(hash, bytes);
    const closed = new Promise((resolve) => stream.addEventListener('close', resolve));
    const question = encodeQuestion(hash, 0, PIECE_BYTES);
    const framed = new Uint8Array(41 * 4000);
    for (let i = 0; i < 4000; i++) framed.set([40, ...question], 41 * i);
    stream.send(framed);
    await closed;
    expect(server.meter.traffic().bytesOut.host).toBeLessThan(64 * PIECE_BYTES);
  });

  it('refuses to be given an empty blob or a hash of another length', async () => {
    const { hash } = await testBlob(10);
    expect(() => server.blobs.serve(hash, new Uint8Array(0))).toThrow(RangeError);
    expect(() => server.blobs.serve(hash.subarray(1), new Uint8Array(1))).toThrow(RangeError);
  });
});
