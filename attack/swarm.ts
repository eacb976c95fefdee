/** Plays one run: honest peers, dishonest identities, a validator, and what came of it. */
import type { Inspected } from '../src/gauntlet/inspect.ts';
import type { LossMeasurement } from '../src/gauntlet/scores.ts';
import { type RoundResult, Simulation, type Trainer } from '../src/gauntlet/simulation.ts';
import { toHex } from '../src/protocol/bytes.ts';
import { awaitsAudit } from '../src/protocol/ledger.ts';
import type { Behaviour, OthersWork } from './behaviour.ts';
import type { Workshop } from './lab.ts';
import { DishonestPeer, HonestPeer } from './peers.ts';

export interface RunOptions {
  readonly lab: Workshop;
  readonly honest: number;
  /** Dishonest peers; a behaviour may make more identities of them. */
  readonly attackers: number;
  readonly rounds: number;
  readonly behaviour: Behaviour | null;
  readonly onRound?: (result: RoundResult) => void;
  /** Sees each submission that decodes, once or more. */
  readonly onInspected?: (round: number, contributor: Uint8Array, inspected: Inspected) => void;
  /** Sees each loss measurement. */
  readonly onMeasured?: (round: number, contributor: Uint8Array, measurement: LossMeasurement) => void;
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

export async function playRun(options: RunOptions): Promise<RunOutcome> {
  const { lab, behaviour, rounds } = options;
  const honest = await Promise.all(
    Array.from({ length: options.honest }, async (_, i) => {
      return new HonestPeer(lab, await lab.identity(`honest ${i}`), i);
    }),
  );
  const certified: OthersWork[] = [];
  const dishonest = behaviour === null ? [] : await recruit(options, behaviour, honest, () => certified);
  const honestKeys = new Set(honest.map(({ identity }) => toHex(identity.publicKey)));
  const route = behaviour?.route?.bind(behaviour);
  const simulation = new Simulation({
    manifest: lab.manifest,
    runId: lab.runId,
    validators: [lab.validator],
    trainer: watched(lab.trainer(), options),
    admission: true,
    auditor: await lab.auditor(),
    lots: (round) => lab.lots(round),
    ...(route === undefined
      ? {}
      : { route: (from, delivery) => (honestKeys.has(toHex(from)) ? route(from, delivery) : [delivery]) }),
  });
  let roundsLost = 0;
  let honestSubmissions = 0;
  const honestRefused = new Map<string, number>();
  let honestOnTrial = 0;
  const attackerOutcomes = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    const result = await simulation.playRound(round, [...honest, ...dishonest]);
    options.onRound?.(result);
    if (result.certificate === null) roundsLost++;
    const outcomes = outcomesOf(result);
    for (const { identity } of honest) {
      const outcome = outcomes.get(toHex(identity.publicKey)) ?? 'not heard';
      if (outcome === 'joined') continue;
      honestSubmissions++;
      const failed = simulation.ledger.accounts.get(toHex(identity.publicKey))?.auditsFailed ?? 0;
      if (outcome === 'on-trial' && failed === 0) honestOnTrial++;
      else if (outcome !== 'accepted' && outcome !== 'capacity') count1(honestRefused, outcome);
    }
    for (const { identity } of dishonest) {
      count1(attackerOutcomes, outcomes.get(toHex(identity.publicKey)) ?? 'not heard');
    }
    certified.splice(0, certified.length, ...result.applied);
  }
  const { ledger } = simulation;
  const earned = (peers: readonly { identity: { publicKey: Uint8Array } }[]) =>
    peers.map(({ identity }) => {
      const account = ledger.accounts.get(toHex(identity.publicKey));
      if (account === undefined) return { credits: 0, waits: 0 };
      const waits = awaitsAudit(ledger, account, lab.manifest.credits) ? account.provisional : 0;
      return { credits: account.credits - waits, waits };
    });
  const taken = earned(dishonest);
  return {
    heldOutLoss: await lab.heldOut(simulation.head.root),
    roundsLost,
    honestCredits: earned(honest).map(({ credits }) => credits),
    attackerCredits: taken.map(({ credits }) => credits),
    attackersWait: taken.reduce((sum, { waits }) => sum + waits, 0),
    honestSubmissions,
    honestRefused,
    honestOnTrial,
    attackerOutcomes,
  };
}

/** The trainer, with the caller's eyes on what is inspected and measured. */
function watched(trainer: Trainer, { onInspected, onMeasured }: RunOptions): Trainer {
  const { evaluate, inspect } = trainer;
  return {
    ...trainer,
    inspect: (bytes, expected) => {
      const result = inspect(bytes, expected);
      if (result.ok) onInspected?.(expected.round, expected.contributor, result.inspected);
      return result;
    },
    evaluate:
      evaluate &&
      ((round, head) => {
        const measure = evaluate(round, head);
        return async (candidate) => {
          const measurement = await measure(candidate);
          if (measurement !== null) onMeasured?.(round, candidate.contributor, measurement);
          return measurement;
        };
      }),
  };
}

/** The identities of an attack. */
function recruit(
  { lab, attackers }: RunOptions,
  behaviour: Behaviour,
  honest: readonly HonestPeer[],
  certified: () => readonly OthersWork[],
): Promise<DishonestPeer[]> {
  const { name } = behaviour;
  const count = behaviour.identities?.(attackers) ?? attackers;
  const allies = new Map<string, unknown>();
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const identity = await lab.identity(`dishonest ${index}`);
      const attacker = behaviour.attacker({ index, count, identity, allies });
      return new DishonestPeer({ lab, identity, name, attacker, honest, certified });
    }),
  );
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
