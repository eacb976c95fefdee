/**
 * A whole swarm in memory, made of what ships: a run with a small model, its host, a validator's seat and any number of
 * contributors, each the shipped participant over a trainer without a GPU. A test says who is there and what goes wrong.
 */
import { type Run, openRun } from '../chain/run.ts';
import { encodeCheckpoint, GENESIS_RUN_ID } from '../model/checkpoint.ts';
import { genesisTheta } from '../model/init.ts';
import { parameterLayout } from '../model/layout.ts';
import { encodeShard } from '../model/shards.ts';
import type { Replays } from '../measure/replays.ts';
import type { LossMeter } from '../gauntlet/loss-meter.ts';
import type { ValidatorEvent } from '../gauntlet/events.ts';
import { Participant, type Stay } from '../peer/participant.ts';
import type { Activity, Trouble } from '../peer/reasons.ts';
import { contribute, type ContributeHooks } from '../peer/roles.ts';
import type { Clock, MachineClock } from '../protocol/timer.ts';
import { sha256Sync, toHex } from '../protocol/bytes.ts';
import { signManifest } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';
import { randomSource } from '../sparseloco/testing.ts';
import { stateRoot } from '../sparseloco/state.ts';
import { SeatedChain } from '../validator/certify.ts';
import { type OpenSeat, openSeat, type SeatStudy } from '../validator/open-seat.ts';
import { SimHost, type SimHostOptions } from './host.ts';
import { MemoryNetwork, type MemoryNetworkOptions, type MemoryPeerOptions } from './memory-network.ts';
import { simPlatform } from './platform.ts';
import { PretendedLosses } from './pretended.ts';
import { SimTrainer, type SimTrainerOptions } from './trainer.ts';
import { VIRTUAL_START, VirtualClock, type VirtualClockOptions } from './virtual-clock.ts';

export interface SimSwarmOptions {
  /** Changes to the manifest of {@link simManifest}. */
  readonly manifest?: Partial<Manifest>;
  /** How many contributors are there from the beginning. Default 0. */
  readonly contributors?: number;
  readonly clock?: VirtualClockOptions;
  readonly network?: MemoryNetworkOptions;
  readonly host?: Pick<SimHostOptions, 'checkpointEvery'>;
  /** False: the host has no seat, as where a validator's tab judges. Default true. */
  readonly hostJudges?: boolean;
  /** The clock of host and validator. Default: the true one. */
  readonly hostClock?: (clock: VirtualClock) => Clock;
  /** Default: every step improves the model. */
  readonly meter?: LossMeter;
  /** Default: none, and nobody is audited. */
  readonly replays?: Replays;
  readonly study?: SeatStudy;
}

export interface SimPeerOptions {
  /** Peer id, and what its key is made of. Default: its number. */
  readonly name?: string;
  readonly skewMs?: number;
  /** Its clock, where that can be set (machine.ts). */
  readonly machine?: MachineClock;
  readonly trainer?: Omit<SimTrainerOptions, 'layout' | 'clock'>;
  readonly peer?: MemoryPeerOptions;
  readonly hooks?: Partial<ContributeHooks>;
}

/** A contributor of the simulation. */
export interface SimPeer {
  readonly name: string;
  readonly identity: Identity;
  /** All trainers that it had, the newest last: a new one after each lost device. */
  readonly trainers: readonly SimTrainer[];
  readonly troubles: readonly Trouble[];
  readonly activity: Activity | null;
  /** Null before it is in the swarm and after it left. */
  readonly stay: Stay | null;
  /** Rounds whose work it handed in; and those that ended without it. */
  readonly submitted: readonly number[];
  readonly lost: readonly { readonly round: number; readonly reason: string | null }[];
  /** Of its certified state. */
  readonly root: Uint8Array | null;
  /** Set once it ended; rejected ends are in `failed`. */
  readonly ended: boolean;
  readonly failed: unknown;
  /** Ends at once, whatever it is doing. */
  leave(): void;
  /** Ends after the round in hand. */
  finish(): void;
}

export class SimSwarm {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly run: Run;
  readonly host: SimHost;
  readonly seat: OpenSeat;
  readonly reports: readonly ValidatorEvent[];
  readonly peers: SimPeer[] = [];

