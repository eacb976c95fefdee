/** Following a chain: order of delivery, gaps, forks, and that no state moves a head whose root it does not have. */
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { seal } from '../protocol/envelope.ts';
import { testHash, testIdentity } from '../protocol/testing.ts';
import { certify } from './certificate.ts';
import { ChainFollower, type ChainPorts, type Keep, type Link, OutOfSyncError } from './follower.ts';
import { testChain } from './testing.ts';
import { bytesOf, rootAfter, RootHolder, SignedChain, type SignedLink, thetaOf } from './testing-follower.ts';

const never = new AbortController().signal;
let chain: SignedChain;
/** Long enough for a state to be loaded anew rather than replayed. */
let long: SignedChain;

beforeAll(async () => {
  chain = await SignedChain.create(6);
  long = await SignedChain.create(200);
});

const follow = (of: SignedChain, ports: ChainPorts = of.ports(), events = {}) =>
  new ChainFollower(of.run, ports, events);

const offerAll = async (follower: ChainFollower, links: readonly SignedLink[]) => {
  const outcomes: string[] = [];
  for (const { message, certificate, opinions } of links)
    outcomes.push(await follower.offer(message, certificate, opinions));
  return outcomes;
};

describe('taking certificates', () => {
  test('in order they are new, again they are known, and nothing moves the head before it is applied', async () => {
    const follower = follow(chain);
    expect(await offerAll(follower, chain.links.slice(0, 3))).toEqual(['new', 'new', 'new']);
    expect(await offerAll(follower, chain.links.slice(0, 3))).toEqual(['known', 'known', 'known']);
    expect(follower.tip).toEqual(chain.states[3].head);
    expect(follower.head).toEqual(chain.states[0].head);
    expect(follower.last).toBeNull();
    expect(follower.behind).toBe(true);
  });

  test('whom one admits is known when it is checked, before it is applied', async () => {
    const ada = await testIdentity('ada');
    const { run, sealed, certificates } = await testChain(ada, { rounds: 1 });
    const follower = new ChainFollower(run, chain.ports());
    const known = () => [
      follower.admits(ada.publicKey, 1),
      follower.tipAdmits(ada.publicKey, 1),
      follower.tipKnows(ada.publicKey),
    ];
    expect(known()).toEqual([false, false, false]);
    expect(await follower.offer(certificates[0].message, sealed[0])).toBe('new');
    expect(known()).toEqual([false, true, true]);
    expect(follower.tipKnows(testHash('stranger'))).toBe(false);
    expect(follower.tipKnows(run.manifest.validators[0].key)).toBe(true);
    follower.followOnly();
    expect(known()).toEqual([true, true, true]);
  });

  test('two offers of the same certificate at once: one is new, the other known', async () => {
    const follower = follow(chain);
    const [first] = chain.links;
    const both = [0, 1].map(() => follower.offer(first.message, first.certificate));
    expect(await Promise.all(both)).toEqual(['new', 'known']);
    follower.followOnly();
    expect(follower.head).toEqual(chain.states[1].head);
  });

  test('one beyond the next is a gap, told so, and closed from the source', async () => {
    let gaps = 0;
    const ports = chain.ports({ perAsk: 2 });
    const follower = follow(chain, ports, { gap: () => gaps++ });
    expect(await offerAll(follower, [chain.links[4]])).toEqual(['gap']);
    expect(gaps).toBe(1);
    expect(follower.behind).toBe(false);
    await follower.catchUp(never);
    expect(follower.tip).toEqual(chain.state.head);
    expect(ports.asked).toEqual([1, 3, 5, 7]);
    expect(gaps).toBe(1);
  });

  test('catching up stops at the height that was asked for', async () => {
    const follower = follow(chain);
    await follower.catchUp(never, 4);
    expect(follower.tip.height).toBe(4);
  });

  test('what cannot be opened or does not fit is passed over, and ends it when nothing else comes', async () => {
    const good = chain.links[0];
    const other = await seal(chain.validator, {
      kind: 'no-certificate',
      failure: null,
      passedOver: new Uint8Array(0),
      run: chain.run.id,
      round: 0,
      refused: [],
    });
    let asked = 0;
    const links = async () => {
      asked++;
      const noise = { certificate: new Uint8Array([1, 2]), opinions: [] };
      return [noise, { certificate: other, opinions: [] }, chain.links[3], ...(asked === 1 ? [good] : [])];
    };
    const follower = follow(chain, { links });
    await follower.catchUp(never);
    expect(follower.tip.height).toBe(1);
    expect(asked).toBe(2);
  });

  test('a source that fails is the caller’s to hear of; what it gave before stays', async () => {
    const links = async (from: number) => {
      if (from > 2) throw new Error('the line is down');
      return chain.links.slice(0, 2);
    };
    const follower = follow(chain, { links });
    await expect(follower.catchUp(never)).rejects.toThrow('the line is down');
    expect(follower.tip.height).toBe(2);
  });

  test('a second certificate of one height, with a quorum, is a conflict and changes nothing', async () => {
    const conflicts: string[] = [];
    const follower = follow(chain, chain.ports(), { conflict: (detail: string) => conflicts.push(detail) });
    const { body } = chain.links[0].checked;
    const twin = await certify({ ...body, root: testHash('another future') }, [chain.validator]);
    await offerAll(follower, chain.links.slice(0, 1));
    expect(await follower.offer(twin, new Uint8Array())).toBe('bad');
    expect(conflicts).toHaveLength(1);
    expect(conflicts[0]).toContain('height 1');
    expect(follower.tip).toEqual(chain.states[1].head);
    // Without a quorum it proves nothing.
    const forged = await certify({ ...body, root: testHash('x') }, [await testIdentity('stranger')]);
    expect(await follower.offer(forged, new Uint8Array())).toBe('bad');
    expect(conflicts).toHaveLength(1);
  });

  test('forged ones are bad, whatever they say', async () => {
    const follower = follow(chain);
    const { body } = chain.links[0].checked;
    for (const change of [
      { baseRoot: testHash('x') },
      { previous: testHash('x') },
      { issued: 7 },
      { credits: [] },
    ]) {
      const forged = await certify({ ...body, ...change }, [chain.validator]);
      expect(await follower.offer(forged, new Uint8Array())).toBe('bad');
    }
    expect(follower.behind).toBe(false);
  });

  test('who holds no state follows what it checked', async () => {
    const heads: number[] = [];
    const head = ({ certificate }: Link) => heads.push(certificate.body.height);
    const follower = follow(chain, chain.ports(), { head });
    await follower.catchUp(never);
    follower.followOnly();
    expect(follower.state).toEqual(chain.state);
    expect(heads).toEqual([1, 2, 3, 4, 5, 6]);
    expect(follower.last?.sealed).toBe(chain.links[5].certificate);
    expect(follower.last?.opinions).toBe(chain.links[5].opinions);
    expect(follower.recent(3)?.body.height).toBe(4);
    expect(follower.recent(99)).toBeNull();
    expect(follower.ledger).toEqual(chain.state.ledger);
    expect(follower.members).toEqual(chain.state.members);
    expect(follower.admits(testHash('ana'), 9)).toBe(false);
  });
});

