// Softmax cross-entropy of a chunk of rows; the gradient takes the place of the logits (llm.c's fused classifier), so
// that [rows, vocabulary] never exists twice. loss[row] = log sum exp - logit[target]; a target of -1 costs nothing.
// The target is left out of the sum: once the model is sure of it, 1 - p and log(1 / p) are what the others have, and
// taking them as differences from 1 would leave no digits.
// Constants: ROWS (of the chunk that count), PADDED (rows of the chunk), FIRST (row of the batch), V, W.
struct Step { learningRate: f32, correction1: f32, correction2: f32, inverseCount: f32 }
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<storage, read> targets: array<i32>;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;

@compute @workgroup_size(W)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wg.x + wg.y * FOLD;
  if (row >= PADDED) { return; }
  let base = row * V;
  var wanted = -1;
  if (row < ROWS) { wanted = targets[FIRST + row]; }
  if (wanted < 0) {
    for (var i = lane; i < V; i += W) { logits[base + i] = 0f; }
    if (lane == 0u && row < ROWS) { loss[FIRST + row] = 0f; }
    return;
  }
  var top = -3.4e38f;
  for (var i = lane; i < V; i += W) { top = max(top, logits[base + i]); }
  top = rowMax(lane, top);
  let distance = logits[base + u32(wanted)] - top;
  let own = exp(distance);
  var others = 0f;
  for (var i = lane; i < V; i += W) {
    others += select(exp(logits[base + i] - top), 0f, i == u32(wanted));
  }
  others = rowSum(lane, others);
  let sum = others + own;
  if (lane == 0u) {
    // log(1 + r) by its series where r is small.
    let r = others / own;
    let series = r * (1f - r * (0.5f - r * (1f / 3f - 0.25f * r)));
    loss[FIRST + row] = select(log(sum) - distance, series, r < 0.01f);
  }
  workgroupBarrier();
  let scale = step.inverseCount / sum;
  for (var i = lane; i < V; i += W) {
    let p = exp(logits[base + i] - top) * scale;
    logits[base + i] = select(p, -others * scale, i == u32(wanted));
  }
}
