// Second half of the gradient norm: stats[1] = norm, stats[2] = min(1, CLIP / (norm + 1e-6)) (PyTorch's
// clip_grad_norm_). One workgroup. The norm stays on the GPU; adamw.wgsl reads the factor.
// Constants: COUNT (partial sums), CLIP, W.
@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> stats: array<f32>;

@compute @workgroup_size(W)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = 0f;
  for (var i = lane; i < COUNT; i += W) { sum += partial[i]; }
  let norm = sqrt(rowSum(lane, sum));
  if (lane == 0u) {
    stats[1] = norm;
    stats[2] = min(1f, CLIP / (norm + 1e-6f));
  }
}
