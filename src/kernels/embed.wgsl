// x[row] = table[token[row]] for the tokens in [FIRST, FIRST + COUNT): the table may be bound in parts.
// Constants: ROWS, D4 (= D / 4), FIRST, COUNT, W.
@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4f>;

@compute @workgroup_size(W)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = (wg.x + wg.y * FOLD) * W + lane;
  if (id >= ROWS * D4) { return; }
  let token = tokens[id / D4];
  if (token < FIRST || token >= FIRST + COUNT) { return; }
  x[id] = table[(token - FIRST) * D4 + id % D4];
}
