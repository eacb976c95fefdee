// The model that inner steps start from: parameters = f32(theta) x 2^-fractionBits.

struct Settings {
  length: u32, // vec4s
  unit: f32,
}

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read> theta: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read_write> parameters: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * FOLD + group.x) * 256u + lane;
  if (i < settings.length) {
    parameters[i] = vec4<f32>(theta[i]) * settings.unit;
  }
}
