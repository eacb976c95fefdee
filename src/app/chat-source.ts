/**
 * Where the chat takes the current state from: the trainer's certified θ while this tab trains, else the host's newest
 * checkpoint. Nothing here is trusted: the chat worker computes the root of what it gets.
 */
import { fromHex } from '../protocol/bytes.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { ChatState } from '../worker/chat-api.ts';
import { type BlobCache, type BlobSources, fetchBlob, fetchKept } from '../peer/blobs.ts';
import type { Host } from '../peer/host.ts';
import type { TrainerClient } from '../work/pretrain/trainer-api.ts';
import { RunUnknownError } from './chat-problem.ts';

/** A trainer that does not answer by then hangs; reading 500 MB back from a GPU takes a second or two. */
const TRAINER_MS = 30_000;

export interface ChatSource {
  /** Null until the run's description is known. */
  readonly manifest: Manifest | null;
  /** The newest state that can be had. Throws HostError, BlobError. */
  state(signal: AbortSignal): Promise<ChatState>;
  /** The run's tokenizer.json. Throws HostError, BlobError. */
  tokenizer(signal: AbortSignal): Promise<Uint8Array>;
}

export interface ChatSourceOptions {
  readonly host: Host;
  readonly cache: BlobCache;
  readonly manifest: () => Manifest | null;
  readonly trainer: () => TrainerClient | null;
}

export function chatSource({ host, cache, manifest, trainer }: ChatSourceOptions): ChatSource {
  const sources: BlobSources = { host, cache, swarm: null, onCorrupt: () => {} };
  return {
    get manifest() {
      return manifest();
    },
    async state(signal) {
      const theta = await thetaOf(trainer(), signal);
      if (theta !== null) return { kind: 'theta', theta };
      const { checkpoint } = await host.head(signal);
      const ref = { hash: fromHex(checkpoint.hash), size: checkpoint.size };
      return { kind: 'checkpoint', bytes: await fetchBlob(ref, sources, signal) };
    },
    async tokenizer(signal) {
      const run = manifest();
      if (run === null) throw new RunUnknownError('the run is not known yet');
      return fetchKept(run.tokenizer, sources, signal);
    },
  };
}

/** Null without a trainer that holds a state and answers. */
async function thetaOf(trainer: TrainerClient | null, signal: AbortSignal): Promise<Int32Array | null> {
  if (trainer === null) return null;
  const gaveUp = AbortSignal.any([signal, AbortSignal.timeout(TRAINER_MS)]);
  const silent = new Promise<null>((resolve) => {
    gaveUp.addEventListener('abort', () => resolve(null), { once: true });
  });
  const theta = await Promise.race([trainer.theta().catch(() => null), silent]);
  signal.throwIfAborted();
  return theta;
}
