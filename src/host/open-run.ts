/**
 * The run of a data folder: reopened when there is one, else made: keys, text prepared, genesis state, signed manifest.
 */
import * as v from 'valibot';
import { type Preset, presetManifest, type RunParts } from '../model/presets.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { openRun as openSigned, type Run } from '../chain/run.ts';
import { cleanText } from '../protocol/clean-text.ts';
import { signManifest } from '../protocol/envelope.ts';
import { createIdentity, type Identity } from '../protocol/identity.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { SeatKey } from '../validator/open-seat.ts';
import { certifiesAlone, unassignedSecret } from '../validator/seat.ts';
import { fault } from './faults.ts';
import { prepareInThread, type PrepareEvents } from './prepare-thread.ts';
import { hasSeed, loadSeed, readSeed } from './seeds.ts';
import { problemOf, type RunSettings } from './settings.ts';
import { Store } from './store.ts';
import type { SeatPlace } from './view.ts';

/** What a new run is made of; without effect on a run that exists. */
export interface NewRun extends PrepareEvents, RunSettings {
  /** Text file or folder; absent: the built-in text. */
  readonly corpus?: string | undefined;
  readonly shardTokens?: number | undefined;
  /** When round 0 begins, epoch ms. Default: now, after the preparation. */
  readonly startMs?: number | undefined;
  /** Make a new run although keys or files of another lie there without their database. */
  readonly newRun?: boolean | undefined;
}

export interface OpenedRun {
  readonly store: Store;
  readonly run: Run;
  /** Null: a tab judges. */
  readonly key: SeatKey | null;
  readonly nodeSeed: Uint8Array;
  /** Whether the run was made just now. */
  readonly created: boolean;
  /** Whether the node's key of a run that was made before was missing, and is another now. */
  readonly nodeKeyMade: boolean;
  /** Files that belong to no round, which were moved into the folder `aside`. */
  readonly movedAside: number;
}

/** Opens or makes the run. Throws HostFault, or the signal's reason when aborted. */
export async function openRun(
  dataDir: string,
  wanted: NewRun,
  place: SeatPlace = 'host',
): Promise<OpenedRun> {
  const store = Store.open(dataDir, { newRun: wanted.newRun ?? false });
  try {
    let manifestBytes = store.manifest();
    const created = manifestBytes === null;
    // The key of a run is never made anew: another one would be another organizer's.
    const seed = created ? loadSeed(dataDir, 'organizer') : readSeed(dataDir, 'organizer');
    const organizer = await createIdentity(seed);
    if (manifestBytes === null) {
      const validator = await createIdentity(loadSeed(dataDir, 'validator'));
      manifestBytes = await makeRun(store, wanted, organizer, validator);
    }
    const opened = await openSigned(manifestBytes);
    if (!opened.ok) throw fault('manifest-unusable', { dir: dataDir, detail: opened.detail });
    const { run } = opened;
    const owner = run.manifest.organizer.key;
    if (!bytesEqual(owner, organizer.publicKey))
      throw fault('other-organizer', { dir: dataDir, organizer: toHex(owner) });
    const key = place === 'tab' ? null : await takeSeat(dataDir, run.manifest);
    const [first, ...others] = store.missingRunBlobs();
    if (first !== undefined)
      throw fault('blobs-missing', { dir: dataDir, count: 1 + others.length, first: toHex(first.hash) });
    // What the start that makes a run does not know may be what is left of another.
    const movedAside = created ? 0 : store.moveOrphansAside();
    const nodeKeyMade = !created && !hasSeed(dataDir, 'node');
    return { store, run, key, nodeSeed: loadSeed(dataDir, 'node'), created, nodeKeyMade, movedAside };
  } catch (error) {
    store.close();
    throw error;
  }
}

async function takeSeat(dataDir: string, manifest: Manifest): Promise<SeatKey> {
  if (!hasSeed(dataDir, 'validator')) throw fault('no-validator-key', { dir: dataDir });
  const seed = readSeed(dataDir, 'validator');
  const identity = await createIdentity(seed);
  if (!certifiesAlone(manifest, identity.publicKey)) throw fault('other-validator-key', { dir: dataDir });
  return { identity, secret: unassignedSecret(seed) };
}

async function makeRun(
  store: Store,
  wanted: NewRun,
  organizer: Identity,
  validator: Identity,
): Promise<Uint8Array> {
  const { preset, overrides } = wanted;
  const { data, genesis } = await prepareInThread(
    {
      dataDir: store.dir,
      data: {
        vocabSize: preset.model.vocabSize,
        sequence: overrides?.training?.sequence ?? preset.training.sequence,
        source: wanted.corpus,
        ...(wanted.shardTokens === undefined ? {} : { shardTokens: wanted.shardTokens }),
      },
      genesis: {
        model: preset.model,
        // As good a random seed as any, and it makes the genesis state reproducible from the folder.
        seed: toHex(validator.publicKey),
        fractionBits: overrides?.sparseloco?.fractionBits ?? preset.sparseloco.fractionBits,
      },
    },
    wanted,
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
    data: {
      source: cleanText(data.source, 200),
      licence: data.licence,
      train: data.train,
      heldOut: data.heldOut,
    },
    genesis,
    validators: [{ key: validator.publicKey, weight: 1 }],
    startMs: wanted.startMs ?? Date.now(),
    ...(overrides === undefined ? {} : { overrides }),
  });
  const bytes = await signManifest(organizer, manifest);
  store.saveRun(bytes, [data.tokenizer, ...data.train, data.heldOut, genesis.checkpoint]);
  return bytes;
}

function checkedManifest(preset: Preset, parts: RunParts): Manifest {
  try {
    return presetManifest(preset, parts);
  } catch (error) {
    if (!(error instanceof v.ValiError)) throw error;
    throw fault('settings-invalid', problemOf(error.issues[0]), error);
  }
}
