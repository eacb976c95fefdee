// The outer step in integers: theta <- theta - round(sum of w V / sum of w), saturated. docs/state.md gives the bounds.
//
// One workgroup takes 1024 of a chunk's 4096 positions and goes through all submissions. Numerators are 64-bit
// two's complement, held as two atomic 32-bit halves: a carry depends only on what the low half was at that very
// addition, so the pair is exact in any order of additions.

struct Settings {
  gridX: u32,
  groups: u32,     // chunks x 4
  submissions: u32,
  chunks: u32,
  divisor: u32,    // the total weight ('all'), or 0: the weight of a coordinate's senders
}

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read_write> theta: array<i32>;
@group(0) @binding(2) var<storage, read> places: array<vec2<u32>>;
// [submissions][chunks + 1]: absolute entry indices.
@group(0) @binding(3) var<storage, read> starts: array<u32>;
// Two 16-bit entries a word, the lower half first: position | code << 12.
@group(0) @binding(4) var<storage, read> entries: array<u32>;
// [submissions][chunks][4]: w V as (low, high).
@group(0) @binding(5) var<storage, read> products: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read> weights: array<u32>;
@group(0) @binding(7) var<storage, read_write> saturated: atomic<u32>;

var<workgroup> low: array<atomic<u32>, 1024>;
var<workgroup> high: array<atomic<u32>, 1024>;
var<workgroup> weight: array<atomic<u32>, 1024>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let index = group.y * settings.gridX + group.x;
  if (index >= settings.groups) {
    return;
  }
  let chunk = index >> 2u;
  let quarter = index & 3u;
  for (var p = lane; p < 1024u; p += 256u) {
    atomicStore(&low[p], 0u);
    atomicStore(&high[p], 0u);
    atomicStore(&weight[p], 0u);
  }
  workgroupBarrier();

  // Four submissions at a time, 64 threads each.
  for (var s = lane >> 6u; s < settings.submissions; s += 4u) {
    let row = s * (settings.chunks + 1u) + chunk;
    let w = weights[s];
    for (var i = starts[row] + (lane & 63u); i < starts[row + 1u]; i += 64u) {
      let entry = (entries[i >> 1u] >> (16u * (i & 1u))) & 0xffffu;
      let position = entry & 0xfffu;
      if ((position >> 10u) != quarter) {
        continue;
      }
      let p = position & 1023u;
      let product = products[(s * settings.chunks + chunk) * 4u + (entry >> 12u)];
      let old = atomicAdd(&low[p], product.x);
      let carry = select(0u, 1u, old + product.x < old);
      atomicAdd(&high[p], product.y + carry);
      atomicAdd(&weight[p], w);
    }
  }
  workgroupBarrier();

  let place = places[chunk];
  for (var p = lane; p < 1024u; p += 256u) {
    var lo = atomicLoad(&low[p]);
    var hi = atomicLoad(&high[p]);
    if ((lo | hi) == 0u) {
      continue;
    }
    let negative = (hi >> 31u) == 1u;
    if (negative) {
      lo = ~lo + 1u;
      hi = ~hi + select(0u, 1u, lo == 0u);
    }
    let divisor = select(settings.divisor, atomicLoad(&weight[p]), settings.divisor == 0u);
    let half = divisor >> 1u;
    hi += select(0u, 1u, lo + half < lo);
    lo += half;
    // Long division in digits of 16 bits: the divisor is at most 2^16 and hi < divisor, so no step overflows.
    let t1 = (hi << 16u) | (lo >> 16u);
    let t0 = ((t1 % divisor) << 16u) | (lo & 0xffffu);
    let quotient = i32(((t1 / divisor) << 16u) + t0 / divisor);
    let change = select(-quotient, quotient, negative);

    let position = quarter * 1024u + p;
    let at = place.x + (position >> 6u) * place.y + (position & 63u);
    let before = theta[at];
    var after = before + change;
    if (((before ^ after) & (change ^ after)) < 0) {
      after = select(0x7fffffff, -2147483647 - 1, before < 0);
      atomicAdd(&saturated, 1u);
    }
    theta[at] = after;
  }
}
