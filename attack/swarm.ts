/**
 * Plays one run of what ships in virtual time: honest contributors, a validator, dishonest identities, and what came of it.
 *
 * Between two rounds time stands still: then attackers hear how the last one ended and decide what they do in the next.
 */
import { awaitsAudit, type Ledger } from '../src/chain/ledger.ts';
import type { Receipt } from '../src/gauntlet/book.ts';
import type { LossMeter } from '../src/gauntlet/loss-meter.ts';
import type { Replays } from '../src/measure/replays.ts';
import { sha256Sync, toHex } from '../src/protocol/bytes.ts';
import { open } from '../src/protocol/envelope.ts';
import { SimHost } from '../src/sim/host.ts';
import { decodeUnchecked, MemoryNetwork, type Route } from '../src/sim/memory-network.ts';
import { VIRTUAL_START, VirtualClock } from '../src/sim/virtual-clock.ts';
import { SeatedChain } from '../src/validator/certify.ts';
import { type OpenSeat, openSeat, type SeatParts, type SeatStudy } from '../src/validator/open-seat.ts';
import type { Behaviour, OthersWork } from './behaviour.ts';
import type { Workshop } from './lab.ts';
import { DishonestPeer, HonestPeer, type World } from './peers.ts';
import { labState } from './trainer.ts';
import { type RoundResult, type RoundView, trainerOf, viewedManifest, viewedVerdict } from './view.ts';

export interface RunOptions extends Pick<SeatStudy, 'onInspected' | 'onMeasured'> {
  readonly lab: Workshop;
  readonly honest: number;
  /** Dishonest peers; a behaviour may make more identities of them. */
  readonly attackers: number;
  readonly rounds: number;
  readonly behaviour: Behaviour | null;
  readonly onRound?: (result: RoundResult) => void;
  /** To show that the figures see it: a fault put into the auditor, or a network that loses messages. */
  readonly fault?: {
    readonly slack?: number;
    readonly auditorSwarm?: (swarm: SeatParts['swarm']) => SeatParts['swarm'];
    readonly route?: Route;
  };
}

export interface RunOutcome {
  /** Nats per token after the last round. */
  readonly heldOutLoss: number;
  /** Rounds without a certificate. */
  readonly roundsLost: number;
  /**
   * Micro-credits of each honest peer and of each dishonest identity at the end: vested ones, and provisional ones that
   * time alone will vest.
   */
  readonly honestCredits: readonly number[];
  readonly attackerCredits: readonly number[];
  /** Micro-credits that wait for their owner's first passed audit, of all dishonest identities together. */
  readonly attackersWait: number;
  /** Honest submissions, and those of them that were refused, by reason, other than for want of room. */
  readonly honestSubmissions: number;
  readonly honestRefused: ReadonlyMap<string, number>;
  /** Honest submissions that waited for their sender's first audit: not applied, not lost, and not counted as refused. */
  readonly honestOnTrial: number;
  /** What became of attackers in each round: 'joined', 'accepted' or a reason, 'not heard'. */
  readonly attackerOutcomes: ReadonlyMap<string, number>;
}

const DAY_MS = 86_400_000;
/** A GPU without hardware on a busy machine: everybody's training waits in one queue. */
const PATIENCE_MS = 3_600_000;

export async function playRun(options: RunOptions): Promise<RunOutcome> {
  const { lab, behaviour, rounds } = options;
  const { run } = lab;
  const limit = VIRTUAL_START + rounds * run.manifest.schedule.roundMs + DAY_MS;
  const clock = new VirtualClock({ limit, patienceMs: PATIENCE_MS });
  try {
    const play = await Play.open(options, clock);
    const certified: OthersWork[] = [];
    const honest = await play.honest();
    const dishonest =
      behaviour === null ? [] : await recruit(options, behaviour, play.world, honest, certified);
    play.listen(honest, dishonest);
    const tally = new Tally(honest, dishonest);
    for (let round = 0; round < rounds; round++) {
      const view = play.view(round);
      const acts = await Promise.all(dishonest.map((peer) => peer.act(view)));
      acts.forEach((act, i) => dishonest[i].play(round, act));
      await clock.run(play.between(round + 1));
      const result = await play.result(round);
      for (const peer of dishonest) peer.settle(result);
      options.onRound?.(result);
      tally.count(result, play.ledger);
      certified.splice(0, certified.length, ...result.applied);
    }
    const heldOutLoss = await lab.heldOut(play.world.host.follower.head.root);
    await play.stop(honest);
    return { heldOutLoss, ...tally.outcome(play.ledger, lab) };
  } finally {
    clock.dispose();
  }
}

