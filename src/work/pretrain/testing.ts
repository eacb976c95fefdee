/**
 * For tests of what measures losses and of who judges: one round of a tiny run with real submissions, one good, one
 * harmful, one silent, and a whole round's verdict from what was said and served in it, without network.
 */
import { type ChainHead, genesisHead } from '../../chain/certificate.ts';
import { emptyLedger } from '../../chain/ledger.ts';
import type { Run } from '../../chain/run.ts';
import { testRun } from '../../chain/testing.ts';
import { RoundBook, type Verdict } from '../../gauntlet/book.ts';
import type { Inspected } from '../../gauntlet/inspect.ts';
import { refusal } from '../../gauntlet/notes.ts';
import { genesisTheta } from '../../model/init.ts';
import { parameterLayout } from '../../model/layout.ts';
import { preset } from '../../model/presets.ts';
import { encodeShard } from '../../model/shards.ts';
import { sha256Sync, toHex } from '../../protocol/bytes.ts';
import { open, seal } from '../../protocol/envelope.ts';
import { sealOf } from '../../protocol/seal.ts';
import { testHash, testIdentity, testManifest } from '../../protocol/testing.ts';
import type { Clock } from '../../protocol/timer.ts';
import { CpuReplica } from '../../sparseloco/cpu-replica.ts';
import { stateRoot } from '../../sparseloco/state.ts';
import { encodeClaim, type PretrainClaim } from './claim.ts';
import { PretrainJudging, type PretrainJudgingOptions } from './judging.ts';

/** One round as a validator saw it. */
export interface SeenRound {
  readonly round: number;
  /** The certified state that it started from. */
  readonly head: ChainHead;
  /** Envelopes with the swarm time (epoch ms) at which each came, in that order. */
  readonly said: readonly { readonly at: number; readonly bytes: Uint8Array }[];
  /** Bytes by the hex of the hash they were fetched under. */
  readonly served: ReadonlyMap<string, Uint8Array>;
}

export interface TestRound {
  readonly run: Run;
  readonly theta: Int32Array;
  readonly secret: Uint8Array;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  readonly seen: SeenRound;
  /** Who did what. */
  readonly good: Uint8Array;
  readonly harmful: Uint8Array;
  readonly silent: Uint8Array;
}

const ROUND = 1;
/** The text uses these tokens only, so that what happens to others' embeddings has a sure effect. */
const USED = 256;

/** A clock that stands still: measuring has all the time it needs. */
export const standingClock = (now: number): Clock => ({ now: () => now, at: () => () => {} });

/** Judges a seen round with the shipped book and judging. The state of `seen.head` must be loaded in `losses`. */
export async function judgeRound(
  run: Run,
  seen: SeenRound,
  losses: PretrainJudgingOptions['losses'],
  theta: Int32Array,
): Promise<Verdict> {
  const { round, head } = seen;
  const { reveal, judge } = run.rounds.deadlines(round);
  const judging = new PretrainJudging({
    run,
    losses,
    clock: standingClock(reveal),
    carries: null,
    onCarries: () => {},
    standings: () => new Map(),
    report: (event) => {
      throw new Error(JSON.stringify(event));
    },
  });
  await judging.load(head.height, theta);
  const book: RoundBook<PretrainClaim, Inspected> = new RoundBook({
    run,
    round,
    judge: judging.open({
      round,
      head: () => head,
      inRace: () => book.entries().map(({ contributor }) => contributor),
      measureUntil: judge,
    }),
    baseRoot: () => head.root,
    ledger: emptyLedger,
    standings: new Map(),
    isMember: () => true,
    previous: [],
    audited: false,
  });
  for (const { at, bytes } of seen.said) {
    const opened = await open(bytes);
    if (!opened.ok) continue;
    if (opened.message.kind === 'commit') book.commit(opened.sender, opened.message, at);
    if (opened.message.kind === 'reveal') book.reveal(opened.sender, opened.message, at);
  }
  for (const { contributor, blob } of book.toFetch(reveal)) {
    const bytes = seen.served.get(toHex(blob.hash));
    if (bytes === undefined)
      book.notServed(contributor, refusal('not-revealed', 'not-served', { error: 'nobody has it' }));
    else await book.bytes(contributor, bytes);
  }
  return book.judge();
}

export async function makeTestRound(): Promise<TestRound> {
  const { model, sparseloco } = preset('tiny');
  const layout = parameterLayout(model);
  const theta = genesisTheta(model, 'round of a test', sparseloco.fractionBits);
  const shard = encodeShard(Uint16Array.from({ length: 3000 }, (_, i) => (i * i + 3 * i) % USED));
  const ref = { hash: sha256Sync(shard), size: shard.byteLength, tokens: 3000 };
  const base = testManifest(testHash('organizer'), []);
  const run = testRun({
    ...base,
    model,
    sparseloco,
    task: {
      ...base.task,
      training: { ...base.task.training, sequence: 32 },
      data: { ...base.task.data, train: [ref], heldOut: ref },
    },
    genesis: { ...base.genesis, root: await stateRoot(theta, layout) },
  });
  const head = genesisHead(run);
  const { train, commit, reveal } = run.rounds.deadlines(ROUND);
  const said: { at: number; bytes: Uint8Array }[] = [];
  const served = new Map<string, Uint8Array>();

  /** Scales the embeddings of 128 unused tokens: smaller makes them less likely, larger drowns the others. */
  async function contribute(name: string, firstToken: number, factor: number, reveals: boolean) {
    const identity = await testIdentity(name);
    const replica = new CpuReplica(layout, sparseloco);
    await replica.load(theta);
    const parameters = replica.parameters();
    const from = firstToken * model.hiddenSize;
    for (let i = from; i < from + 128 * model.hiddenSize; i++) parameters[i] = parameters[i] * factor;
    const contributor = identity.publicKey;
    const { bytes } = await replica.compress(parameters, { run: run.id, round: ROUND, contributor });
    const submission = { hash: sha256Sync(bytes), size: bytes.byteLength };
    served.set(toHex(submission.hash), bytes);
    const claim = encodeClaim({ submission, tokens: 256, innerSteps: 1, baseRoot: head.root, carry: null });
    const about = { run: run.id, round: ROUND };
    const sealed = sealOf(run.id, ROUND, contributor, claim);
    said.push({
      at: train + said.length,
      bytes: await seal(identity, { kind: 'commit', ...about, seal: sealed }),
    });
    if (reveals)
      said.push({
        at: commit + said.length,
        bytes: await seal(identity, { kind: 'reveal', ...about, claim, peer: 'somebody' }),
      });
    return contributor;
  }
  const good = await contribute('good', USED, 0.2, true);
  const harmful = await contribute('harmful', USED + 128, 8, true);
  const silent = await contribute('silent', USED, 0.5, false);
  // Commits come before all reveals, whoever spoke first.
  said.sort((a, b) => a.at - b.at);
  if (said.some(({ at }) => at >= reveal)) throw new Error('the test round is too slow');
  return {
    run,
    theta,
    secret: testHash('secret'),
    blobs: new Map([[toHex(ref.hash), shard]]),
    seen: { round: ROUND, head, said, served },
    good,
    harmful,
    silent,
  };
}
