/**
 * What an organizer sets, checked before any work is done: the sections of a `--config` file one by one, and then the
 * whole run with place-holders for what is only known once the text is prepared.
 */
import * as v from 'valibot';
import { parameterLayout } from '../model/layout.ts';
import { ModelConfigSchema } from '../model/config.ts';
import { type Preset, presetManifest, type RunParts } from '../model/presets.ts';
import { FIRST_MERGE, MAX_VOCABULARY } from '../model/tokenizer.ts';
import { CleanText } from '../protocol/clean-text.ts';
import { type IceFault, type IceServer, iceFault, MAX_ICE_URLS } from '../protocol/ice.ts';
import { HASH_BYTES, KEY_BYTES, MAX_BLOB_BYTES } from '../protocol/limits.ts';
import {
  AdmissionSchema,
  CreditSchema,
  GauntletSchema,
  type Manifest,
  ManifestSchema,
  SparseLocoSchema,
  TrainingSchema,
} from '../protocol/manifest.ts';
import { estimateMemory } from '../training/memory.ts';

/** What is wrong with a setting. `where`: its name, with dots; `given`: what it is, as JSON, cut short. */
export type SettingProblem = { readonly where: string } /** There is no such setting. */ & (
  | { readonly rule: 'unknown' }
  | { readonly rule: 'type'; readonly wanted: SettingType; readonly given: string }
  | { readonly rule: 'least' | 'most' | 'multiple'; readonly limit: number; readonly given: string }
  | { readonly rule: 'one-of'; readonly names: readonly string[]; readonly given: string }
  | { readonly rule: 'empty' }
  | { readonly rule: 'longest'; readonly limit: number }
  /** Hidden characters, or a line end. */
  | { readonly rule: 'unclean' }
  | ({ readonly rule: 'ice' } & { readonly fault: IceFault })
  /** A phase of a round is shorter than {@link MIN_PHASE_MS}. */
  | { readonly rule: 'short-phase'; readonly limit: number }
  /** More parameters than one checkpoint can hold. */
  | { readonly rule: 'parameters'; readonly parameters: number; readonly limit: number }
  /** Training takes more memory than graphics cards have. */
  | { readonly rule: 'memory'; readonly bytes: number; readonly limit: number }
  /** Two settings contradict each other. The detail is the schema's. */
  | { readonly rule: 'together'; readonly detail: string }
);
export type SettingType = 'number' | 'whole-number' | 'text' | 'truth' | 'list' | 'object';

/** Bounds of a round's length, as `--round-seconds` has them. */
export const MIN_ROUND_MS = 5000;
export const MAX_ROUND_MS = 86_400_000;
/** The shortest phase of a round: a message takes longer to arrive. */
const MIN_PHASE_MS = 50;
/** One contributor's training, at most: no graphics card for people has as much. */
const MAX_TRAINING_BYTES = 64 * 2 ** 30;
/** A checkpoint is one blob: its header, and four bytes a parameter. */
const MAX_PARAMETERS = (MAX_BLOB_BYTES - 128) / 4;

const Text = (longest: number) =>
  v.pipe(
    CleanText(longest),
    v.check((text) => text.trim() !== '', 'empty'),
  );
const phase = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_ROUND_MS));

const Ice = v.custom<IceServer>((entry) => iceFault(entry) === null, 'ice');

/** A `--config` file: sections of the manifest. Every section knows its names and bounds. */
const ConfigSchema = v.partial(
  v.strictObject({
    description: Text(2000),
    organizer: v.partial(v.strictObject({ name: Text(80), contact: Text(200) })),
    model: v.partial(v.strictObject(ModelConfigSchema.entries)),
    training: v.partial(v.strictObject(TrainingSchema.entries)),
    schedule: v.partial(
      v.strictObject({
        roundMs: v.pipe(v.number(), v.integer(), v.minValue(MIN_ROUND_MS), v.maxValue(MAX_ROUND_MS)),
        trainMs: phase,
        commitMs: phase,
        revealMs: phase,
      }),
    ),
    sparseloco: v.partial(v.strictObject(SparseLocoSchema.entries)),
    gauntlet: v.partial(v.strictObject(GauntletSchema.entries)),
    admission: v.partial(v.strictObject(AdmissionSchema.entries)),
    credits: v.partial(v.strictObject(CreditSchema.entries)),
    shardTokens: v.pipe(v.number(), v.integer(), v.minValue(256), v.maxValue(1 << 24)),
    iceServers: v.pipe(v.array(Ice), v.maxLength(MAX_ICE_URLS)),
  }),
);
export type Config = v.InferOutput<typeof ConfigSchema>;

