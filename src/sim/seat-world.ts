/**
 * A run with one validator in memory: the shipped Validator, Auditor and judging of pre-training on a virtual clock and a
 * memory network, around contributors whose work is pretended. Rounds of half a minute take milliseconds.
 */
import { ChainFollower, type Link, type Staged } from '../chain/follower.ts';
import type { Run } from '../chain/run.ts';
import { testRun } from '../chain/testing.ts';
import { CarryBook } from '../gauntlet/carries.ts';
import type { ValidatorEvent } from '../gauntlet/events.ts';
import type { ReplayFigures } from '../gauntlet/replay.ts';
import type { Standings } from '../gauntlet/standings.ts';
import type { ReplayRequest, Replays } from '../measure/replays.ts';
import { RoundLosses } from '../measure/round-losses.ts';
import { genesisTheta } from '../model/init.ts';
import { parameterLayout } from '../model/layout.ts';
import { encodeShard } from '../model/shards.ts';
import { bytesEqual, sha256Sync, toHex } from '../protocol/bytes.ts';
import type { Identity } from '../protocol/identity.ts';
import type { GauntletRules, Manifest, Schedule } from '../protocol/manifest.ts';
import type { CertificateBody, MessageKind, MessageOf } from '../protocol/messages.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';
import { CpuState } from '../sparseloco/cpu-state.ts';
import { stateRoot } from '../sparseloco/state.ts';
import type { Swarm } from '../swarm/types.ts';
import { carryRoot, zeroCarry } from '../training/carry.ts';
import { decodeClaim } from '../work/pretrain/claim.ts';
import { PretrainExamining } from '../work/pretrain/examining.ts';
import { PretrainJudging } from '../work/pretrain/judging.ts';
import { Auditor } from '../validator/auditor.ts';
import { SeatedChain } from '../validator/certify.ts';
import { Validator } from '../validator/validator.ts';
import { MemoryNetwork } from './memory-network.ts';
import { PretendedContributor, PretendedLosses, type PretendedWork } from './pretended.ts';
import { VirtualClock, VIRTUAL_START } from './virtual-clock.ts';

export interface SeatWorldOptions {
  readonly contributors?: number;
  readonly gauntlet?: Partial<GauntletRules>;
  readonly change?: Partial<Manifest>;
  readonly schedule?: Partial<Schedule>;
}

/** Gives the figures that a test wants, and keeps what it was asked. */
export class PretendedReplays implements Replays {
  readonly asked: ReplayRequest[] = [];
  figures: ReplayFigures = { work: 0.001, moment1: 0.001, moment2: 0.001, sent: 0, steps: 0 };
  failure: Error | null = null;

  async replay(request: ReplayRequest): Promise<ReplayFigures> {
    this.asked.push(request);
    if (this.failure !== null) throw this.failure;
    return this.figures;
  }

  async close(): Promise<void> {}
}

/** A contributor with its end of the network, and whether it is still there. */
export interface SeatedContributor {
  readonly actor: PretendedContributor;
  readonly swarm: Swarm;
}

const SHARD = encodeShard(Uint16Array.from({ length: 2000 }, (_, i) => (i * i + 3 * i) % 64));

export class SeatWorld {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly run: Run;
  readonly identity: Identity;
  readonly swarm: Swarm;
  readonly meter = new PretendedLosses(64);
  readonly replays = new PretendedReplays();
  readonly reports: ValidatorEvent[] = [];
  /** Links as they were kept, oldest first. */
  readonly kept: Link[] = [];
  readonly opinions: MessageOf<'opinion'>[] = [];
  readonly heldOut = new Map<number, number>();
  readonly contributors: SeatedContributor[] = [];
  /** What writing the next link throws, once. */
  keepFailure: Error | null = null;
  standings: Standings = new Map();
  chain!: SeatedChain;
  validator!: Validator;
  auditor: Auditor | null = null;
  carries: CarryBook | null = null;
  #holder!: CpuState;
  #follower!: ChainFollower;
  readonly #theta: Int32Array;

  private constructor(run: Run, theta: Int32Array, identity: Identity) {
    this.clock = new VirtualClock();
    this.network = new MemoryNetwork(this.clock, { latencyMs: 5 });
    this.run = run;
    this.#theta = theta;
    this.identity = identity;
    this.swarm = this.network.join('validator', { role: 'host' });
  }

