/** The state that a run begins with, as its first checkpoint among the blobs. */
import { encodeCheckpoint, GENESIS_RUN_ID } from '../model/checkpoint.ts';
import type { ModelConfig } from '../model/config.ts';
import { genesisTheta } from '../model/init.ts';
import { parameterLayout } from '../model/layout.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { stateRoot } from '../sparseloco/state.ts';
import { BlobFolder } from './blob-folder.ts';

export interface GenesisOptions {
  readonly model: ModelConfig;
  /** The same seed gives the same state. */
  readonly seed: string;
  /** Bits behind the binary point of θ. */
  readonly fractionBits: number;
}

/** Makes θ from a seed and writes its checkpoint. Synchronous work, but for the writing: seconds for 124 M parameters. */
export async function prepareGenesis(
  dataDir: string,
  { model, seed, fractionBits }: GenesisOptions,
): Promise<Manifest['genesis']> {
  const theta = genesisTheta(model, seed, fractionBits);
  const root = await stateRoot(theta, parameterLayout(model));
  const bytes = encodeCheckpoint({ runId: GENESIS_RUN_ID, height: 0, root, fractionBits, theta }, model);
  return { root, checkpoint: await new BlobFolder(dataDir).write(bytes) };
}
