// out[c] (+)= sum over rows of a [ROWS, COLUMNS] matrix: the gains' gradients from their blocks' partial sums.
// Constants: ROWS, COLUMNS, W, ACCUMULATE.
@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(W)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= COLUMNS) { return; }
  var sum = 0f;
  for (var row = 0u; row < ROWS; row++) { sum += partial[row * COLUMNS + id.x]; }
  if (ACCUMULATE) { out[id.x] += sum; } else { out[id.x] = sum; }
}