describe('waiting', () => {
  test('ends with a certificate, at once when there is one, and when it is called off', async () => {
    const follower = follow(chain);
    let woken = 0;
    const waits = [0, 1].map(() => follower.waitForNew(never).then(() => woken++));
    await Promise.resolve();
    expect(woken).toBe(0);
    await offerAll(follower, chain.links.slice(0, 1));
    await Promise.all(waits);
    expect(woken).toBe(2);
    await follower.waitForNew(never);
    const idle = follow(chain);
    const stop = new AbortController();
    const wait = idle.waitForNew(stop.signal);
    stop.abort();
    await wait;
    await idle.waitForNew(stop.signal);
  });

  test('a certificate that does not fit wakes nobody', async () => {
    const follower = follow(chain);
    let woken = false;
    const stop = new AbortController();
    const wait = follower.waitForNew(stop.signal).then(() => (woken = true));
    await offerAll(follower, [chain.links[2]]);
    expect(woken).toBe(false);
    stop.abort();
    await wait;
  });
});

describe.each([
  ['atomic', true],
  ['not atomic', false],
])('a holder that is %s', (_, atomic) => {
  test('gets exactly the certified work, and the head moves with it', async () => {
    const { follower, holder } = await loaded(atomic);
    await follower.catchUp(never);
    await follower.applyPending(holder, never);
    expect(follower.state).toEqual(chain.state);
    expect(holder.has(chain.state.head.root)).toBe(true);
    expect(holder.loads).toBe(1);
    expect(follower.behind).toBe(false);
  });

  test('whose root differs from the certified one never moves the head', async () => {
    const { follower, holder } = await loaded(atomic);
    const before = follower.state;
    await offerAll(follower, chain.links.slice(0, 2));
    holder.wrong = true;
    const failed = await follower.applyPending(holder, never).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(OutOfSyncError);
    expect(failed).toMatchObject({ code: 'root-differs', height: 1 });
    expect(follower.state).toBe(before);
    expect(follower.last).toBeNull();
    expect(holder.commits).toBe(0);
  });

  test('is not moved by a certificate whose root nobody’s work gives', async () => {
    const liar = await SignedChain.create(1);
    const lie = await liar.next('', testHash('made up'));
    const ports = liar.ports({ states: [1] });
    const { follower, holder } = await loaded(atomic, liar, ports);
    await offerAll(follower, [liar.links[0]]);
    await follower.applyPending(holder, never);
    await offerAll(follower, [lie]);
    for (let i = 0; i < 3; i++) {
      if (!follower.behind) await offerAll(follower, [lie]);
      await expect(follower.applyPending(holder, never)).rejects.toThrow(OutOfSyncError);
      expect(follower.head).toEqual(liar.states[1].head);
    }
    if (atomic) expect(holder.has(liar.states[1].head.root)).toBe(true);
  });

  test('with missing work stays, and goes on when the work is there', async () => {
    let missing = true;
    const ports: ChainPorts = {
      ...chain.ports(),
      states: () => chain.offers([0]),
      work: async (entry) => {
        if (missing) throw new Error('nobody has it');
        return bytesOf(entry);
      },
    };
    const { follower, holder } = await loaded(atomic, chain, ports);
    await offerAll(follower, chain.links);
    await expect(follower.applyPending(holder, never)).rejects.toThrow('nobody has it');
    expect(follower.head.height).toBe(0);
    expect(holder.staged).toBe(0);
    missing = false;
    await follower.applyPending(holder, never);
    expect(follower.state).toEqual(chain.state);
  });

  test('is not touched after it was called off', async () => {
    const stop = new AbortController();
    const ports: ChainPorts = {
      ...chain.ports(),
      states: () => chain.offers([0]),
      work: async (entry) => {
        stop.abort();
        return bytesOf(entry);
      },
    };
    const { follower, holder } = await loaded(atomic, chain, ports);
    await offerAll(follower, chain.links.slice(0, 1));
    await expect(follower.applyPending(holder, stop.signal)).rejects.toThrow('aborted');
    expect(holder.staged).toBe(0);
    expect(follower.head.height).toBe(0);
  });
});

