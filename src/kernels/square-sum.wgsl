// partial[SLOT + workgroup] = sum of squares over a grid-strided share of COUNT vec4s: first half of the gradient norm.
// Constants: COUNT, GROUPS, SLOT, W.
@group(0) @binding(0) var<storage, read> values: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(W)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  var sum = vec4f();
  for (var i = wg.x * W + lane; i < COUNT; i += GROUPS * W) {
    let v = values[i];
    sum += v * v;
  }
  let total = rowSum(lane, sum.x + sum.y + sum.z + sum.w);
  if (lane == 0u) { partial[SLOT + wg.x] = total; }
}
