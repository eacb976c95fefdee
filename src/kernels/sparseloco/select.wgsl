// Compression of one 64x64 tile a workgroup, in one pass: a = beta e + (theta - parameters), the exact topK largest
// |a| (ties to the lower position, zeros never), sign quantisation, and e <- a - sent.
//
// The k-th largest magnitude is found by a radix select on the bits of |a| (they order like the floats): four rounds
// of 8, 8, 8 and 7 bits over one 256-bin histogram. A thread keeps one row of the tile throughout, so the tile is read
// once. 64 threads and not 256: on CPU drivers a barrier costs by the thread, and this took a quarter of the time.

struct Settings {
  beta: f32,
  unit: f32,
  topK: u32,
  // 0: raw values out, e <- a (the host quantises and subtracts); 1: sign1; 2: sign2.
  mode: u32,
  chunks: u32,
}

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read> theta: array<vec4<i32>>;
@group(0) @binding(2) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> error: array<vec4<f32>>;
// Per chunk: index of its first scalar, scalars from row to row.
@group(0) @binding(4) var<storage, read> places: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read> firstBad: u32;
// [chunks][topK]: position | code << 12.
@group(0) @binding(6) var<storage, read_write> kept: array<u32>;
// [chunks][topK] in mode 0.
@group(0) @binding(7) var<storage, read_write> keptValues: array<f32>;
// Per chunk: entries, levels (low | high << 16), bits of the sum of squares of e, 0.
@group(0) @binding(8) var<storage, read_write> summary: array<vec4<u32>>;

const THREADS = 64u;
const PER_THREAD = 64u;
const VECTORS = PER_THREAD / 4u;
const MAX_K = 512u;
const LLOYD_ROUNDS = 3u;

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> scan: array<u32, THREADS>;
var<workgroup> segment: array<u32, 16>;
var<workgroup> found: vec2<u32>; // digit of the k-th largest, how many to take of that digit
var<workgroup> magnitudes: array<f32, MAX_K>;
var<workgroup> table: vec4<f32>; // low value, high value, split, unused
var<workgroup> levels: vec2<u32>;
var<workgroup> squares: array<f32, THREADS>;
var<workgroup> squareSegment: array<f32, 16>;

fn magnitude(x: f32) -> u32 {
  return bitcast<u32>(x) & 0x7fffffffu;
}

fn magnitudes4(x: vec4<f32>) -> vec4<u32> {
  return bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
}

// Levels of sparseloco/levels.ts. Rounding here may differ from the host's: only what is sent must be exact.
fn levelOf(m: f32) -> u32 {
  if (m <= 0.0) {
    return 0u;
  }
  return u32(clamp(round(8.0 * (log2(m) + 40.0)), 1.0, 511.0));
}

fn levelValue(level: u32) -> f32 {
  if (level == 0u) {
    return 0.0;
  }
  // Mantissas of 2^(0/8) .. 2^(7/8).
  let even = vec4<u32>(0x000000u, 0x1837f0u, 0x3504f3u, 0x5744fdu);
  let odd = vec4<u32>(0x0b95c2u, 0x25fed7u, 0x45672au, 0x6ac0c7u);
  let mantissa = select(even, odd, vec4<bool>((level & 1u) == 1u))[(level >> 1u) & 3u];
  let exponent = (level >> 3u) + 127u - 40u;
  return bitcast<f32>((exponent << 23u) | mantissa);
}