/** A follower at genesis whose holder has loaded that state, before any certificate came. */
async function loaded(atomic: boolean, of = chain, ports: ChainPorts = of.ports({ states: [0] })) {
  const source: ChainPorts = { ...ports };
  let open = false;
  const follower = follow(of, {
    ...source,
    links: async (from, signal) => (open ? source.links(from, signal) : []),
    states: (signal) => (open ? (source.states?.(signal) ?? of.offers([])) : of.offers([0])),
  });
  const holder = new RootHolder(of.run, atomic);
  await follower.applyPending(holder, never);
  open = true;
  return { follower, holder };
}

describe('a root that differs', () => {
  test('an atomic holder keeps its state; the certificate is dropped, and a true one is taken', async () => {
    const { follower, holder } = await loaded(true);
    await offerAll(follower, chain.links.slice(0, 3));
    holder.wrong = true;
    await expect(follower.applyPending(holder, never)).rejects.toThrow('applying height 1');
    expect(follower.behind).toBe(false);
    expect(follower.tip).toEqual(chain.states[0].head);
    holder.wrong = false;
    await follower.catchUp(never);
    await follower.applyPending(holder, never);
    expect(follower.state).toEqual(chain.state);
    expect(holder.loads).toBe(1);
  });

  test('one that is not atomic starts again from a certified state', async () => {
    const { follower, holder } = await loaded(false, chain, chain.ports({ states: [2] }));
    await offerAll(follower, chain.links.slice(0, 3));
    holder.wrong = true;
    await expect(follower.applyPending(holder, never)).rejects.toThrow('applying height 1');
    holder.wrong = false;
    await follower.applyPending(holder, never);
    expect(holder.loads).toBe(2);
    expect(follower.state).toEqual(chain.state);
    expect(holder.has(chain.state.head.root)).toBe(true);
  });
});

