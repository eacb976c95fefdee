/** The validator's seat on a host: losses in a helper, audits where this machine can replay, notes in the store. */
import { CarryBook } from '../gauntlet/carries.ts';
import type { LossMeter } from '../gauntlet/loss-meter.ts';
import { RoundLosses } from '../gauntlet/round-losses.ts';
import { parameterLayout } from '../model/layout.ts';
import { carryRoot, zeroCarry } from '../protocol/carry.ts';
import { messageOf } from '../protocol/errors.ts';
import type { HostSwarm } from '../swarm/host-node.ts';
import { Auditor } from '../validator/auditor.ts';
import { decodeStandings, encodeStandings } from '../validator/standings-note.ts';
import { Validator } from '../validator/validator.ts';
import type { Chain } from './chain.ts';
import { createLossMeter, type EvaluatorName } from './losses.ts';
import type { Seat } from './open-run.ts';
import { openReplays } from './replays.ts';

export interface HostSeatParts {
  readonly chain: Chain;
  readonly swarm: HostSwarm;
  readonly seat: Seat;
  /** As asked for on the command line: 0 keeps this host from replaying, a number allows a CPU driver. */
  readonly audits: number | undefined;
  readonly evaluator: EvaluatorName | undefined;
  /** For tests. */
  readonly lossMeter: LossMeter | undefined;
  readonly log: (line: string) => void;
  /** Called with what undoes each part when the host stops, newest first. */
  readonly onStop: (undo: () => unknown) => void;
}

const STANDINGS_NOTE = 'standings';
const CARRIES_NOTE = 'carries';

/** A validator that is ready to start; `begin` opens what takes a while and starts it. */
export async function openHostSeat(
  parts: HostSeatParts,
): Promise<{ readonly validator: Validator; begin(): void }> {
  const { chain, swarm, seat, log, onStop } = parts;
  const { manifest, runId, store } = chain;
  let stopped = false;
  let machine = 'CPU';
  let meter = parts.lossMeter;
  if (meter === undefined) {
    const named = createLossMeter({
      evaluator: parts.evaluator ?? 'auto',
      model: manifest.model,
      sparseloco: manifest.sparseloco,
      sequence: manifest.training.sequence,
    });
    onStop(() => named.close());
    // Not waited for: opening a GPU takes a while, and the page can be served before.
    named.name().then(
      (name) => {
        machine = name;
        log(`losses are measured on ${name}`);
      },
      (error: unknown) => {
        if (!stopped) log(`losses cannot be measured: ${messageOf(error)}`);
      },
    );
    meter = named;
  }
  const losses = new RoundLosses({
    manifest,
    runId,
    meter,
    readBlob: (ref) => store.readBlob(ref),
    secret: seat.secret,
  });
  const audited = (manifest.gauntlet.auditsPerRound ?? 0) > 0;
  if (!audited) log('audits are off: the run was made without them (--audits)');
  else if (parts.audits === 0) log('audits are off on this host (--audits 0)');
  const validator = new Validator({
    machine: () => machine,
    carries: audited ? await openCarries(chain) : null,
    onCarries: (book) => store.saveNote(CARRIES_NOTE, book.encode()),
    chain,
    swarm,
    identity: seat.identity,
    losses,
    log,
    onRefused: (round, refused) => store.saveRefusals(round, refused),
    onHeldOut: (height, loss) => store.saveLoss(height, loss),
    standings: decodeStandings(store.note(STANDINGS_NOTE)),
    onStandings: (standings) => store.saveNote(STANDINGS_NOTE, encodeStandings(standings)),
  });
  onStop(() => {
    stopped = true;
    return validator.stop();
  });
  swarm.onMessage((message, from) => validator.handle(message, from));
  const begin = (): void => {
    // A failure is in the log, and the first measurement tries again.
    validator.prepare().catch(() => {});
    if (audited && parts.audits !== 0) {
      const leaving = new AbortController();
      const opening = openAuditor(parts, losses, leaving.signal);
      onStop(async () => {
        leaving.abort();
        await (await opening)?.stop();
      });
      void opening.then((auditor) => validator.setAuditor(auditor));
    }
    validator.start();
    swarm.onHandover(async () => ({
      stored: false,
      retry: false,
      detail: 'this host has a validator of its own',
    }));
  };
  return { validator, begin };
}

async function openCarries({ manifest, store }: Chain): Promise<CarryBook> {
  const { elements } = parameterLayout(manifest.model);
  return new CarryBook(carryRoot(await zeroCarry(elements)), store.note(CARRIES_NOTE));
}

/** Null, with the reason in the log, where this machine cannot replay a round. */
async function openAuditor(
  { chain, swarm, seat, audits, log }: HostSeatParts,
  losses: RoundLosses,
  signal: AbortSignal,
): Promise<Auditor | null> {
  const { manifest } = chain;
  const opened = await openReplays(manifest, audits !== undefined, signal);
  if (signal.aborted) return null;
  if ('why' in opened) {
    log(`audits are off: ${opened.why}. Submissions are judged without replays.`);
    return null;
  }
  log(`audits: ${manifest.gauntlet.auditsPerRound} a round, replayed on ${opened.adapter}`);
  return new Auditor({
    chain,
    swarm,
    identity: seat.identity,
    replays: opened.replays,
    shard: (index) => losses.shard(index),
    now: Date.now,
    log,
  });
}
