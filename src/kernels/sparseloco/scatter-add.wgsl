// target[place(chunk, position)] += values[chunk][code] for every entry of a sparse update: puts sent values back
// into, or takes them out of, the error feedback, and makes a validator's trial model. One workgroup a chunk.

struct Settings {
  chunks: u32,
}

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read_write> target_: array<f32>;
@group(0) @binding(2) var<storage, read> places: array<vec2<u32>>;
// [chunks + 1]
@group(0) @binding(3) var<storage, read> starts: array<u32>;
// Two 16-bit entries a word, the lower half first: position | code << 12.
@group(0) @binding(4) var<storage, read> entries: array<u32>;
// [chunks][4], already scaled.
@group(0) @binding(5) var<storage, read> values: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let chunk = group.y * FOLD + group.x;
  if (chunk >= settings.chunks) {
    return;
  }
  let place = places[chunk];
  let table = values[chunk];
  // Positions of a chunk are distinct, so no two threads meet.
  for (var i = starts[chunk] + lane; i < starts[chunk + 1u]; i += 64u) {
    let entry = (entries[i >> 1u] >> (16u * (i & 1u))) & 0xffffu;
    let position = entry & 0xfffu;
    target_[place.x + (position >> 6u) * place.y + (position & 63u)] += table[entry >> 12u];
  }
}