  constructor(parts: Pick<SimSwarm, 'clock' | 'network' | 'run' | 'host' | 'seat' | 'reports'>) {
    this.clock = parts.clock;
    this.network = parts.network;
    this.run = parts.run;
    this.host = parts.host;
    this.seat = parts.seat;
    this.reports = parts.reports;
  }

  /** One more contributor. */
  async add(options: SimPeerOptions = {}): Promise<SimPeer> {
    const name = options.name ?? `c${this.peers.length}`;
    const peer = startPeer(this, name, await testIdentity(name), options);
    this.peers.push(peer);
    return peer;
  }

  /** Plays until the host's chain has this height. */
  async untilHeight(height: number): Promise<void> {
    await this.clock.run(() => this.host.follower.head.height >= height);
  }

  /** Plays until the beginning of a round. */
  async untilRound(round: number): Promise<void> {
    await this.clock.run(this.run.rounds.start(round));
  }

  /** Cuts the host off from everybody, or lets it come back. */
  setHostAway(away: boolean): void {
    this.host.reachable = !away;
    this.network.setHostState(away ? 'unreachable' : 'connected');
  }

  /** Everybody leaves. Rejects with what somebody failed of for good. */
  async stop(): Promise<void> {
    for (const peer of this.peers) peer.leave();
    const stopped = this.seat.stop();
    await this.clock.run(() => this.peers.every(({ ended }) => ended));
    await stopped;
    this.clock.dispose();
    const broken = this.peers.find(({ failed }) => failed !== null);
    if (broken !== undefined) throw broken.failed;
  }
}

/** Rounds of 30 s from the clock's start on, a model of 33 thousand parameters, one validator. */
export async function simManifest(change: Partial<Manifest> = {}) {
  const organizer = await testIdentity('organizer');
  const validator = await testIdentity('validator');
  const model = {
    vocabSize: 64,
    hiddenSize: 64,
    intermediateSize: 64,
    layers: 1,
    heads: 2,
    kvHeads: 2,
    tiedEmbeddings: true,
    ropeTheta: 10_000,
    rmsNormEps: 1e-5,
  };
  const theta = genesisTheta(model, 'simulation', 24);
  const root = await stateRoot(theta, parameterLayout(model));
  const blobs = new Map<string, Uint8Array<ArrayBuffer>>();
  const kept = (bytes: Uint8Array<ArrayBuffer>): BlobRef => {
    const hash = sha256Sync(bytes);
    blobs.set(toHex(hash), bytes);
    return { hash, size: bytes.byteLength };
  };
  const shard = encodeShard(Uint16Array.from({ length: 2000 }, (_, i) => (i * i + 7 * i) % 64));
  const text = { ...kept(shard), tokens: 2000 };
  const genesis = { runId: GENESIS_RUN_ID, height: 0, root, theta, fractionBits: 24 };
  const base = testManifest(organizer.publicKey, [{ key: validator.publicKey, weight: 1 }]);
  const { data, training } = base.task;
  const manifest: Manifest = {
    ...base,
    model,
    task: {
      kind: 'pretrain',
      data: { ...data, train: [text], heldOut: text },
      training: { ...training, batch: 1, accumulation: 1, sequence: 16 },
    },
    schedule: { ...base.schedule, startMs: VIRTUAL_START },
    genesis: { root, checkpoint: kept(encodeCheckpoint(genesis, model)) },
    ...change,
  };
  return { organizer, validator, manifest, theta, blobs };
}

