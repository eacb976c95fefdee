// Is every parameter an ordinary number? Writes the lowest index of a scalar that is NaN, infinite or not below 2^64
// in magnitude. Works on bit patterns, because WGSL lets a compiler assume that floats are never NaN.

struct Settings {
  length: u32, // vec4s
}

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read> parameters: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> firstBad: atomic<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * FOLD + group.x) * 256u + lane;
  if (i >= settings.length) {
    return;
  }
  // Exponent of 2^64 with f32's bias of 127.
  let bad = (parameters[i] & vec4<u32>(0x7f800000u)) >= vec4<u32>(191u << 23u);
  if (any(bad)) {
    atomicMin(&firstBad, i * 4u);
  }
}
