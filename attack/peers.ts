/** The two kinds of peers of a run: honest contributors, which are what ships, and identities that follow a behaviour. */
import type { ChainHead } from '../src/chain/certificate.ts';
import type { Contributor } from '../src/peer/contributor.ts';
import { Participant, type Stay } from '../src/peer/participant.ts';
import type { Trouble } from '../src/peer/reasons.ts';
import { workWith } from '../src/peer/roles.ts';
import { bytesEqual, sha256Sync, toHex } from '../src/protocol/bytes.ts';
import { seal } from '../src/protocol/envelope.ts';
import type { Identity } from '../src/protocol/identity.ts';
import { solveJoin } from '../src/protocol/join.ts';
import type { Message, MessageOf } from '../src/protocol/messages.ts';
import { sealOf } from '../src/protocol/seal.ts';
import type { SimHost } from '../src/sim/host.ts';
import type { MemoryNetwork } from '../src/sim/memory-network.ts';
import { simPlatform } from '../src/sim/platform.ts';
import type { VirtualClock } from '../src/sim/virtual-clock.ts';
import { randomSource } from '../src/sparseloco/testing.ts';
import type { Swarm } from '../src/swarm/types.ts';
import { partBytes } from '../src/training/carry.ts';
import { encodeAnswer, encodeClaim } from '../src/work/pretrain/claim.ts';
import type { AttackRound, Attacker, OthersWork, SubmitOptions } from './behaviour.ts';
import type { Workshop } from './lab.ts';
import { LabTrainer } from './trainer.ts';
import type { Act, RoundResult, RoundView, Served } from './view.ts';
import { Worker } from './worker.ts';

/** Inner steps of honest devices, as shares of the most that count: two strong ones, two laptops, a phone. */
export const DEVICES = [1, 1, 0.75, 0.5, 0.25];
/** Before the commit deadline, ms of swarm time: after all honest peers. */
const ATTACKERS_COMMIT = 500;
const REVEAL_AFTER = 100;
/** Rounds for which attackers serve what they said they would. */
const SERVED_ROUNDS = 3;

/** The world that all peers of a run are in. */
export interface World {
  readonly lab: Workshop;
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly host: SimHost;
}

/** The shipped contributor on a device of some speed. */
export class HonestPeer {
  readonly identity: Identity;
  readonly peerId: string;
  readonly troubles: Trouble[] = [];
  /** Rejects with what it gave up for. */
  readonly done: Promise<void>;
  readonly #world: World;
  readonly #trainer: LabTrainer;
  readonly #leaving = new AbortController();
  #contributor: Contributor | null = null;

  constructor(world: World, identity: Identity, index: number) {
    const { lab, clock, network, host } = world;
    this.#world = world;
    this.identity = identity;
    this.peerId = `honest ${index}`;
    const share = DEVICES[index % DEVICES.length];
    this.#trainer = new LabTrainer({
      lab,
      clock,
      contributor: identity.publicKey,
      steps: Math.max(1, Math.round(share * lab.run.manifest.task.training.maxInnerSteps)),
      index,
    });
    const platform = simPlatform({ network, host, name: this.peerId, identity });
    const participant = new Participant({
      platform,
      host: host.for(platform.clock),
      random: randomSource(index),
      events: {
        trouble: (trouble) => this.troubles.push(trouble),
        cleared: () => {},
        noCertificate: (message) => this.#contributor?.noCertificate(message),
      },
    });
    const { signal } = this.#leaving;
    // Nobody here looks at signs of life, and each costs everybody a signature.
    const self = null;
    this.done = participant.stay(
      { self },
      async (stay) => {
        await participant.retrying(signal, () => stay.follower.catchUp(signal));
        await participant.retrying(signal, () => this.#work(stay));
      },
      signal,
    );
    this.done.catch(() => {}); // heard where the run ends
  }

  leave(): void {
    this.#leaving.abort();
  }

  /** What it hands in this round: its work, done once, whoever asks first. */
  async work(round: number, { root, height }: ChainHead): Promise<OthersWork> {
    const { bytes, tokens, innerSteps, carry } = await this.#trainer.workFor(round, root, height);
    return { contributor: this.identity.publicKey, bytes, tokens, innerSteps, carry };
  }

  #work(stay: Stay): Promise<void> {
    const { lab } = this.#world;
    const hooks = {
      activity: () => {},
      lost: () => {},
      progress: () => {},
      work: () => {},
      working: (at: { readonly contributor: Contributor } | null) => {
        this.#contributor = at?.contributor ?? null;
      },
    };
    return workWith(stay, this.#trainer, hooks, this.#leaving.signal, (round) => lab.beacon(round));
  }
}

export interface DishonestOptions {
  readonly world: World;
  readonly identity: Identity;
  readonly index: number;
  /** Name of the behaviour. */
  readonly name: string;
  readonly attacker: Attacker;
  readonly honest: readonly HonestPeer[];
  /** What the last certificate applied. */
  readonly certified: () => readonly OthersWork[];
}

/** One identity of an attack, with its place in the swarm. */
export class DishonestPeer {
  readonly identity: Identity;
  readonly #worker: Worker;
  readonly #o: DishonestOptions;
  readonly #swarm: Swarm;
  /** Bytes that it serves under hashes that are not theirs. */
  readonly #lies = new Map<string, Uint8Array>();
  readonly #served: { readonly round: number; readonly forget: () => void }[] = [];