describe('keeping a link', () => {
  test('the head moves when it is kept; when that fails all is as before, and a second try works', async () => {
    const { follower, holder } = await loaded(true);
    await offerAll(follower, chain.links.slice(0, 2));
    const before = follower.state;
    const fail: Keep = () => Promise.reject(new Error('the disk is full'));
    await expect(follower.applyPending(holder, never, fail)).rejects.toThrow('the disk is full');
    expect(follower.state).toBe(before);
    expect(follower.last).toBeNull();
    expect(holder.has(chain.states[0].head.root)).toBe(true);
    const kept: [number, string, number][] = [];
    await follower.applyPending(holder, never, async (link, staged, work) => {
      // Nothing has moved yet.
      expect(follower.head.height).toBe(link.certificate.body.height - 1);
      expect(new Uint8Array((await staged.theta()).buffer.slice(0, 32))).toEqual(link.certificate.body.root);
      kept.push([link.certificate.body.height, toHex(staged.root), work.length]);
    });
    expect(kept).toEqual([
      [1, toHex(chain.states[1].head.root), 1],
      [2, toHex(chain.states[2].head.root), 1],
    ]);
    expect(follower.head).toEqual(chain.states[2].head);
  });

  test('a failure in the middle keeps what was kept before it', async () => {
    const { follower, holder } = await loaded(true);
    await offerAll(follower, chain.links);
    const keep: Keep = async ({ certificate }) => {
      if (certificate.body.height === 3) throw new Error('the disk is full');
    };
    await expect(follower.applyPending(holder, never, keep)).rejects.toThrow('the disk is full');
    expect(follower.state).toEqual(chain.states[2]);
    expect(holder.has(chain.states[2].head.root)).toBe(true);
    await follower.applyPending(holder, never, async () => {});
    expect(follower.state).toEqual(chain.state);
  });

  test('two calls at once end as one does', async () => {
    const { follower, holder } = await loaded(true);
    await offerAll(follower, chain.links);
    await Promise.all([follower.applyPending(holder, never), follower.applyPending(holder, never)]);
    expect(follower.state).toEqual(chain.state);
    expect(holder.has(chain.state.head.root)).toBe(true);
  });
});

describe('a link made here', () => {
  const make = async (holder: RootHolder, link: SignedLink) => {
    const work = link.checked.body.accepted.map(bytesOf);
    const weights = link.checked.body.accepted.map(({ weight }, i) => ({ bytes: work[i], weight }));
    const made: Link = { certificate: link.checked, sealed: link.certificate, opinions: [] };
    return { link: made, staged: await holder.stage(weights), work };
  };
  const kept: Keep = async () => {};

  test('is kept and becomes the head', async () => {
    const own = await SignedChain.create();
    const { follower, holder } = await loaded(true, own);
    const { link, staged, work } = await make(holder, await own.extend());
    await follower.append(link, staged, work, kept);
    expect(follower.state).toEqual(own.state);
    expect(follower.last).toBe(link);
    expect(holder.has(own.state.head.root)).toBe(true);
  });

  test('that cannot be kept changes nothing, and can be tried again', async () => {
    const own = await SignedChain.create();
    const { follower, holder } = await loaded(true, own);
    const { link, staged, work } = await make(holder, await own.extend());
    const fail: Keep = () => Promise.reject(new Error('the disk is full'));
    await expect(follower.append(link, staged, work, fail)).rejects.toThrow('the disk is full');
    expect(follower.state).toEqual(own.states[0]);
    expect(holder.has(own.states[0].head.root)).toBe(true);
    await follower.append(link, staged, work, kept);
    expect(follower.state).toEqual(own.state);
  });

  test('whose root is not that of the work, or that does not follow, is not even kept', async () => {
    const own = await SignedChain.create(1);
    const { follower, holder } = await loaded(true, own);
    const noKeep: Keep = () => Promise.reject(new Error('was asked to keep it'));
    const lie = await make(holder, own.links[0]);
    const staged = { ...lie.staged, root: testHash('another') };
    await expect(follower.append(lie.link, staged, lie.work, noKeep)).rejects.toMatchObject({
      code: 'root-differs',
      height: 1,
    });
    const next = await own.next();
    const { accepted } = next.checked.body;
    const work = accepted.map((entry) => ({ bytes: bytesOf(entry), weight: entry.weight }));
    const applied = { ...lie.staged, root: rootAfter(own.state.head.root, work) };
    const later: Link = { certificate: next.checked, sealed: next.certificate, opinions: [] };
    await expect(follower.append(later, applied, [], noKeep)).rejects.toThrow('does not follow height 0');
    expect(follower.state).toEqual(own.states[0]);
    expect(holder.commits).toBe(0);
  });
});

