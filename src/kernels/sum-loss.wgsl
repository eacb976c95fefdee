// stats[SLOT] (+)= sum of loss[0 .. ROWS]. One workgroup.
// Constants: ROWS, SLOT, W, ACCUMULATE.
@group(0) @binding(0) var<storage, read> loss: array<f32>;
@group(0) @binding(1) var<storage, read_write> stats: array<f32>;

@compute @workgroup_size(W)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = 0f;
  for (var i = lane; i < ROWS; i += W) { sum += loss[i]; }
  sum = rowSum(lane, sum);
  if (lane == 0u) {
    if (ACCUMULATE) { stats[SLOT] += sum; } else { stats[SLOT] = sum; }
  }
}
