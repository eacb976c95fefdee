// RMSNorm forward, h = x * rsqrt(mean(x^2) + EPS) * gain (Zhang & Sennrich 2019), one workgroup of W threads a row.
// Constants: ROWS, D (columns), W (threads), EPS. Put before this text: fn rowSum(lane, value); H, the type h is stored in.
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gain: array<f32>;
@group(0) @binding(2) var<storage, read_write> h: array<H>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(W)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = wg.x + wg.y * FOLD;
  if (row >= ROWS) { return; }
  let base = row * D;
  var squares = 0f;
  for (var i = lane; i < D; i += W) {
    let value = x[base + i];
    squares += value * value;
  }
  let r = 1f / sqrt(rowSum(lane, squares) / f32(D) + EPS);
  for (var i = lane; i < D; i += W) {
    h[base + i] = H(x[base + i] * r * gain[i]);
  }
  if (lane == 0u) { rstd[row] = r; }
}