/** Checks the JSON of a `--config` file, as far as it can be checked by itself. Never throws. */
export function readConfig(
  json: unknown,
): { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly problem: SettingProblem } {
  const own = unknownName(json);
  if (own !== null) return { ok: false, problem: { where: own, rule: 'unknown' } };
  const list = listForObject(json);
  if (list !== null) return { ok: false, problem: list };
  const parsed = v.safeParse(ConfigSchema, json);
  if (!parsed.success) return { ok: false, problem: problemOf(parsed.issues[0]) };
  return { ok: true, config: parsed.output };
}

/** An empty list passes for an object without members: the whole file, or one of its sections. */
function listForObject(json: unknown): SettingProblem | null {
  const isSection = ([name]: [string, unknown]): boolean =>
    name !== 'iceServers' && Object.hasOwn(ConfigSchema.entries, name);
  const sections = Array.isArray(json) ? [] : Object.entries(json ?? {}).filter(isSection);
  const found = [['', json] as const, ...sections].find(([, value]) => Array.isArray(value));
  if (found === undefined) return null;
  const [where, value] = found;
  const { type } =
    where === '' ? ConfigSchema : ConfigSchema.entries[where as keyof typeof ConfigSchema.entries].wrapped;
  return { where, rule: 'type', wanted: TYPES[type] ?? 'object', given: givenOf(value) };
}

/** A name that an object's own machinery has, which a schema does not look at; null when there is none. */
function unknownName(json: unknown, path = ''): string | null {
  if (typeof json !== 'object' || json === null || path.split('.').length > 3) return null;
  for (const [name, value] of Object.entries(json)) {
    const where = path === '' ? name : `${path}.${name}`;
    if (name === '__proto__' || name === 'constructor' || name === 'prototype') return where;
    const inside = unknownName(value, where);
    if (inside !== null) return inside;
  }
  return null;
}

/** What an organizer settles of a new run, beside its text. */
export interface RunSettings {
  /** Sizes and rules, already with all overrides but those below. */
  readonly preset: Preset;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly organizer?: { readonly name?: string; readonly contact?: string } | undefined;
  readonly overrides?: RunParts['overrides'] | undefined;
}

/** What is wrong with a run that is to be made; null: nothing that can be known before its text is read. Never throws. */
export function problemOfRun({
  preset,
  name,
  description,
  organizer,
  overrides,
}: RunSettings): SettingProblem | null {
  const hash = new Uint8Array(HASH_BYTES);
  const blob = { hash, size: 1 };
  const shard = { ...blob, tokens: 1 };
  const parts: RunParts = {
    name: name ?? 'name',
    description: description ?? preset.description,
    organizer: {
      name: organizer?.name ?? 'name',
      contact: organizer?.contact ?? '',
      key: new Uint8Array(KEY_BYTES),
    },
    tokenizer: blob,
    data: { source: 'text', licence: 'none', train: [shard], heldOut: shard },
    genesis: { root: hash, checkpoint: blob },
    validators: [{ key: new Uint8Array(KEY_BYTES), weight: 1 }],
    startMs: 0,
    ...(overrides === undefined ? {} : { overrides }),
  };
  let manifest: Manifest;
  try {
    manifest = presetManifest(preset, parts);
  } catch (error) {
    if (!v.isValiError<typeof ManifestSchema>(error)) throw error;
    const found = problemOf(error.issues[0]);
    return { ...found, where: found.where.replace(/^task\./, '') };
  }
  return problemOfSizes(manifest) ?? problemOfPhases(manifest.schedule);
}

