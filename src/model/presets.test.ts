/** Presets: their size, and that each makes a valid manifest. */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { ManifestSchema } from '../protocol/manifest.ts';
import { ModelConfigSchema } from './config.ts';
import { parameterLayout } from './layout.ts';
import { PRESET_NAMES, preset, presetManifest, type RunParts } from './presets.ts';

const blob = (n: number) => ({ hash: new Uint8Array(32).fill(n), size: 10 });
const parts: RunParts = {
  name: 'test',
  description: '',
  organizer: { name: 'me', contact: '', key: new Uint8Array(32) },
  tokenizer: blob(1),
  data: {
    source: 's',
    licence: 'l',
    train: [{ ...blob(2), tokens: 5 }],
    heldOut: { ...blob(3), tokens: 5 },
  },
  genesis: { root: new Uint8Array(32), checkpoint: blob(4) },
  validators: [{ key: new Uint8Array(32), weight: 1 }],
  startMs: 1_000_000,
};

/** embedding, twice where it is not tied, + layers x (q, k, v, o, gate, up, down, two gains) + last gain, worked out apart from the layout. */
const expected = {
  tiny: 512 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 192 + 128) + 64,
  '1m': 2 * 2048 * 128 + 3 * (2 * 128 * 128 + 2 * 64 * 128 + 3 * 128 * 384 + 256) + 128,
  '10m': 4096 * 256 + 12 * (2 * 256 * 256 + 2 * 128 * 256 + 3 * 256 * 704 + 512) + 256,
  '30m': 8192 * 384 + 16 * (2 * 384 * 384 + 2 * 128 * 384 + 3 * 384 * 1088 + 768) + 384,
  '124m': 50_304 * 768 + 12 * (4 * 768 * 768 + 3 * 768 * 2048 + 1536) + 768,
};
const nominal = { tiny: 0.139, '1m': 1.1, '10m': 10, '30m': 30, '124m': 124 };

describe.each(PRESET_NAMES)('%s', (name) => {
  const base = preset(name);

  it('has the parameters that its name says', () => {
    const { elements } = parameterLayout(base.model);
    expect(elements).toBe(expected[name]);
    expect(Math.abs(elements / 1e6 / nominal[name] - 1)).toBeLessThan(0.05);
    expect(v.is(ModelConfigSchema, base.model)).toBe(true);
  });

  it('makes a manifest, with overrides', () => {
    const manifest = presetManifest(base, parts);
    expect(v.parse(ManifestSchema, manifest)).toEqual(manifest);
    const { trainMs, commitMs } = manifest.schedule;
    expect(commitMs - trainMs).toBe(500);
    const changed = presetManifest(base, {
      ...parts,
      overrides: { training: { batch: 3 }, sparseloco: { topK: 32 }, schedule: { roundMs: 1_000_000 } },
    });
    expect(changed.task.training).toEqual({ ...manifest.task.training, batch: 3 });
    expect(changed.sparseloco.topK).toBe(32);
    expect(changed.schedule.roundMs).toBe(1_000_000);
  });
});

it('refuses settings out of bounds and names that are not there', () => {
  const impossible = { ...parts, overrides: { schedule: { trainMs: 29_999, roundMs: 30_000 } } };
  expect(() => presetManifest(preset('1m'), impossible)).toThrow(/trainMs < commitMs/);
  expect(() => preset('7b')).toThrow('no preset is named "7b"');
  expect(() => preset('constructor')).toThrow(RangeError);
});
