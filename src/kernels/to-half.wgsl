// half[i] = values[i] stored f16, COUNT vec4s: the weights as operands of products; the f32 originals stay the truth.
// Constants: COUNT, W.
enable f16;
@group(0) @binding(0) var<storage, read> values: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> half: array<vec4<f16>>;

@compute @workgroup_size(W)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (wg.x + wg.y * FOLD) * W + lane;
  if (i >= COUNT) { return; }
  half[i] = vec4<f16>(values[i]);
}