  constructor(options: DishonestOptions) {
    const { world, identity, index } = options;
    this.identity = identity;
    this.#o = options;
    this.#worker = new Worker(world.lab, identity);
    this.#swarm = world.network.join(`dishonest ${index}`, { answer: (hash) => this.#lies.get(toHex(hash)) });
  }

  /** What its behaviour does in this round. */
  act(view: RoundView): Promise<Act> {
    // An attacker that is thrown out joins again, like any tab.
    if (!view.isMember(this.identity.publicKey)) return joining(this.identity, view);
    return this.#o.attacker.act(this.#roundOf(view));
  }

  /** Serves from now on, and says everything at its time; what is no message or no blob is the attacker's loss. */
  play(round: number, { say, serve }: Act): void {
    const { clock } = this.#o.world;
    while (this.#served.length > 0 && this.#served[0].round + SERVED_ROUNDS <= round)
      this.#served.shift()?.forget();
    for (const entry of serve) this.#serve(round, entry);
    for (const { at, bytes } of say) clock.at(at, () => void this.#swarm.publish(bytes).catch(() => {}));
  }

  #serve(round: number, entry: Served): void {
    if (entry instanceof Uint8Array) {
      const hash = sha256Sync(entry);
      if (entry.byteLength === 0) return;
      this.#swarm.serve(hash, entry);
      this.#served.push({ round, forget: () => this.#swarm.forget(hash) });
    } else {
      const key = toHex(entry.hash);
      this.#lies.set(key, entry.bytes);
      this.#served.push({ round, forget: () => this.#lies.delete(key) });
    }
  }

  /** Answers an audit as a tab does: with what it claims to carry. */
  async audited({ round, contributors }: MessageOf<'audit'>): Promise<void> {
    const { lab } = this.#o.world;
    if (!contributors.some((key) => bytesEqual(key, this.identity.publicKey))) return;
    const shown = this.#worker.answer(round);
    if (shown === null) return;
    for (const carry of [shown.before, shown.after]) {
      if (carry === null) continue;
      for (const part of ['error', 'moment1', 'moment2'] as const) {
        const hash = carry.digests[part];
        this.#swarm.serve(hash, partBytes(carry[part]));
        this.#served.push({ round, forget: () => this.#swarm.forget(hash) });
      }
    }
    const answer = encodeAnswer({ before: shown.before?.digests ?? null, after: shown.after.digests });
    const { peerId: peer } = this.#swarm;
    await this.#swarm.publish(
      await seal(this.identity, { kind: 'answer', run: lab.run.id, round, answer, peer }),
    );
  }

  settle(result: RoundResult): void {
    this.#worker.settle(result);
    this.#o.attacker.settle?.(result);
  }

  #roundOf(view: RoundView): AttackRound {
    const { world, name, honest, certified } = this.#o;
    const { lab } = world;
    const { publicKey } = this.identity;
    const { round, head } = view;
    const steps = view.manifest.training.maxInnerSteps;
    const seed = new DataView(sha256Sync(publicKey).buffer).getUint32(0);
    return {
      ...view,
      layout: lab.layout,
      shards: lab.shards,
      random: randomSource(seed + round),
      honest: () => Promise.all(honest.map((peer) => peer.work(round, head))),
      certified: certified(),
      // Other behaviours may have data of the same name.
      train: ({ steps: some = steps, data } = {}) =>
        this.#worker.train(view, some, data && { ...data, name: `${name}: ${data.name}` }),
      assigned: (contributor = publicKey) => lab.assigned(contributor, round),
      decode: (bytes) => lab.decode(bytes),
      encode: (update) => lab.encode(update, publicKey, round),
      submit: (work, options = {}) => this.#submit(view, work, options),
    };
  }

  async #submit(
    view: RoundView,
    { bytes, tokens, innerSteps }: Parameters<AttackRound['submit']>[0],
    options: SubmitOptions,
  ): Promise<Act> {
    const { round, head } = view;
    const { lab } = this.#o.world;
    const carry = await this.#worker.carryFor(bytes, round, options.feedback);
    const claim = encodeClaim({
      submission: { hash: sha256Sync(bytes), size: bytes.byteLength },
      tokens,
      innerSteps,
      baseRoot: options.baseRoot ?? head.root,
      carry: lab.run.rules.audited ? (carry ?? null) : null,
    });
    const { publicKey } = this.identity;
    const commit: Message = {
      kind: 'commit',
      run: lab.run.id,
      round,
      seal: sealOf(lab.run.id, round, publicKey, claim),
    };
    const reveal: Message = { kind: 'reveal', run: lab.run.id, round, claim, peer: this.#swarm.peerId };
    return {
      say: [
        {
          at: options.commitAt ?? view.commitUntil - ATTACKERS_COMMIT,
          bytes: await seal(this.identity, commit),
        },
        {
          at: options.revealAt ?? view.commitUntil + REVEAL_AFTER,
          bytes: await seal(this.identity, reveal),
        },
      ],
      serve: [bytes],
    };
  }
}

/** Asks to be admitted, with the work that this takes. */
async function joining(identity: Identity, { runId: run, head, startsAt }: RoundView): Promise<Act> {
  const challenge = { run, certificate: head.hash, contributor: identity.publicKey };
  const nonce = await solveJoin(challenge, head.joinBits);
  const join: Message = { kind: 'join', run, certificate: head.hash, nonce };
  return { say: [{ at: startsAt, bytes: await seal(identity, join) }], serve: [] };
}
