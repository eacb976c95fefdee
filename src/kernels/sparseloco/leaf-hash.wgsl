// Leaf hashes of the state's Merkle tree: SHA-256 (FIPS 180-4) of 0x00 and a chunk's i32 values, little-endian in tile
// order. One thread a chunk: the blocks of a hash are sequential, and a model has thousands of chunks.

struct Settings {
  chunks: u32,
}

@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read> theta: array<u32>;
// Per chunk: first scalar, scalars from row to row, scalars in the chunk, 0.
@group(0) @binding(2) var<storage, read> places: array<vec4<u32>>;
// [chunks][8], the digest's big-endian words.
@group(0) @binding(3) var<storage, read_write> digests: array<u32>;

const K = array<u32, 64>(
  0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
  0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
  0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
  0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
  0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
  0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
  0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
  0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u,
);

fn rotr(x: u32, n: u32) -> u32 {
  return (x >> n) | (x << (32u - n));
}

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let chunk = (group.y * FOLD + group.x) * 32u + lane;
  if (chunk >= settings.chunks) {
    return;
  }
  var k = K;
  let place = places[chunk];
  let length = place.z;
  let bits = (4u * length + 1u) * 8u;
  // The message is 4 length + 1 bytes; then 0x80, zeros, and the 64-bit length in bits.
  let blocks = (4u * length + 1u + 9u + 63u) / 64u;
  var h = array<u32, 8>(
    0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u,
  );
  // The leaf's prefix shifts all by a byte: a word is the last byte of one scalar and three bytes of the next.
  var carried = 0u;
  var next = 0u;
  for (var block = 0u; block < blocks; block++) {
    var w: array<u32, 16>;
    for (var i = 0u; i < 16u; i++) {
      var word = carried << 24u;
      carried = 0u;
      if (next < length) {
        let value = theta[place.x + (next >> 6u) * place.y + (next & 63u)];
        // Bytes in memory order b0 b1 b2 b3 with b0 the lowest.
        word |= ((value & 0xffu) << 16u) | (value & 0xff00u) | ((value >> 16u) & 0xffu);
        carried = value >> 24u;
      } else if (next == length) {
        word |= 0x800000u;
      }
      next++;
      w[i] = word;
    }
    if (block == blocks - 1u) {
      w[15] = bits;
    }
    var a = h[0];
    var b = h[1];
    var c = h[2];
    var d = h[3];
    var e = h[4];
    var f = h[5];
    var g = h[6];
    var hh = h[7];
    for (var t = 0u; t < 64u; t++) {
      let i = t & 15u;
      if (t >= 16u) {
        let w15 = w[(t + 1u) & 15u];
        let w2 = w[(t + 14u) & 15u];
        let s0 = rotr(w15, 7u) ^ rotr(w15, 18u) ^ (w15 >> 3u);
        let s1 = rotr(w2, 17u) ^ rotr(w2, 19u) ^ (w2 >> 10u);
        w[i] = w[i] + s0 + w[(t + 9u) & 15u] + s1;
      }
      let sum1 = rotr(e, 6u) ^ rotr(e, 11u) ^ rotr(e, 25u);
      let t1 = hh + sum1 + ((e & f) ^ (~e & g)) + k[t] + w[i];
      let sum0 = rotr(a, 2u) ^ rotr(a, 13u) ^ rotr(a, 22u);
      let t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
      hh = g;
      g = f;
      f = e;
      e = d + t1;
      d = c;
      c = b;
      b = a;
      a = t1 + t2;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
    h[5] += f;
    h[6] += g;
    h[7] += hh;
  }
  for (var i = 0u; i < 8u; i++) {
    digests[chunk * 8u + i] = h[i];
  }
}