  /** The run's first moment is a second before its round 0; the validator has begun. */
  static async create(options: SeatWorldOptions = {}): Promise<SeatWorld> {
    const identity = await testIdentity('validator');
    const base = testManifest(testHash('organizer'), [{ key: identity.publicKey, weight: 1 }]);
    const ref = { hash: sha256Sync(SHARD), size: SHARD.byteLength, tokens: SHARD.byteLength / 2 };
    const model = {
      ...base.model,
      vocabSize: 64,
      intermediateSize: 64,
      layers: 1,
    };
    const theta = genesisTheta(model, 'a world of one seat', base.sparseloco.fractionBits);
    const manifest: Manifest = {
      ...base,
      model,
      task: { ...base.task, data: { ...base.task.data, train: [ref], heldOut: ref } },
      schedule: { ...base.schedule, startMs: VIRTUAL_START + 1000, ...options.schedule },
      gauntlet: { ...base.gauntlet, evaluationSequences: 4, heldOutSequences: 4, ...options.gauntlet },
      admission: { ...base.admission, joinBits: 1 },
      genesis: { ...base.genesis, root: await stateRoot(theta, parameterLayout(model)) },
      ...options.change,
    };
    const world = new SeatWorld(testRun(manifest), theta, identity);
    await world.#open([]);
    world.validator.start();
    await world.#settle(world.validator.prepare());
    for (let i = 1; i <= (options.contributors ?? 3); i++) await world.join(i);
    return world;
  }

  /** A contributor more, that is no member yet. `seed`: 1 to 255. */
  async join(seed: number): Promise<SeatedContributor> {
    const peer = `contributor ${seed}`;
    const actor = await PretendedContributor.create(seed, this.run, await this.chain.theta(), peer);
    const made = { actor, swarm: this.network.join(peer) };
    this.contributors.push(made);
    return made;
  }

  /** A validator over the links that were kept, as after a restart. */
  async restart(): Promise<void> {
    await this.#settle(this.validator.stop());
    await this.#open(this.kept.slice());
    this.validator.start();
    await this.#settle(this.validator.prepare());
  }

