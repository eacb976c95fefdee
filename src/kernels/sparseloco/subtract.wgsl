// The outer step's last act: theta <- theta - change for the coordinates that any submission moved, saturated to i32.
// Exact integer arithmetic; sparseloco/outer-step.ts has combined the submissions into one change per coordinate.

struct Settings {
  chunks: u32,
}

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read_write> theta: array<i32>;
@group(0) @binding(2) var<storage, read> places: array<vec2<u32>>;
// [chunks + 1]
@group(0) @binding(3) var<storage, read> starts: array<u32>;
// Two 16-bit positions a word, the lower half first.
@group(0) @binding(4) var<storage, read> positions: array<u32>;
// At most 2^30 in magnitude.
@group(0) @binding(5) var<storage, read> changes: array<i32>;
@group(0) @binding(6) var<storage, read_write> saturated: atomic<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let chunk = group.y * FOLD + group.x;
  if (chunk >= settings.chunks) {
    return;
  }
  let place = places[chunk];
  // Positions of a chunk are distinct, so no two threads meet.
  for (var i = starts[chunk] + lane; i < starts[chunk + 1u]; i += 64u) {
    let position = (positions[i >> 1u] >> (16u * (i & 1u))) & 0xffffu;
    let at = place.x + (position >> 6u) * place.y + (position & 63u);
    let before = theta[at];
    let change = changes[i];
    var after = before - change;
    // Overflow: the operands' signs differ and the result's is not the first one's.
    if (((before ^ change) & (before ^ after)) < 0) {
      after = select(0x7fffffff, -2147483647 - 1, before < 0);
      atomicAdd(&saturated, 1u);
    }
    theta[at] = after;
  }
}
