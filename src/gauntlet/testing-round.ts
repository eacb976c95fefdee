/** One round of a tiny run for the tests of validators: real submissions, one of them good, one harmful, one silent. */
import { genesisTheta } from '../model/init.ts';
import { parameterLayout } from '../model/layout.ts';
import { preset } from '../model/presets.ts';
import { encodeShard } from '../model/shards.ts';
import { sha256Sync, toHex } from '../protocol/bytes.ts';
import { genesisHead } from '../protocol/certificate.ts';
import { deadlines } from '../protocol/clock.ts';
import { seal } from '../protocol/envelope.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { sealOf } from '../protocol/seal.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';
import { stateRoot } from '../sparseloco/state.ts';
import type { SeenRound } from './testing-judge.ts';

const ROUND = 1;
/** The text uses these tokens only, so that what happens to others' embeddings has a sure effect. */
const USED = 256;

export interface TestRound {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  readonly theta: Int32Array;
  readonly secret: Uint8Array;
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  readonly seen: SeenRound;
  /** Who did what. */
  readonly good: Uint8Array;
  readonly harmful: Uint8Array;
  readonly silent: Uint8Array;
}

export async function makeTestRound(): Promise<TestRound> {
  const { model, sparseloco } = preset('tiny');
  const layout = parameterLayout(model);
  const theta = genesisTheta(model, 'round of a test', sparseloco.fractionBits);
  const shard = encodeShard(Uint16Array.from({ length: 3000 }, (_, i) => (i * i + 3 * i) % USED));
  const ref = { hash: sha256Sync(shard), size: shard.byteLength, tokens: 3000 };
  const base = testManifest(testHash('organizer'), []);
  const manifest: Manifest = {
    ...base,
    model,
    sparseloco,
    training: { ...base.training, sequence: 32 },
    data: { ...base.data, train: [ref], heldOut: ref },
    genesis: { ...base.genesis, root: await stateRoot(theta, layout) },
  };
  const runId = testHash('run of a test');
  const head = genesisHead(manifest, runId);
  const { train, commit, reveal } = deadlines(manifest.schedule, ROUND);
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
    const { bytes } = await replica.compress(parameters, { run: runId, round: ROUND, contributor });
    const submission = { hash: sha256Sync(bytes), size: bytes.byteLength };
    served.set(toHex(submission.hash), bytes);
    const about = { run: runId, round: ROUND };
    said.push({
      at: train + said.length,
      bytes: await seal(identity, {
        kind: 'commit',
        ...about,
        seal: sealOf(runId, ROUND, contributor, submission.hash),
        size: submission.size,
        tokens: 256,
        innerSteps: 1,
        baseRoot: head.root,
        trainLoss: 6,
      }),
    });
    if (reveals)
      said.push({
        at: commit + said.length,
        bytes: await seal(identity, { kind: 'reveal', ...about, submission, peer: 'somebody' }),
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
    manifest,
    runId,
    theta,
    secret: testHash('secret'),
    blobs: new Map([[toHex(ref.hash), shard]]),
    seen: { round: ROUND, head, said, served },
    good,
    harmful,
    silent,
  };
}
