/** In Chromium: all candidates in one page, one after the other. Called by train.ts through Playwright. */
import { installGpuCounters } from '../lib/gpu-counters.ts';
import type { CandidateKind } from './candidate.ts';
import { compareTraining, type Plan } from './compare.ts';
import { jaxWebgpu } from './jax.ts';
import { ours } from './ours.ts';
import { tfjsWebgl, tfjsWebgpu } from './tfjs.ts';

installGpuCounters();
const kinds: readonly CandidateKind[] = [ours(), jaxWebgpu, tfjsWebgpu, tfjsWebgl];

Object.assign(globalThis, {
  compare: ({ names, ...plan }: Plan & { readonly names: readonly string[] }) =>
    compareTraining(
      kinds.filter((kind) => !kind.peer || names.length === 0 || names.includes(kind.name)),
      plan,
      (line) => console.log(line),
      (globalThis as { gpuProcessMs?: () => Promise<number> }).gpuProcessMs,
    ),
});