  async #open(links: readonly Link[]): Promise<void> {
    const { run, clock, swarm, identity } = this;
    const report = (event: ValidatorEvent): void => void this.reports.push(event);
    this.#holder = new CpuState(run.layout, run.manifest.sparseloco);
    this.#follower = new ChainFollower(run, {
      links: async (from) =>
        links.slice(from - 1).map(({ sealed, opinions }) => ({ certificate: sealed, opinions })),
      states: async function* (this: SeatWorld) {
        yield { height: 0, theta: this.#theta };
      }.bind(this),
      work: async ({ claim }) => {
        const hash = decodeClaim(claim)?.submission.hash;
        const found = this.#bytes.get(hash === undefined ? '' : toHex(hash));
        if (found === undefined) throw new Error('these bytes were not kept');
        return found;
      },
    });
    await this.#follower.applyPending(this.#holder, new AbortController().signal);
    this.chain = new SeatedChain(this.#follower, this.#holder, (link, staged, work) =>
      this.#keep(link, staged, work),
    );
    if (run.rules.audited && this.carries === null)
      this.carries = new CarryBook(carryRoot(await zeroCarry(run.layout.elements)));
    const losses = new RoundLosses({
      run,
      meter: this.meter,
      elapsed: () => clock.now(),
      readBlob: async ({ hash }) => (bytesEqual(hash, sha256Sync(SHARD)) ? SHARD : null),
      secret: testHash('secret'),
    });
    const work = new PretrainJudging({
      run,
      losses,
      clock,
      carries: this.carries,
      onCarries: (carries) => (this.carries = carries),
      standings: () => this.validator.standings,
      report,
    });
    this.validator = new Validator({
      chain: this.chain,
      swarm,
      identity,
      work,
      clock,
      report,
      machine: () => 'a pretended machine',
      standings: this.standings,
      onStandings: (standings) => (this.standings = standings),
      onOpinion: (opinion) => this.opinions.push(opinion),
      onHeldOut: (height, loss) => this.heldOut.set(height, loss),
    });
    if (run.rules.audited) {
      this.auditor = new Auditor({
        chain: this.chain,
        swarm,
        identity,
        clock,
        report,
        examiner: new PretrainExamining({ run, replays: this.replays, shard: (i) => losses.shard(i) }),
      });
      this.validator.setAuditor(this.auditor);
    }
    swarm.onMessage((bytes, from) => this.validator.handle(bytes, from));
  }

  readonly #bytes = new Map<string, Uint8Array>();

  async #keep(link: Link, _staged: Staged, work: readonly Uint8Array[]): Promise<void> {
    const failure = this.keepFailure;
    this.keepFailure = null;
    if (failure !== null) throw failure;
    for (const bytes of work) this.#bytes.set(toHex(sha256Sync(bytes)), bytes);
    this.kept.push(link);
  }

  at(round: number) {
    return { start: this.run.rounds.start(round), ...this.run.rounds.deadlines(round) };
  }

  /** Plays until a time, or until something holds. */
  until(when: number | (() => boolean)): Promise<void> {
    return this.clock.run(when);
  }

  /** Lets time pass as long as something needs. */
  async #settle<T>(work: Promise<T>): Promise<T> {
    let done = false;
    const ended = (): void => void (done = true);
    work.then(ended, ended);
    await this.clock.run(() => done);
    return work;
  }

  heard<K extends MessageKind>(kind: K): MessageOf<K>[] {
    return this.network
      .messages(kind)
      .flatMap(({ from, message }) => (from === 'validator' ? [message] : []));
  }

  /** Everybody joins in round 0, which is certified for it. */
  async admit(): Promise<void> {
    await this.until(this.at(0).start + 100);
    for (const { actor, swarm } of this.contributors)
      await swarm.publish(await actor.join(this.chain.state.head));
    await this.until(() => this.chain.state.head.height === 1);
  }

  async publishAll(messages: readonly (readonly [SeatedContributor, Uint8Array])[]): Promise<void> {
    for (const [{ swarm }, message] of messages) await swarm.publish(message);
  }

  /** Works of these contributors in a round, committed in time. */
  async commit(
    round: number,
    who: readonly SeatedContributor[] = this.contributors,
    change: Parameters<PretendedContributor['work']>[1] = {},
  ): Promise<PretendedWork[]> {
    if (this.clock.now() < this.at(round).train) await this.until(this.at(round).train);
    const works: PretendedWork[] = [];
    for (const one of who) {
      const work = await one.actor.work(round, change);
      works.push(work);
      await one.swarm.publish(work.commit);
    }
    return works;
  }

  /** Reveals works and serves their bytes. */
  async reveal(
    round: number,
    works: readonly PretendedWork[],
    who: readonly SeatedContributor[] = this.contributors,
  ): Promise<void> {
    if (this.clock.now() < this.at(round).commit) await this.until(this.at(round).commit);
    for (const [i, { submission, bytes, reveal }] of works.entries()) {
      who[i].swarm.serve(submission.hash, bytes);
      await who[i].swarm.publish(reveal);
    }
  }

  /** Whether the round has an outcome that was published. */
  decided(round: number): boolean {
    return (
      this.chain.state.head.round >= round ||
      this.heard('no-certificate').some((word) => word.round === round)
    );
  }

  /** A whole round of these contributors, to its outcome; everybody then applies what was certified. */
  async play(
    round: number,
    who: readonly SeatedContributor[] = this.contributors,
  ): Promise<CertificateBody | null> {
    const works = await this.commit(round, who);
    await this.reveal(round, works, who);
    await this.until(() => this.decided(round));
    await this.follow(round);
    return this.lastBody?.round === round ? this.lastBody : null;
  }

  /** Everybody's replica takes the newest certificate's work. */
  async follow(round: number): Promise<void> {
    await this.#settle(this.validator.settled());
    const body = this.lastBody;
    if (body?.round !== round) return;
    const work = body.accepted.map(({ claim, weight }) => {
      const hash = decodeClaim(claim)?.submission.hash ?? new Uint8Array();
      return { bytes: this.#bytes.get(toHex(hash)) as Uint8Array, weight };
    });
    const accepted = new Set(body.accepted.map(({ contributor }) => toHex(contributor)));
    for (const { actor } of this.contributors) {
      if (accepted.has(toHex(actor.identity.publicKey))) await actor.replica.apply(work);
      else await actor.replica.load(await this.chain.theta());
    }
  }

  get lastBody(): CertificateBody | null {
    return this.#follower.last?.certificate.body ?? null;
  }

  reported<K extends ValidatorEvent['is']>(is: K): Extract<ValidatorEvent, { is: K }>[] {
    return this.reports.filter((event): event is Extract<ValidatorEvent, { is: K }> => event.is === is);
  }

  async end(): Promise<void> {
    await this.#settle(this.validator.stop());
    await this.auditor?.stop();
    this.clock.dispose();
  }
}