/** A swarm under way. */
class Play {
  readonly world: World;
  readonly #o: RunOptions;
  readonly #seat: OpenSeat;
  /** By round, as the validator judged it. */
  readonly #judged: Map<number, Pick<RoundResult, 'verdict' | 'applied'>>;
  /** Since the last result. */
  readonly #receipts: (Receipt | null)[];
  readonly #heard: Uint8Array[] = [];
  readonly #known = new Set<string>();
  #seen = 0;

  private constructor(
    parts: { readonly world: World; readonly seat: OpenSeat },
    options: RunOptions,
    judged: Map<number, Pick<RoundResult, 'verdict' | 'applied'>>,
    receipts: (Receipt | null)[],
  ) {
    this.world = parts.world;
    this.#seat = parts.seat;
    this.#o = options;
    this.#judged = judged;
    this.#receipts = receipts;
  }

  static async open(options: RunOptions, clock: VirtualClock): Promise<Play> {
    const { lab, fault = {}, onInspected, onMeasured } = options;
    const { run, genesis: theta, blobs } = lab;
    const network = new MemoryNetwork(clock);
    const swarm = network.join('host', { role: 'host' });
    const host = await SimHost.open({
      run,
      theta,
      blobs,
      clock,
      swarm,
      holder: () => labState(lab),
    });
    if (fault.route !== undefined) network.addRoute(fault.route);
    const judged = new Map<number, Pick<RoundResult, 'verdict' | 'applied'>>();
    const receipts: (Receipt | null)[] = [];
    const notes = new Map<string, Uint8Array>();
    const seat = await openSeat({
      chain: new SeatedChain(host.follower, host.state, host.keep),
      swarm,
      key: { identity: lab.validator, secret: lab.secret },
      clock,
      elapsed: () => clock.now(),
      real: () => clock.now(),
      report: () => {},
      meter: onClock(lab.meter(), clock),
      machine: () => 'the lab',
      readBlob: async ({ hash }) => host.blob(toHex(hash)),
      notes: {
        note: async (name) => notes.get(name) ?? null,
        saveNote: (name, bytes) => void notes.set(name, bytes),
      },
      replays: async () => replaysOnClock(lab.replays(), clock),
      study: {
        beacon: (round) => lab.beacon(round),
        lots: (round) => lab.lots(round),
        onVerdict: (verdict, book) => void judged.set(verdict.round, viewedVerdict(verdict, book)),
        onReceipt: (receipt) => void receipts.push(receipt),
        ...(onInspected === undefined ? {} : { onInspected }),
        ...(onMeasured === undefined ? {} : { onMeasured }),
        ...(fault.slack === undefined ? {} : { slack: fault.slack }),
        ...(fault.auditorSwarm === undefined ? {} : { auditorSwarm: fault.auditorSwarm(swarm) }),
      },
    });
    swarm.onMessage((bytes, from) => seat.validator.handle(bytes, from));
    seat.start();
    return new Play({ world: { lab, clock, network, host }, seat }, options, judged, receipts);
  }

  get ledger(): Ledger {
    return this.world.host.follower.ledger;
  }

  honest(): Promise<HonestPeer[]> {
    const { lab } = this.world;
    return Promise.all(
      Array.from({ length: this.#o.honest }, async (_, i) => {
        return new HonestPeer(this.world, await lab.identity(`honest ${i}`), i);
      }),
    );
  }

