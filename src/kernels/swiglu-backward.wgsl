// Backward of swiglu.wgsl, in place: gu [ROWS, 2F] holds gate and up before, their gradients after.
// Constants: ROWS, F4 (= F / 4), W.
@group(0) @binding(0) var<storage, read> dact: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> gu: array<vec4f>;

@compute @workgroup_size(W)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = (wg.x + wg.y * FOLD) * W + lane;
  if (id >= ROWS * F4) { return; }
  let at = (id / F4) * (2u * F4) + id % F4;
  let gate = gu[at];
  let up = gu[at + F4];
  let s = 1f / (1f + exp(-gate));
  let d = dact[id];
  gu[at] = d * up * s * (1f + gate * (1f - s));
  gu[at + F4] = d * gate * s;
}
