// Adds dx to the embedding's gradient. The host sorts the batch's positions by token, so that every table row has one
// owner: no atomics, and the sum has the same order every time.
// `order` holds: [0] the number of distinct tokens n; [1 .. ROWS] positions by token; then n + 1 starts of the runs.
// Constants: ROWS, D4 (= D / 4), FIRST, COUNT, W.
@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> dx: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> table: array<vec4f>;

@compute @workgroup_size(W)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = (wg.x + wg.y * FOLD) * W + lane;
  let run = id / D4;
  let column = id % D4;
  if (run >= order[0]) { return; }
  let start = order[1u + ROWS + run];
  let end = order[2u + ROWS + run];
  let token = tokens[order[1u + start]];
  if (token < FIRST || token >= FIRST + COUNT) { return; }
  var sum = vec4f();
  for (var i = start; i < end; i++) { sum += dx[order[1u + i] * D4 + column]; }
  table[(token - FIRST) * D4 + column] += sum;
}