/** A swarm that plays as soon as its clock runs. */
export async function createSimSwarm(options: SimSwarmOptions = {}): Promise<SimSwarm> {
  const clock = new VirtualClock(options.clock);
  const { organizer, validator, manifest, theta, blobs } = await simManifest(options.manifest);
  const opened = await openRun(await signManifest(organizer, manifest));
  if (!opened.ok) throw new Error(opened.detail);
  const { run } = opened;
  const network = new MemoryNetwork(clock, options.network);
  const swarm = network.join('host', { role: 'host' });
  const hostClock = options.hostClock?.(clock) ?? clock;
  const host = await SimHost.open({ ...options.host, run, theta, blobs, clock: hostClock, swarm });
  const { hostJudges = true } = options;
  if (hostJudges) host.validators = [{ key: toHex(validator.publicKey), peer: swarm.peerId }];
  else host.validator = 'none';
  const reports: ValidatorEvent[] = [];
  const { replays } = options;
  const seat = await openSeat({
    chain: new SeatedChain(host.follower, host.state, host.keep),
    swarm,
    key: { identity: validator, secret: testHash('secret') },
    clock: hostClock,
    elapsed: () => clock.now(),
    real: () => clock.now(),
    report: (event) => reports.push(event),
    meter: options.meter ?? new PretendedLosses(run.manifest.task.training.sequence),
    machine: () => 'simulated',
    readBlob: async ({ hash }) => host.blob(toHex(hash)),
    notes: memoryNotes(),
    ...(replays === undefined ? {} : { replays: async () => replays }),
    ...(options.study === undefined ? {} : { study: options.study }),
  });
  if (hostJudges) {
    swarm.onMessage((bytes, from) => seat.validator.handle(bytes, from));
    seat.start();
  }
  const sim = new SimSwarm({ clock, network, run, host, seat, reports });
  for (let i = 0; i < (options.contributors ?? 0); i++) await sim.add();
  return sim;
}

function memoryNotes() {
  const notes = new Map<string, Uint8Array>();
  return {
    note: async (name: string) => notes.get(name) ?? null,
    saveNote: (name: string, bytes: Uint8Array) => void notes.set(name, bytes),
  };
}

function startPeer(sim: SimSwarm, name: string, identity: Identity, options: SimPeerOptions): SimPeer {
  const { network, host, run } = sim;
  const platform = simPlatform({
    network,
    host,
    name,
    identity,
    skewMs: options.skewMs ?? 0,
    ...(options.machine === undefined ? {} : { clock: options.machine }),
    ...(options.peer === undefined ? {} : { peer: options.peer }),
  });
  const leaving = new AbortController();
  const { hooks = {} } = options;
  let working: Parameters<ContributeHooks['working']>[0] = null;
  let last = false;
  const peer = {
    name,
    identity,
    trainers: [] as SimTrainer[],
    troubles: [] as Trouble[],
    activity: null as Activity | null,
    stay: null as Stay | null,
    submitted: [] as number[],
    lost: [] as { round: number; reason: string | null }[],
    ended: false,
    failed: null as unknown,
    get root() {
      return peer.trainers.at(-1)?.roots.at(-1) ?? null;
    },
    leave: () => leaving.abort(),
    finish: () => {
      last = true;
      working?.contributor.setLast(true);
    },
  };
  const participant = new Participant({
    platform,
    host: host.for(platform.clock),
    random: randomSource(sim.peers.length),
    events: {
      trouble: (trouble) => peer.troubles.push(trouble),
      cleared: () => {},
      noCertificate: (message) => working?.contributor.noCertificate(message),
    },
  });
  const all: ContributeHooks = {
    adapter: () => {},
    progress: () => {},
    ...hooks,
    show: () => hooks.show?.() ?? { state: 'training', adapter: 'simulated', tokensPerSecond: 0 },
    entered: (stay) => {
      peer.stay = stay;
      const left = hooks.entered?.(stay);
      return () => {
        peer.stay = null;
        left?.();
      };
    },
    startTrainer: () => {
      // A device that was lost is another one's next time.
      const { loseDeviceAt, ...rest } = options.trainer ?? {};
      const lose = loseDeviceAt === undefined || peer.trainers.length > 0 ? {} : { loseDeviceAt };
      const trainer = new SimTrainer({ layout: run.layout, clock: platform.clock, ...rest, ...lose });
      peer.trainers.push(trainer);
      return trainer;
    },
    working: (at) => {
      working = at;
      if (last) at?.contributor.setLast(true);
      hooks.working?.(at);
    },
    activity: (activity, waiting) => {
      peer.activity = activity;
      hooks.activity?.(activity, waiting);
    },
    work: (round, claim, work) => {
      peer.submitted.push(round);
      hooks.work?.(round, claim, work);
    },
    lost: (own, reason) => {
      peer.lost.push({ round: own.round, reason });
      hooks.lost?.(own, reason);
    },
  };
  contribute(participant, all, leaving.signal)
    .catch((error: unknown) => {
      if (!leaving.signal.aborted) peer.failed = error;
    })
    .finally(() => {
      peer.ended = true;
    });
  return peer;
}