  /** Puts the behaviour's hands on honest messages, and has attackers hear the validator's audits. */
  listen(honest: readonly HonestPeer[], dishonest: readonly DishonestPeer[]): void {
    const { network } = this.world;
    const keys = new Map(honest.map(({ peerId, identity }) => [peerId, identity.publicKey]));
    const route = this.#o.behaviour?.route?.bind(this.#o.behaviour);
    if (route !== undefined)
      network.addRoute((from, to, bytes, at) => {
        const key = keys.get(from);
        return key === undefined || to !== 'host' ? [{ at, bytes }] : route(key, { at, bytes });
      });
    if (dishonest.length === 0) return;
    // One ear for all of them: each would hear the same.
    network.join('dishonest ear').onMessage((bytes, from) => {
      const message = from === 'host' ? decodeUnchecked(bytes) : null;
      if (message?.kind === 'audit') for (const peer of dishonest) void peer.audited(message);
      return 'ignore';
    });
  }

  /** When the round before is settled for everybody and this one has not begun; for round 0 its start. */
  between(round: number): number {
    const { rounds } = this.world.lab.run;
    if (round === 0) return rounds.start(0);
    const { reveal, judge } = rounds.deadlines(round - 1);
    return judge - 0.25 * (judge - reveal);
  }

  view(round: number): RoundView {
    const { lab, host, network } = this.world;
    const { run } = lab;
    const { follower } = host;
    const { commit, reveal } = run.rounds.deadlines(round);
    for (const { bytes } of network.published.slice(this.#seen)) {
      // What is said again until its deadline is one message.
      const name = toHex(sha256Sync(bytes));
      if (this.#known.has(name)) continue;
      this.#known.add(name);
      this.#heard.push(bytes);
    }
    this.#seen = network.published.length;
    return {
      round,
      head: follower.head,
      runId: run.id,
      manifest: viewedManifest(run),
      trainer: trainerOf(lab),
      startsAt: run.rounds.start(round),
      commitUntil: commit,
      revealUntil: reveal,
      isMember: (contributor) => follower.admits(contributor, round),
      heard: [...this.#heard],
    };
  }

  /** What became of a round that is over. */
  async result(round: number): Promise<RoundResult> {
    const { follower } = this.world.host;
    const receipts = this.#receipts.splice(0);
    const { last } = follower;
    const link = last?.certificate.body.round === round ? last : null;
    const opened = link === null ? null : await open(link.sealed);
    const certificate = opened?.ok && opened.message.kind === 'certificate' ? opened.message : null;
    const judged = this.#judged.get(round) ?? {
      verdict: {
        round,
        baseRoot: follower.head.root,
        accepted: [],
        refused: [],
        joined: [],
        audits: [],
        scores: [],
      },
      applied: [],
    };
    return {
      round,
      ...judged,
      certificate,
      problems: receipts.filter((receipt) => receipt !== null).filter((receipt) => !receipt.ok),
      unopened: receipts.filter((receipt) => receipt === null).length,
    };
  }

  /** Rejects when an honest peer met with something that no attack may do to it. */
  async stop(honest: readonly HonestPeer[]): Promise<void> {
    for (const peer of honest) peer.leave();
    const ended = Promise.all([this.#seat.stop(), ...honest.map(({ done }) => done)]);
    let over = false;
    void ended.then(
      () => {
        over = true;
      },
      () => {
        over = true;
      },
    );
    await this.world.clock.run(() => over);
    await ended;
    const internal = honest.flatMap(({ troubles }) => troubles).find(({ code }) => code === 'internal');
    if (internal !== undefined) throw new Error(`an honest peer failed: ${JSON.stringify(internal)}`);
  }
}

/** A meter whose work the clock waits for. */
const onClock = (meter: LossMeter, clock: VirtualClock): LossMeter => ({
  load: (theta) => meter.load(theta),
  losses: (...asked) => clock.track(meter.losses(...asked), 'losses'),
  close: () => meter.close(),
});

const replaysOnClock = (replays: Replays, clock: VirtualClock): Replays => ({
  replay: (request) => clock.track(replays.replay(request), 'a replay'),
  close: () => replays.close(),
});

/** The identities of an attack. */
function recruit(
  { lab, attackers }: RunOptions,
  behaviour: Behaviour,
  world: World,
  honest: readonly HonestPeer[],
  certified: readonly OthersWork[],
): Promise<DishonestPeer[]> {
  const { name } = behaviour;
  const count = behaviour.identities?.(attackers) ?? attackers;
  const allies = new Map<string, unknown>();
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const identity = await lab.identity(`dishonest ${index}`);
      const attacker = behaviour.attacker({ index, count, identity, allies });
      const told = () => certified;
      return new DishonestPeer({ world, identity, index, name, attacker, honest, certified: told });
    }),
  );
}

/** Counts what becomes of everybody's work. */
class Tally {
  readonly #honest: readonly HonestPeer[];
  readonly #dishonest: readonly DishonestPeer[];
  readonly #honestRefused = new Map<string, number>();
  readonly #attackerOutcomes = new Map<string, number>();
  #roundsLost = 0;
  #honestSubmissions = 0;
  #honestOnTrial = 0;