describe('states to start from', () => {
  const start = async (of: SignedChain, states: ChainPorts['states'], atomic = true) => {
    const follower = follow(of, { ...of.ports({ perAsk: 50 }), states });
    const holder = new RootHolder(of.run, atomic);
    const outcome = await follower.applyPending(holder, never).then(
      () => null,
      (error: unknown) => error,
    );
    return { follower, holder, outcome };
  };

  test('the newest is taken, and nothing before it replayed', async () => {
    const { follower, holder, outcome } = await start(long, () => long.offers([198]));
    expect(outcome).toBeNull();
    expect(holder).toMatchObject({ loads: 1, staged: 2 });
    expect(follower.state).toEqual(long.state);
    expect(holder.has(long.state.head.root)).toBe(true);
  });

  test.each([true, false])(
    'a damaged one is passed over for an older one, whose later links are replayed',
    async (atomic) => {
      const states = async function* () {
        yield { height: 200, theta: thetaOf(testHash('damaged'), long.run.layout.elements) };
        yield { height: 199, theta: new Int32Array(3) };
        yield { height: 5000, theta: long.theta(200) };
        yield { height: 12, theta: long.theta(12) }; // no certificate that is kept covers it
        yield* long.offers([195]);
      };
      const { follower, holder, outcome } = await start(long, states, atomic);
      expect(outcome).toBeNull();
      expect(holder.loads).toBe(2);
      expect(holder.staged).toBe(5);
      expect(follower.state).toEqual(long.state);
      expect(holder.has(long.state.head.root)).toBe(true);
    },
  );

  test('none that is good: out of sync, with the reasons, and the next call tries again', async () => {
    let good = false;
    const states = async function* () {
      if (good) yield* chain.offers([6]);
      else yield { height: 6, theta: chain.theta(5) };
    };
    const { follower, holder, outcome } = await start(chain, states);
    expect(outcome).toMatchObject({ name: 'OutOfSyncError', code: 'no-state', height: 6 });
    expect(String(outcome)).toContain('the state of height 6 does not have the certified root');
    expect(follower.head.height).toBe(0);
    good = true;
    await follower.applyPending(holder, never);
    expect(follower.state).toEqual(chain.state);
  });

  test('nobody offers one', async () => {
    for (const states of [undefined, () => chain.offers([])]) {
      const { outcome } = await start(chain, states);
      expect(String(outcome)).toContain('nobody offers a certified state');
    }
  });

  test('genesis has the manifest’s root, and another is not taken for it', async () => {
    const lie = async function* () {
      yield { height: 0, theta: chain.theta(1) };
    };
    expect((await start(chain, lie)).outcome).toMatchObject({ code: 'no-state' });
    const { follower, holder } = await start(chain, () => chain.offers([0]));
    expect(holder.staged).toBe(6);
    expect(follower.state).toEqual(chain.state);
  });

  test('a state whose later work gives another root is not the end: the next one is tried', async () => {
    const states = async function* () {
      yield* long.offers([190]);
      yield* long.offers([200]);
    };
    let asked = 0;
    const follower = follow(long, {
      ...long.ports({ perAsk: 50 }),
      states,
      work: async (entry) => (asked++ === 2 ? testHash('other bytes') : bytesOf(entry)),
    });
    const holder = new RootHolder(long.run, false);
    // The links before 190 are known already, as after a lost device.
    await follower.catchUp(never);
    follower.followOnly();
    await follower.applyPending(holder, never);
    expect(holder.loads).toBe(2);
    expect(follower.state).toEqual(long.state);
    expect(holder.has(long.state.head.root)).toBe(true);
  });

  test('after a lost device the state is loaded again, and the head stays where it was', async () => {
    const { follower, holder } = await start(chain, () => chain.offers([4]));
    const fresh = new RootHolder(chain.run, false);
    follower.forgetState();
    await follower.applyPending(fresh, never);
    expect(fresh.has(chain.state.head.root)).toBe(true);
    expect(follower.state).toEqual(chain.state);
    expect(holder.loads).toBe(1);
  });

  test('far behind a checkpoint is taken; bad ones leave a holder that is not trusted', async () => {
    let offers: ChainPorts['states'] = () => long.offers([0]);
    let known = 0;
    const follower = follow(long, {
      ...long.ports(),
      links: async (from) => long.links.slice(from - 1, known),
      states: (signal) => offers?.(signal) ?? long.offers([]),
    });
    const holder = new RootHolder(long.run, true);
    await follower.applyPending(holder, never);
    await offerAll(follower, long.links.slice(0, 9));
    known = 9;
    offers = async function* () {
      yield { height: 9, theta: thetaOf(testHash('damaged'), long.run.layout.elements) };
    };
    await expect(follower.applyPending(holder, never)).rejects.toMatchObject({ code: 'no-state' });
    expect(follower.head.height).toBe(0);
    // What it holds now is the damaged one: even to keep links, a state is loaded first.
    offers = () => long.offers([7]);
    await follower.applyPending(holder, never, async () => {});
    expect(follower.head).toEqual(long.states[9].head);
    expect(holder.has(long.states[9].head.root)).toBe(true);
  });

  test('far behind with nobody to offer a checkpoint: the work since is applied', async () => {
    let offered = [0];
    const follower = follow(long, {
      ...long.ports(),
      links: async () => [],
      states: () => long.offers(offered),
    });
    const holder = new RootHolder(long.run, false);
    await follower.applyPending(holder, never);
    offered = [];
    await offerAll(follower, long.links.slice(0, 12));
    await follower.applyPending(holder, never);
    expect(follower.head).toEqual(long.states[12].head);
    expect(holder.loads).toBe(1);
  });
});

