// Rotary position embedding, "rotate half" (Su et al. 2021; Hugging Face's Llama), in place on the query and key columns
// of qkv [ROWS, LD]: (a, b) = (x[i], x[i + HALF]) -> (a cos - b sin, b cos + a sin). One thread a pair.
// Constants: ROWS, T (sequence), LD, HEADS (query + key heads), HALF (head dimension / 2), W.
@group(0) @binding(0) var<storage, read_write> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> angles: array<vec2f>; // [T, HALF] of (cos, sin)

@compute @workgroup_size(W)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = (wg.x + wg.y * FOLD) * W + lane;
  if (id >= ROWS * HEADS * HALF) { return; }
  let i = id % HALF;
  let head = (id / HALF) % HEADS;
  let row = id / (HALF * HEADS);
  let angle = angles[(row % T) * HALF + i];
  let at = row * LD + head * (2u * HALF) + i;
  let a = qkv[at];
  let b = qkv[at + HALF];
  qkv[at] = a * angle.x - b * angle.y;
  qkv[at + HALF] = b * angle.x + a * angle.y;
}