// Magnitudes of a chunk by Lloyd's iteration from the mean, as sparseloco/quantisers.ts does it.
fn chooseTable(count: u32) {
  var sum = 0.0;
  for (var i = 0u; i < count; i++) {
    sum += magnitudes[i];
  }
  var low = sum / f32(max(count, 1u));
  var high = low;
  var split = low;
  if (settings.mode == 2u) {
    for (var round = 0u; round < LLOYD_ROUNDS; round++) {
      var above = 0u;
      var aboveSum = 0.0;
      for (var i = 0u; i < count; i++) {
        if (magnitudes[i] > split) {
          above++;
          aboveSum += magnitudes[i];
        }
      }
      if (above == 0u || above == count) {
        break;
      }
      high = aboveSum / f32(above);
      low = (sum - aboveSum) / f32(count - above);
      split = 0.5 * (low + high);
    }
  }
  levels = vec2<u32>(levelOf(low), select(0u, levelOf(high), settings.mode == 2u));
  table = vec4<f32>(levelValue(levels.x), levelValue(levels.y), split, 0.0);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let chunk = group.y * FOLD + group.x;
  if (chunk >= settings.chunks || firstBad != 0xffffffffu) {
    return;
  }
  let place = places[chunk];
  // A thread owns a row: positions [64 lane, 64 lane + 64).
  let first = (place.x + lane * place.y) >> 2u;
  var a: array<vec4<f32>, VECTORS>;
  for (var j = 0u; j < VECTORS; j++) {
    let delta = vec4<f32>(theta[first + j]) * settings.unit - parameters[first + j];
    a[j] = settings.beta * error[first + j] + delta;
  }

  // Radix select: `prefix` is what is known of the k-th largest magnitude, `take` its rank among those that share it.
  var prefix = 0u;
  var take = settings.topK;
  for (var digitIndex = 0u; digitIndex < 4u; digitIndex++) {
    let width = select(8u, 7u, digitIndex == 3u);
    let shift = select(23u - 8u * digitIndex, 0u, digitIndex == 3u);
    for (var i = lane; i < 256u; i += THREADS) {
      atomicStore(&histogram[i], 0u);
    }
    workgroupBarrier();
    for (var j = 0u; j < VECTORS; j++) {
      let m = magnitudes4(a[j]);
      let hit = (m >> vec4<u32>(shift + width)) == vec4<u32>(prefix);
      if (any(hit)) {
        let bin = (m >> vec4<u32>(shift)) & vec4<u32>((1u << width) - 1u);
        if (hit.x) {
          atomicAdd(&histogram[bin.x], 1u);
        }
        if (hit.y) {
          atomicAdd(&histogram[bin.y], 1u);
        }
        if (hit.z) {
          atomicAdd(&histogram[bin.z], 1u);
        }
        if (hit.w) {
          atomicAdd(&histogram[bin.w], 1u);
        }
      }
    }
    workgroupBarrier();
    if (lane == 0u) {
      var left = take;
      var bin = (1u << width) - 1u;
      loop {
        let n = atomicLoad(&histogram[bin]);
        if (n >= left || bin == 0u) {
          break;
        }
        left -= n;
        bin--;
      }
      found = vec2<u32>(bin, left);
    }
    let digit = workgroupUniformLoad(&found);
    prefix = (prefix << width) | digit.x;
    take = digit.y;
  }
  let threshold = prefix;
  // A threshold of zero means fewer than topK non-zero values: take none of the zeros.
  let ties = select(take, 0u, threshold == 0u);
  let count = settings.topK - take + ties;

  // Slots in ascending position: exclusive prefix sums of "above" and "equal", packed in one word.
  var mine = 0u;
  for (var j = 0u; j < VECTORS; j++) {
    let m = magnitudes4(a[j]);
    let word = select(vec4<u32>(0u), vec4<u32>(1u), m > vec4<u32>(threshold)) +
      select(vec4<u32>(0u), vec4<u32>(1u << 16u), m == vec4<u32>(threshold));
    mine += word.x + word.y + word.z + word.w;
  }
  scan[lane] = mine;
  workgroupBarrier();
  if (lane < THREADS / 16u) {
    var sum = 0u;
    for (var i = 0u; i < 16u; i++) {
      let n = scan[lane * 16u + i];
      scan[lane * 16u + i] = sum;
      sum += n;
    }
    segment[lane] = sum;
  }
  workgroupBarrier();
  var before = scan[lane];
  for (var i = 0u; i < (lane >> 4u); i++) {
    before += segment[i];
  }
  let slotBase = chunk * settings.topK;

  var above = before & 0xffffu;
  var equal = before >> 16u;
  for (var i = 0u; i < PER_THREAD; i++) {
    if ((i & 3u) == 0u && all(magnitudes4(a[i >> 2u]) < vec4<u32>(threshold))) {
      i += 3u;
      continue;
    }
    let x = a[i >> 2u][i & 3u];
    let m = magnitude(x);
    if (m > threshold || (m == threshold && equal < ties)) {
      let slot = above + min(equal, ties);
      if (settings.mode == 0u) {
        kept[slotBase + slot] = lane * PER_THREAD + i;
        keptValues[slotBase + slot] = x;
      } else {
        magnitudes[slot] = abs(x);
      }
    }
    above += select(0u, 1u, m > threshold);
    equal += select(0u, 1u, m == threshold);
  }
  workgroupBarrier();
  if (lane == 0u && settings.mode != 0u) {
    chooseTable(count);
  }
  workgroupBarrier();

  if (settings.mode != 0u) {
    above = before & 0xffffu;
    equal = before >> 16u;
    for (var i = 0u; i < PER_THREAD; i++) {
      if ((i & 3u) == 0u && all(magnitudes4(a[i >> 2u]) < vec4<u32>(threshold))) {
        i += 3u;
        continue;
      }
      let x = a[i >> 2u][i & 3u];
      let m = magnitude(x);
      if (m > threshold || (m == threshold && equal < ties)) {
        let slot = above + min(equal, ties);
        let large = settings.mode == 2u && abs(x) > table.z;
        let value = select(table.x, table.y, large);
        let negative = x < 0.0;
        kept[slotBase + slot] =
          (lane * PER_THREAD + i) | (select(0u, 1u, negative) << 12u) | (select(0u, 1u, large) << 13u);
        a[i >> 2u][i & 3u] = x - select(value, -value, negative);
      }
      above += select(0u, 1u, m > threshold);
      equal += select(0u, 1u, m == threshold);
    }
  }

  var square = 0.0;
  for (var j = 0u; j < VECTORS; j++) {
    error[first + j] = a[j];
    square += dot(a[j], a[j]);
  }
  squares[lane] = square;
  workgroupBarrier();
  if (lane < THREADS / 16u) {
    var sum = 0.0;
    for (var i = 0u; i < 16u; i++) {
      sum += squares[lane * 16u + i];
    }
    squareSegment[lane] = sum;
  }
  workgroupBarrier();
  if (lane == 0u) {
    var sum = 0.0;
    for (var i = 0u; i < THREADS / 16u; i++) {
      sum += squareSegment[i];
    }
    summary[chunk] = vec4<u32>(count, levels.x | (levels.y << 16u), bitcast<u32>(sum), 0u);
  }
}
