/**
 * The run of a data folder: reopened when there is one, else made: keys, text prepared, genesis state, signed manifest.
 */
import * as v from 'valibot';
import { encodeCheckpoint, GENESIS_RUN_ID } from '../model/checkpoint.ts';
import { genesisTheta } from '../model/init.ts';
import { parameterLayout } from '../model/layout.ts';
import { type Preset, presetManifest, type RunParts } from '../model/presets.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { openManifest, signManifest } from '../protocol/envelope.ts';
import { createIdentity, type Identity } from '../protocol/identity.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { stateRoot } from '../sparseloco/state.ts';
import { certifiesAlone, unassignedSecret } from '../validator/seat.ts';
import { prepareData, type PrepareProgress } from './prepare.ts';
import { hasSeed, loadSeed } from './seeds.ts';
import { Store, StoreError } from './store.ts';
import type { SeatPlace } from './view.ts';

/** What a new run is made of; without effect on a run that exists. */
export interface NewRun {
  /** Sizes and rules, already with all overrides but those below. */
  readonly preset: Preset;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly organizer?: { readonly name?: string; readonly contact?: string } | undefined;
  /** Text file or folder; absent: the built-in text. */
  readonly corpus?: string | undefined;
  readonly shardTokens?: number | undefined;
  readonly overrides?: RunParts['overrides'] | undefined;
  /** When round 0 begins, epoch ms. Default: now, after the preparation. */
  readonly startMs?: number | undefined;
  readonly onProgress?: ((progress: PrepareProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A validator's seat on this host. */
export interface Seat {
  readonly identity: Identity;
  /** 32 bytes that only its holder knows. */
  readonly secret: Uint8Array;
}

export interface OpenedRun {
  readonly store: Store;
  readonly manifest: Manifest;
  readonly manifestBytes: Uint8Array;
  readonly runId: Uint8Array;
  /** Null: a tab judges. */
  readonly seat: Seat | null;
  readonly nodeSeed: Uint8Array;
  /** Whether the run was made just now. */
  readonly created: boolean;
}

/** Opens or makes the run. Throws StoreError, CorpusError, TokenizerError or RangeError in plain words. */
export async function openRun(
  dataDir: string,
  wanted: NewRun,
  place: SeatPlace = 'host',
): Promise<OpenedRun> {
  const store = Store.open(dataDir);
  try {
    const organizer = await createIdentity(loadSeed(dataDir, 'organizer'));
    let manifestBytes = store.manifest();
    const created = manifestBytes === null;
    if (manifestBytes === null) {
      const validator = await createIdentity(loadSeed(dataDir, 'validator'));
      manifestBytes = await makeRun(store, wanted, organizer, validator);
    }
    const opened = await openManifest(manifestBytes);
    if (!opened.ok) {
      throw new StoreError(
        `The manifest in "${dataDir}" cannot be used (${opened.detail}). Start a new run in another folder with --data.`,
      );
    }
    const { manifest, runId } = opened;
    if (!bytesEqual(manifest.organizer.key, organizer.publicKey)) {
      throw new StoreError(
        `The run in "${dataDir}" belongs to the organizer ${toHex(manifest.organizer.key).slice(0, 16)}, not to organizer.key beside it. Restore that key, or name another folder with --data.`,
      );
    }
    const seat = place === 'tab' ? null : await takeSeat(dataDir, manifest);
    const missing = store.missingRunBlobs();
    if (missing.length > 0) {
      throw new StoreError(
        `${missing.length} file(s) of the run are missing or cut short in "${dataDir}/blobs" (the first: ${toHex((missing[0] as { hash: Uint8Array }).hash)}). Restore the folder, or start a new run in another one with --data.`,
      );
    }
    store.sweep();
    return {
      store,
      manifest,
      manifestBytes,
      runId,
      seat,
      nodeSeed: loadSeed(dataDir, 'node'),
      created,
    };
  } catch (error) {
    store.close();
    throw error;
  }
}

async function takeSeat(dataDir: string, manifest: Manifest): Promise<Seat> {
  if (!hasSeed(dataDir, 'validator')) {
    throw new StoreError(
      `There is no validator.key in "${dataDir}". Restore it, or let a browser tab that has it validate: --validator tab.`,
    );
  }
  const seed = loadSeed(dataDir, 'validator');
  const identity = await createIdentity(seed);
  if (!certifiesAlone(manifest, identity.publicKey)) {
    throw new StoreError(
      `validator.key in "${dataDir}" cannot certify rounds of this run. Restore the key it was made with.`,
    );
  }
  return { identity, secret: unassignedSecret(seed) };
}

async function makeRun(
  store: Store,
  wanted: NewRun,
  organizer: Identity,
  validator: Identity,
): Promise<Uint8Array> {
  const { preset, overrides } = wanted;
  const data = await prepareData(store.dir, {
    vocabSize: preset.model.vocabSize,
    sequence: overrides?.training?.sequence ?? preset.training.sequence,
    source: wanted.corpus,
    ...(wanted.shardTokens === undefined ? {} : { shardTokens: wanted.shardTokens }),
    ...(wanted.onProgress === undefined ? {} : { onProgress: wanted.onProgress }),
    ...(wanted.signal === undefined ? {} : { signal: wanted.signal }),
  });
  const fractionBits = overrides?.sparseloco?.fractionBits ?? preset.sparseloco.fractionBits;
  const layout = parameterLayout(preset.model);
  // The validator's key is as good a random seed as any, and makes the genesis state reproducible from the folder.
  const theta = genesisTheta(preset.model, toHex(validator.publicKey), fractionBits);
  const root = await stateRoot(theta, layout);
  const checkpoint = await store.writeBlob(
    encodeCheckpoint({ runId: GENESIS_RUN_ID, height: 0, root, fractionBits, theta }, preset.model),
  );
  const manifest = checkedManifest(preset, {
    name: wanted.name ?? `Tabswarm ${preset.name}`,
    description: wanted.description ?? preset.description,
    organizer: {
      name: wanted.organizer?.name ?? 'an unnamed organizer',
      contact: wanted.organizer?.contact ?? '',
      key: organizer.publicKey,
    },
    tokenizer: data.tokenizer,
    data: { source: data.source, licence: data.licence, train: data.train, heldOut: data.heldOut },
    genesis: { root, checkpoint },
    validators: [{ key: validator.publicKey, weight: 1 }],
    startMs: wanted.startMs ?? Date.now(),
    ...(overrides === undefined ? {} : { overrides }),
  });
  const bytes = await signManifest(organizer, manifest);
  store.saveRun(bytes, [data.tokenizer, ...data.train, data.heldOut, checkpoint]);
  return bytes;
}

function checkedManifest(preset: Preset, parts: RunParts): Manifest {
  try {
    return presetManifest(preset, parts);
  } catch (error) {
    if (!(error instanceof v.ValiError)) throw error;
    const [issue] = error.issues;
    throw new RangeError(
      `The settings are not valid: ${v.getDotPath(issue) ?? 'manifest'}: ${issue.message}.`,
      {
        cause: error,
      },
    );
  }
}
