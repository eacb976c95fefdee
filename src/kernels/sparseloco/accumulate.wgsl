// Vectors: error <- beta x error + (f32(theta) - parameters), for the flat range that starts at `first`. They are few,
// so the CPU quantises them; matrices go through select.wgsl. Does nothing when check-finite found a bad number.

struct Settings {
  first: u32,
  length: u32,
  beta: f32,
  unit: f32,
}

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read> theta: array<i32>;
@group(0) @binding(2) var<storage, read> parameters: array<f32>;
@group(0) @binding(3) var<storage, read_write> error: array<f32>;
@group(0) @binding(4) var<storage, read> firstBad: u32;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let id = (group.y * FOLD + group.x) * 64u + lane;
  if (firstBad != 0xffffffffu || id >= settings.length) {
    return;
  }
  let i = settings.first + id;
  error[i] = settings.beta * error[i] + (f32(theta[i]) * settings.unit - parameters[i]);
}
