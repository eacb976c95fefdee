/** Inputs for the tests of protocol, gauntlet and host: identities from numbers, a small valid manifest. */
import { sha256Sync } from './bytes.ts';
import { createIdentity, type Identity } from './identity.ts';
import { PROTOCOL_VERSION } from './limits.ts';
import type { Manifest } from './manifest.ts';

/** 32 deterministic bytes. */
export const testHash = (name: string | number): Uint8Array =>
  sha256Sync(new TextEncoder().encode(`test ${name}`));

/** The identity of a number: the same key in every test run. */
export const testIdentity = (name: string | number): Promise<Identity> =>
  createIdentity(testHash(`seed ${name}`));

const blob = (name: string) => ({ hash: testHash(name), size: 1000 });

/** A run of 30-second rounds that starts at epoch 1,000,000,000 ms, validated by `validators`. */
export function testManifest(
  organizer: Uint8Array,
  validators: readonly { key: Uint8Array; weight: number }[],
  change: Partial<Manifest> = {},
): Manifest {
  return {
    protocol: PROTOCOL_VERSION,
    name: 'test run',
    description: 'A run that exists only in tests.',
    organizer: { name: 'Tester', contact: 'test@example.org', key: organizer },
    model: {
      vocabSize: 192,
      hiddenSize: 64,
      intermediateSize: 192,
      layers: 2,
      heads: 2,
      kvHeads: 2,
      tiedEmbeddings: true,
      ropeTheta: 10_000,
      rmsNormEps: 1e-5,
    },
    tokenizer: blob('tokenizer'),
    task: {
      kind: 'pretrain',
      data: {
        source: 'made up',
        licence: 'none',
        train: [{ ...blob('shard 0'), tokens: 500 }],
        heldOut: { ...blob('held-out'), tokens: 500 },
      },
      training: {
        batch: 4,
        accumulation: 2,
        sequence: 64,
        maxInnerSteps: 30,
        learningRate: 1e-3,
        minLearningRateRatio: 0.1,
        warmupRounds: 10,
        totalRounds: 1000,
        beta1: 0.9,
        beta2: 0.95,
        epsilon: 1e-8,
        weightDecay: 0.1,
        clipNorm: 1,
      },
    },
    sparseloco: {
      topK: 64,
      quantiser: 'sign2',
      beta: 0.95,
      alpha: 1,
      average: 'senders',
      fractionBits: 24,
    },
    schedule: {
      startMs: 1_000_000_000,
      roundMs: 30_000,
      trainMs: 20_000,
      commitMs: 22_000,
      revealMs: 25_000,
    },
    gauntlet: {
      maxAccepted: 16,
      evaluationScale: 0.2,
      evaluationSequences: 8,
      heldOutSequences: 16,
      maxNormRatio: 10,
      maxOverlap: 0.6,
    },
    admission: { joinBits: 4, joinTarget: 4, idleRounds: 20 },
    credits: { perRound: 1_000_000, total: 1_000_000_000, vestRounds: 3 },
    genesis: { root: testHash('genesis root'), checkpoint: blob('genesis') },
    validators: validators.map((validator) => ({ ...validator })),
    ...change,
  };
}
