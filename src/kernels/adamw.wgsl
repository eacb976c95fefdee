// AdamW (Loshchilov & Hutter 2019; PyTorch's order of operations) over the flat parameter buffer, one thread a vec4.
// Decay only below DECAYED: the layout puts all matrices first. Vec4 FIRST is where these bindings begin.
// Constants: COUNT (vec4s here), FIRST, DECAYED, BETA1, BETA2, EPSILON, DECAY, W.
struct Step { learningRate: f32, correction1: f32, correction2: f32, inverseCount: f32 }
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> stats: array<f32>;
@group(0) @binding(2) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> moment1: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> moment2: array<vec4f>;

@compute @workgroup_size(W)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wg.x + wg.y * FOLD) * W + lane;
  if (i >= COUNT) { return; }
  let g = gradients[i] * stats[2];
  let m = BETA1 * moment1[i] + (1f - BETA1) * g;
  let v = BETA2 * moment2[i] + (1f - BETA2) * g * g;
  moment1[i] = m;
  moment2[i] = v;
  let decay = select(1f, 1f - step.learningRate * DECAY, i + FIRST < DECAYED);
  // correction1 = 1 / (1 - beta1^t), correction2 = 1 / sqrt(1 - beta2^t)
  parameters[i] = parameters[i] * decay - step.learningRate * step.correction1 * m / (sqrt(v) * step.correction2 + EPSILON);
}
