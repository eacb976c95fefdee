/** A host without network whose clock stands where the test puts it, and everybody's work in its rounds. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { toHex } from '../../protocol/bytes.ts';
import type { ChainHead } from '../../protocol/certificate.ts';
import { deadlines } from '../../protocol/clock.ts';
import type { Auditor } from '../../validator/auditor.ts';
import { Chain } from '../chain.ts';
import { type NewRun, openRun, type Seat } from '../open-run.ts';
import { RoundLosses } from '../../gauntlet/round-losses.ts';
import { Validator, type ValidatorOptions } from '../../validator/validator.ts';
import { MemorySwarm, PretendedContributor, PretendedLosses, smallRun, START } from './fixtures.ts';

type Extra = Partial<Pick<ValidatorOptions, 'carries'>> & { readonly auditor?: Auditor };
/** What the auditor under test is made of. */
export interface WorldParts {
  readonly chain: Chain;
  readonly swarm: MemorySwarm;
  readonly run: Awaited<ReturnType<typeof openRun>>;
  readonly seat: Seat;
  readonly clock: { now: number };
  readonly lines: string[];
}

export interface WorldOptions {
  readonly folder: string;
  readonly corpus: string;
  readonly overrides?: NewRun['overrides'];
  readonly extra?: (parts: WorldParts) => Promise<Extra> | Extra;
}

let worlds = 0;

/** Seven contributors are admitted by round 0; three of them work. The tests begin with round 1. */
export async function createWorld({ folder, corpus, overrides, extra = () => ({}) }: WorldOptions) {
  const dir = join(folder, `world-${worlds++}`);
  mkdirSync(dir);
  const run = await openRun(dir, smallRun(corpus, overrides));
  const { seat } = run;
  if (seat === null) throw new Error('a host that judges has a seat');
  const chain = await Chain.open(run.manifest, run.runId, run.store);
  const swarm = new MemorySwarm();
  const meter = new PretendedLosses();
  const clock = { now: START + 1000 };
  const lines: string[] = [];
  const more = await extra({ chain, swarm, run, seat, clock, lines });
  const make = (own: Chain) => {
    const made = new Validator({
      chain: own,
      swarm,
      identity: seat.identity,
      losses: new RoundLosses({
        manifest: run.manifest,
        runId: run.runId,
        meter,
        readBlob: (ref) => run.store.readBlob(ref),
        secret: seat.secret,
      }),
      now: () => clock.now,
      log: (line) => lines.push(line),
      onRefused: (round, refused) => run.store.saveRefusals(round, refused),
      ...(more.carries === undefined ? {} : { carries: more.carries }),
    });
    made.setAuditor(more.auditor ?? null);
    return made;
  };
  const at = (round: number) => deadlines(run.manifest.schedule, round);
  const validator = make(chain);
  await validator.prepare();
  validator.advance();
  const everybody = await Promise.all(
    [1, 2, 3, 4, 5, 6, 7].map(async (seed) =>
      PretendedContributor.create(seed, run.manifest, run.runId, await chain.theta()),
    ),
  );
  for (const one of everybody) {
    const verdict = await validator.handle(await one.join(chain.head), 'p');
    if (verdict !== 'accept') throw new Error(`a join was met with ${verdict}`);
  }
  clock.now += 2000;
  validator.advance();
  await validator.settled();
  const admitted: ChainHead = chain.head;
  if (admitted.height !== 1) throw new Error('nobody was admitted');
  clock.now = at(1).train - 1000;
  validator.advance();
  await validator.prepare();
  await swarm.heard('certificate', 2); // said again when the round opened
  swarm.published.length = 0;
  lines.length = 0;
  const contributors = everybody.slice(0, 3);
  return { admitted, run, seat, chain, swarm, meter, clock, lines, validator, make, at, contributors };
}

export type World = Awaited<ReturnType<typeof createWorld>>;
export type Work = Awaited<ReturnType<PretendedContributor['work']>>;

/** Everybody's work in a round, committed in time. */
export async function committed(w: World, round: number): Promise<Work[]> {
  const works = await Promise.all(w.contributors.map((contributor) => contributor.work(round)));
  w.clock.now = w.at(round).train + 10;
  for (const work of works) await mustAccept(w, work.commit);
  return works;
}

export async function revealed(w: World, round: number, works: readonly Work[]): Promise<void> {
  w.clock.now = w.at(round).commit + 10;
  for (const work of works) {
    w.swarm.blobs.set(toHex(work.submission.hash), work.bytes);
    await mustAccept(w, work.reveal);
  }
}

/** Everybody applies the newest certificate; the roots that their replicas then have. */
export async function follow(w: World, works: readonly Work[]): Promise<Uint8Array[]> {
  const bytes = new Map(works.map((work) => [toHex(work.submission.hash), work.bytes]));
  const accepted = (w.chain.last?.body.accepted ?? []).map(({ submission, weight }) => {
    const known = bytes.get(toHex(submission.hash));
    if (known === undefined) throw new Error('a certificate of somebody else’s work');
    return { bytes: known, weight };
  });
  return Promise.all(w.contributors.map(({ replica }) => replica.apply(accepted)));
}

async function mustAccept(w: World, message: Uint8Array): Promise<void> {
  const verdict = await w.validator.handle(message, 'peer');
  if (verdict !== 'accept') throw new Error(`a message was met with ${verdict}`);
}
