// RMSNorm backward. With n = x * rstd and g = dh * gain:  dx (+)= rstd * (g - n * mean(g * n)),  dgain = sum over rows
// of dh * n. A workgroup takes BLOCK rows one after the other, so that each thread adds up "its" columns of dgain without
// atomics; the blocks' partial sums are added by sum-columns.wgsl, once for all norms of the model.
// Constants: ROWS, D, W, BLOCK, STRIDE (columns of `partial`), COLUMN (this norm's first), FRESH (overwrite dx).
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gain: array<f32>;
@group(0) @binding(2) var<storage, read> rstd: array<f32>;
@group(0) @binding(3) var<storage, read> dh: array<f32>;
@group(0) @binding(4) var<storage, read_write> dx: array<f32>;
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(W)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = wg.x + wg.y * FOLD;
  let first = block * BLOCK;
  if (first >= ROWS) { return; }
  let into = block * STRIDE + COLUMN;
  for (var row = first; row < min(first + BLOCK, ROWS); row++) {
    let base = row * D;
    let r = rstd[row];
    var dots = 0f;
    for (var i = lane; i < D; i += W) {
      dots += dh[base + i] * gain[i] * x[base + i];
    }
    let mean = rowSum(lane, dots) * r / f32(D);
    for (var i = lane; i < D; i += W) {
      let n = x[base + i] * r;
      let g = dh[base + i];
      let d = r * (g * gain[i] - n * mean);
      if (FRESH) { dx[base + i] = d; } else { dx[base + i] += d; }
      if (row == first) { partial[into + i] = g * n; } else { partial[into + i] += g * n; }
    }
  }
}