test('a long chain before any state is loaded: only the newest links wait, and nothing is lost', async () => {
  const heads: number[] = [];
  const follower = follow(long, long.ports({ perAsk: 50, states: [195] }), {
    head: ({ certificate }: Link) => heads.push(certificate.body.height),
  });
  await follower.catchUp(never);
  expect(follower.tip.height).toBe(200);
  // All but the last 64 were let go of.
  expect(follower.head).toEqual(long.states[136].head);
  expect(follower.recent(0)).toBeNull();
  expect(follower.recent(135)).not.toBeNull();
  const holder = new RootHolder(long.run, true);
  await follower.applyPending(holder, never);
  expect(follower.state).toEqual(long.state);
  expect(heads).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  expect(holder.staged).toBe(5);
});

test('in whatever order certificates come, once or many times, everybody ends with the same head and ledger', async () => {
  const kinds = fc.constantFrom('atomic', 'not atomic', 'none');
  const delivery = fc.array(fc.nat(chain.links.length - 1), { maxLength: 20 });
  const applyAfter = fc.array(fc.boolean(), { minLength: 20, maxLength: 20 });
  const peer = fc.record({ kind: kinds, delivery, applyAfter });
  await fc.assert(
    fc.asyncProperty(fc.array(peer, { minLength: 1, maxLength: 3 }), async (peers) => {
      for (const { kind, delivery: order, applyAfter: apply } of peers) {
        const ports = chain.ports({ perAsk: 2, states: [3, 0] });
        const follower = follow(chain, ports);
        const holder = kind === 'none' ? null : new RootHolder(chain.run, kind === 'atomic');
        const use = async () => {
          if (holder === null) follower.followOnly();
          else await follower.applyPending(holder, never);
          if (holder !== null) expect(holder.has(follower.head.root)).toBe(true);
        };
        for (const [i, at] of order.entries()) {
          const { message, certificate } = chain.links[at];
          const outcome = await follower.offer(message, certificate);
          const tip = follower.tip.height;
          if (outcome === 'new') expect(tip).toBe(at + 1);
          if (outcome === 'gap') expect(at).toBeGreaterThan(tip);
          if (outcome === 'known') expect(at).toBeLessThan(tip);
          if (apply[i]) await use();
        }
        await follower.catchUp(never);
        await use();
        expect(follower.head).toEqual(chain.state.head);
        expect(follower.ledger).toEqual(chain.state.ledger);
        expect(follower.members).toEqual(chain.state.members);
      }
    }),
    { numRuns: 60 },
  );
});
