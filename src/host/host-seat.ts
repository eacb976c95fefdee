/** The validator's seat on a host: losses in a helper, audits where this machine can replay, notes in the store. */
import type { LossMeter } from '../gauntlet/loss-meter.ts';
import type { Replays } from '../measure/replays.ts';
import { toHex } from '../protocol/bytes.ts';
import { messageOf } from '../protocol/errors.ts';
import type { Clock } from '../protocol/timer.ts';
import type { HostSwarm } from '../swarm/host-node.ts';
import { type OpenSeat, openSeat, type SeatKey } from '../validator/open-seat.ts';
import type { HostChain } from './chain.ts';
import { diskCause } from './disk.ts';
import type { HostReport } from './events.ts';
import { createLossMeter, type EvaluatorName } from './losses.ts';
import { openReplays } from './replays.ts';

export interface HostSeatParts {
  readonly chain: HostChain;
  readonly swarm: HostSwarm;
  readonly key: SeatKey;
  readonly clock: Clock;
  readonly report: HostReport;
  /** As asked for on the command line: 0 keeps this host from replaying, a number allows a CPU driver. */
  readonly audits: number | undefined;
  readonly evaluator: EvaluatorName | undefined;
  /** For tests. */
  readonly lossMeter: LossMeter | undefined;
  /** Called with what undoes each part when the host stops, newest first. */
  readonly onStop: (undo: () => unknown) => void;
}

/** A seat that is ready to start; it hears gossip already. */
export async function openHostSeat(parts: HostSeatParts): Promise<OpenSeat> {
  const { chain, swarm, key, clock, report, audits, onStop } = parts;
  const { run, store } = chain;
  let machine = 'CPU';
  const meter = parts.lossMeter ?? namedMeter(parts, (name) => (machine = name));
  if (!run.rules.audited) report({ is: 'audits-off', why: 'not-in-run' });
  else if (audits === 0) report({ is: 'audits-off', why: 'not-here' });
  const seat = await openSeat({
    chain: chain.seat,
    swarm,
    key,
    clock,
    report,
    meter,
    machine: () => machine,
    readBlob: async (ref) => {
      try {
        return await store.readBlob(ref);
      } catch (error) {
        report({ is: 'blob-unreadable', hash: toHex(ref.hash), cause: diskCause(error) });
        throw error;
      }
    },
    notes: { note: async (name) => store.note(name), saveNote: (name, bytes) => store.saveNote(name, bytes) },
    replays: audits === 0 ? undefined : (signal) => hostReplays(parts, signal),
    onHeldOut: (height, loss) => store.saveLoss(height, loss),
  });
  onStop(() => seat.stop());
  swarm.onMessage((message, from) => seat.validator.handle(message, from));
  return seat;
}

/** A helper that measures losses; what it measures on is known a while later, when it has opened a GPU or none. */
function namedMeter(
  { chain, evaluator, report, onStop }: HostSeatParts,
  onName: (name: string) => void,
): LossMeter {
  const { model, sparseloco, task } = chain.run.manifest;
  const meter = createLossMeter({
    evaluator: evaluator ?? 'auto',
    model,
    sparseloco,
    sequence: task.training.sequence,
  });
  let stopped = false;
  onStop(() => {
    stopped = true;
    return meter.close();
  });
  meter.name().then(
    (machine) => {
      onName(machine);
      report({ is: 'losses-measured-on', machine });
    },
    (error: unknown) => {
      if (!stopped) report({ is: 'losses-unavailable', error: messageOf(error) });
    },
  );
  return meter;
}

/** Null, with the reason reported, where this machine cannot replay a round. */
async function hostReplays(
  { chain, audits, report }: HostSeatParts,
  signal: AbortSignal,
): Promise<Replays | null> {
  const opened = await openReplays(chain.run, audits !== undefined, signal);
  if (signal.aborted) {
    if ('replays' in opened) await opened.replays.close();
    return null;
  }
  if ('why' in opened) {
    report({ is: 'audits-off', ...opened });
    return null;
  }
  report({ is: 'audits-on', perRound: chain.run.rules.auditsPerRound, adapter: opened.adapter });
  return opened.replays;
}