function problemOfSizes({ model, task: { training } }: Manifest): SettingProblem | null {
  const { vocabSize } = model;
  const given = String(vocabSize);
  const where = 'model.vocabSize';
  if (vocabSize < FIRST_MERGE) return { where, rule: 'least', limit: FIRST_MERGE, given };
  // Token ids are stored in 16 bits.
  if (vocabSize > MAX_VOCABULARY) return { where, rule: 'most', limit: MAX_VOCABULARY, given };
  const { elements } = parameterLayout(model);
  if (elements > MAX_PARAMETERS)
    return { where: 'model', rule: 'parameters', parameters: elements, limit: MAX_PARAMETERS };
  const { total } = estimateMemory(model, training.batch, training.sequence, { recompute: true });
  if (total > MAX_TRAINING_BYTES)
    return { where: 'training', rule: 'memory', bytes: total, limit: MAX_TRAINING_BYTES };
  if (training.warmupRounds >= training.totalRounds)
    return { where: 'training', rule: 'together', detail: 'warmupRounds must be less than totalRounds' };
  return null;
}

function problemOfPhases({
  roundMs,
  trainMs,
  commitMs,
  revealMs,
}: Preset['schedule']): SettingProblem | null {
  const phases = {
    trainMs,
    commitMs: commitMs - trainMs,
    revealMs: revealMs - commitMs,
    roundMs: roundMs - revealMs,
  };
  for (const [name, ms] of Object.entries(phases))
    if (ms < MIN_PHASE_MS) return { where: `schedule.${name}`, rule: 'short-phase', limit: MIN_PHASE_MS };
  return null;
}

const TYPES: Readonly<Record<string, SettingType>> = {
  number: 'number',
  finite: 'number',
  integer: 'whole-number',
  string: 'text',
  boolean: 'truth',
  array: 'list',
  object: 'object',
  strict_object: 'object',
};

const MAX_GIVEN = 60;

/** A value as a person wrote it, cut short. */
function givenOf(input: unknown): string {
  const json = typeof input === 'bigint' ? String(input) : (JSON.stringify(input) ?? String(input));
  return json.length > MAX_GIVEN ? `${json.slice(0, MAX_GIVEN)}…` : json;
}

/** Turns a schema's issue into a typed problem. */
export function problemOf(issue: v.BaseIssue<unknown>): SettingProblem {
  const { type, requirement, input, message } = issue;
  const where = v.getDotPath(issue) ?? '';
  const given = givenOf(input);
  if (type === 'strict_object' && issue.expected === 'never') return { where, rule: 'unknown' };
  const limit = typeof requirement === 'number' ? requirement : 0;
  switch (type) {
    case 'min_value':
      return { where, rule: 'least', limit, given };
    case 'max_value':
      return { where, rule: 'most', limit, given };
    case 'multiple_of':
      return { where, rule: 'multiple', limit, given };
    case 'max_length':
      return { where, rule: 'longest', limit };
    case 'min_length':
    case 'non_empty':
      return { where, rule: 'empty' };
    case 'picklist':
    case 'literal':
      return { where, rule: 'one-of', names: namesOf(issue.expected), given };
    case 'custom':
      return { where, rule: 'ice', fault: iceFault(input) ?? { rule: 'form', at: '' } };
    case 'check':
      if (typeof input !== 'string') return { where, rule: 'together', detail: message };
      return { where, rule: message === 'empty' ? 'empty' : 'unclean' };
    default:
      return { where, rule: 'type', wanted: TYPES[type] ?? 'object', given };
  }
}

/** The values that valibot says it expects: `("a" | "b")`. */
const namesOf = (expected: string | null): string[] =>
  (expected ?? '')
    .replace(/^\(|\)$/g, '')
    .split(' | ')
    .map((name) => name.replace(/^"|"$/g, ''));
