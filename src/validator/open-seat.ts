/**
 * A validator's seat, put together: what a host's and a tab's seat have in common. Each gives its ports (what measures
 * losses, what replays, where notes are kept, how the run's blobs are read) and starts and stops the seat.
 */
import { CarryBook } from '../gauntlet/carries.ts';
import type { LossMeter } from '../gauntlet/loss-meter.ts';
import type { Report } from '../gauntlet/events.ts';
import type { Standings } from '../gauntlet/standings.ts';
import { RoundLosses } from '../measure/round-losses.ts';
import type { Replays } from '../measure/replays.ts';
import type { Identity } from '../protocol/identity.ts';
import type { BlobRef } from '../protocol/schema.ts';
import type { Clock } from '../protocol/timer.ts';
import { carryRoot, zeroCarry } from '../training/carry.ts';
import { PretrainExamining, type PretrainExaminingOptions } from '../work/pretrain/examining.ts';
import { PretrainJudging, type PretrainJudgingOptions } from '../work/pretrain/judging.ts';
import type { Swarm } from '../swarm/types.ts';
import { Auditor } from './auditor.ts';
import type { SeatChain } from './certify.ts';
import { type NoteStore, saveOrReport } from './note-store.ts';
import { decodeStandings, encodeStandings } from './standings-note.ts';
import { realTime } from './time-guard.ts';
import { Validator, type ValidatorOptions } from './validator.ts';

/** A seat's key, and 32 bytes that only its holder knows (seat.ts). */
export interface SeatKey {
  readonly identity: Identity;
  readonly secret: Uint8Array;
}

export interface SeatParts {
  readonly chain: SeatChain;
  readonly swarm: ValidatorOptions['swarm'];
  readonly key: SeatKey;
  readonly clock: Clock;
  readonly report: Report;
  readonly meter: LossMeter;
  /** What losses are measured on, for the validator's sign of life. */
  readonly machine: () => string;
  /** Bytes of one of the manifest's blobs; null when missing or damaged. */
  readonly readBlob: (ref: BlobRef) => Promise<Uint8Array | null>;
  readonly notes: NoteStore;
  /**
   * Opens what replays audited rounds, while the seat already judges; null where this machine cannot. Must not reject.
   * Absent: this seat audits nobody. Not called in a run without audits.
   */
  readonly replays?: ((signal: AbortSignal) => Promise<Replays | null>) | undefined;
  readonly onHeldOut?: ValidatorOptions['onHeldOut'];
  readonly onOpinion?: ValidatorOptions['onOpinion'];
  /** Milliseconds of any clock, by which measuring is timed. Default: this machine's. */
  readonly elapsed?: () => number;
  /** Milliseconds of a clock that nobody sets and that counts a sleep. Default: this machine's; a simulation gives its own. */
  readonly real?: () => number;
  /** For studies that compare runs or look inside a seat; nothing else sets it. */
  readonly study?: SeatStudy;
}

/** Each is an option of the part that it is handed to. */
export type SeatStudy = Pick<ValidatorOptions, 'lots' | 'onVerdict' | 'onReceipt'> &
  Pick<PretrainJudgingOptions, 'onInspected' | 'onMeasured'> &
  Pick<PretrainExaminingOptions, 'beacon' | 'slack'> & {
    /** The swarm as the auditor is to see it. Default: the seat's. */
    readonly auditorSwarm?: Pick<Swarm, 'publish' | 'fetch'>;
  };

export interface OpenSeat {
  readonly validator: Validator;
  /** Begins to judge; what takes a while to open is opened meanwhile. */
  start(): void;
  stop(): Promise<void>;
}

/** A seat that is ready to start. The caller hands gossip to its validator, closes the meter, and owns the chain. */
export async function openSeat(parts: SeatParts): Promise<OpenSeat> {
  const { chain, swarm, key, clock, report, meter, machine, readBlob, notes, replays } = parts;
  const { run } = chain;
  const {
    beacon,
    slack,
    lots,
    onVerdict,
    onReceipt,
    onInspected,
    onMeasured,
    auditorSwarm = swarm,
  } = parts.study ?? {};
  const drawn = beacon === undefined ? {} : { beacon };
  const losses = new RoundLosses({
    run,
    meter,
    elapsed: parts.elapsed ?? (() => performance.now()),
    readBlob,
    secret: key.secret,
    ...drawn,
  });
  const carries = run.rules.audited
    ? new CarryBook(carryRoot(await zeroCarry(run.layout.elements)), await notes.note('carries'))
    : null;
  const standings = decodeStandings(await notes.note('standings'));
  let current: Standings = standings;
  const work = new PretrainJudging({
    run,
    losses,
    clock,
    carries,
    onCarries: (book) => saveOrReport(notes, report, 'carries', book.encode()),
    standings: () => current,
    report,
    ...(onInspected === undefined ? {} : { onInspected }),
    ...(onMeasured === undefined ? {} : { onMeasured }),
  });
  const validator = new Validator({
    chain,
    swarm,
    identity: key.identity,
    work,
    clock,
    real: parts.real ?? realTime(),
    report,
    machine,
    standings,
    onStandings: (newest) => {
      current = newest;
      saveOrReport(notes, report, 'standings', encodeStandings(newest));
    },
    onOpinion: parts.onOpinion ?? (() => {}),
    onHeldOut: parts.onHeldOut ?? (() => {}),
    ...(lots === undefined ? {} : { lots }),
    ...(onVerdict === undefined ? {} : { onVerdict }),
    ...(onReceipt === undefined ? {} : { onReceipt }),
  });
  const leaving = new AbortController();
  let auditing: Promise<Auditor | null> = Promise.resolve(null);

  const openAuditor = async (open: NonNullable<SeatParts['replays']>): Promise<Auditor | null> => {
    const opened = await open(leaving.signal);
    if (opened === null) return null;
    const examiner = new PretrainExamining({
      run,
      replays: opened,
      shard: (index) => losses.shard(index),
      ...drawn,
      ...(slack === undefined ? {} : { slack }),
    });
    const { identity } = key;
    const auditor = new Auditor({ chain, swarm: auditorSwarm, identity, examiner, clock, report });
    if (leaving.signal.aborted) return auditor;
    validator.setAuditor(auditor);
    return auditor;
  };

  return {
    validator,
    start: () => {
      // A failure is reported, and the first measurement tries again.
      validator.prepare().catch(() => {});
      if (run.rules.audited && replays !== undefined) auditing = openAuditor(replays);
      validator.start();
    },
    stop: async () => {
      leaving.abort();
      await (await auditing)?.stop();
      await validator.stop();
    },
  };
}
