// Softmax cross-entropy of a chunk of rows; the gradient takes the place of the logits (llm.c's fused classifier), so
// that [rows, vocabulary] never exists twice. loss[row] = log sum exp - logit[target]; a target of -1 costs nothing.
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
  var sum = 0f;
  for (var i = lane; i < V; i += W) { sum += exp(logits[base + i] - top); }
  sum = rowSum(lane, sum);
  if (lane == 0u) { loss[FIRST + row] = log(sum) - (logits[base + u32(wanted)] - top); }
  workgroupBarrier();
  let scale = step.inverseCount / sum;
  for (var i = lane; i < V; i += W) {
    let p = exp(logits[base + i] - top) * scale;
    logits[base + i] = select(p, p - step.inverseCount, i == u32(wanted));
  }
}
