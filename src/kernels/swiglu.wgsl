// act = silu(gate) * up (Shazeer 2020), gate and up side by side in gu [ROWS, 2F]. One thread a vec4.
// Constants: ROWS, F4 (= F / 4), W, LARGEST (of H). Put before this text: H, the type act is stored in.
@group(0) @binding(0) var<storage, read> gu: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> act: array<vec4<H>>;

@compute @workgroup_size(W)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = (wg.x + wg.y * FOLD) * W + lane;
  if (id >= ROWS * F4) { return; }
  let at = (id / F4) * (2u * F4) + id % F4;
  let gate = gu[at];
  let value = gate / (1f + exp(-gate)) * gu[at + F4];
  // A product of two activations may pass the largest f16, where infinity would spread.
  act[id] = vec4<H>(clamp(value, vec4f(-LARGEST), vec4f(LARGEST)));
}