  constructor(honest: readonly HonestPeer[], dishonest: readonly DishonestPeer[]) {
    this.#honest = honest;
    this.#dishonest = dishonest;
  }

  count(result: RoundResult, { accounts }: Ledger): void {
    if (result.certificate === null) this.#roundsLost++;
    const outcomes = outcomesOf(result);
    for (const { identity } of this.#honest) {
      const key = toHex(identity.publicKey);
      const outcome = outcomes.get(key) ?? 'not heard';
      if (outcome === 'joined') continue;
      this.#honestSubmissions++;
      const failed = accounts.get(key)?.auditsFailed ?? 0;
      if (outcome === 'on-trial' && failed === 0) this.#honestOnTrial++;
      else if (outcome !== 'accepted' && outcome !== 'capacity') count1(this.#honestRefused, outcome);
    }
    for (const { identity } of this.#dishonest)
      count1(this.#attackerOutcomes, outcomes.get(toHex(identity.publicKey)) ?? 'not heard');
  }

  outcome(ledger: Ledger, lab: Workshop): Omit<RunOutcome, 'heldOutLoss'> {
    const earned = (peers: readonly { identity: { publicKey: Uint8Array } }[]) =>
      peers.map(({ identity }) => {
        const account = ledger.accounts.get(toHex(identity.publicKey));
        if (account === undefined) return { credits: 0, waits: 0 };
        const waits = awaitsAudit(ledger, account, lab.run.manifest.credits) ? account.provisional : 0;
        return { credits: account.credits - waits, waits };
      });
    const taken = earned(this.#dishonest);
    return {
      roundsLost: this.#roundsLost,
      honestCredits: earned(this.#honest).map(({ credits }) => credits),
      attackerCredits: taken.map(({ credits }) => credits),
      attackersWait: taken.reduce((sum, { waits }) => sum + waits, 0),
      honestSubmissions: this.#honestSubmissions,
      honestRefused: this.#honestRefused,
      honestOnTrial: this.#honestOnTrial,
      attackerOutcomes: this.#attackerOutcomes,
    };
  }
}

/** 'joined', 'accepted' or the reason of refusal, by hex key. */
function outcomesOf({ verdict }: RoundResult): Map<string, string> {
  const outcomes = new Map<string, string>();
  for (const { contributor } of verdict.joined) outcomes.set(toHex(contributor), 'joined');
  for (const { contributor, reason } of verdict.refused) outcomes.set(toHex(contributor), reason);
  for (const { contributor } of verdict.accepted) outcomes.set(toHex(contributor), 'accepted');
  return outcomes;
}

const count1 = (counts: Map<string, number>, key: string): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1);
};
