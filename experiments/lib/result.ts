/** What a run leaves behind: one JSON file. */
import * as v from 'valibot';
import { SparseLocoSchema } from '../../src/protocol/manifest.ts';
import { isSize, type RunSettings, type SizeName } from './settings.ts';

const number = v.pipe(v.number(), v.finite());

const SettingsSchema: v.GenericSchema<unknown, RunSettings> = v.strictObject({
  method: v.picklist(['adamw', 'diloco', 'sparseloco']),
  corpus: v.string(),
  data: v.picklist(['iid', 'documents']),
  size: v.custom<SizeName>((x) => typeof x === 'string' && isSize(x)),
  seed: number,
  workers: number,
  rounds: number,
  innerSteps: number,
  unequalSteps: v.exactOptional(v.array(number)),
  weights: v.picklist(['tokens', 'equal']),
  batch: number,
  sequence: number,
  learningRate: number,
  diloco: v.exactOptional(v.strictObject({ alpha: number, momentum: number })),
  sparseloco: v.exactOptional(
    v.strictObject({
      ...SparseLocoSchema.entries,
      early: v.exactOptional(v.strictObject({ rounds: number, topK: number })),
    }),
  ),
  joiners: v.exactOptional(number),
  late: v.exactOptional(v.boolean()),
});

/** Throws valibot's ValiError. */
export const parseSettings = (settings: unknown): RunSettings => v.parse(SettingsSchema, settings);

export const ResultSchema = v.strictObject({
  settings: SettingsSchema,
  /** Held-out loss at the end, nats per byte; null when training diverged. */
  loss: v.nullable(number),
  /** Held-out loss of the agreed state on the way. */
  curve: v.array(v.strictObject({ round: number, tokens: number, loss: number })),
  parameters: number,
  /** Bytes that one worker sends in the whole run, and what dense fp32 would take at the same exchanges. */
  bytesSent: number,
  denseBytes: number,
  /** Values or coordinates that the integer outer step had to cut; 0 in a sound run. */
  saturated: number,
  seconds: number,
  adapter: v.string(),
  runtime: v.string(),
});
export type RunResult = v.InferOutput<typeof ResultSchema>;
