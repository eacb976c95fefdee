/**
 * The genesis state: where every run's model starts, as fixed-point i32.
 *
 * Matrices are normal(0, 0.02), those that write into the residual stream scaled by 1/sqrt(2 layers) (GPT-2, section
 * 2.3); gains are 1. The normal is a sum of twelve uniform 16-bit integers (Irwin-Hall): integers, one exact product
 * and a rounding, no log or cos, so every JavaScript engine makes the same state to the bit.
 */
import { sha256Sync } from '../protocol/bytes.ts';
import type { ModelConfig } from './config.ts';
import { parameterLayout } from './layout.ts';
import { createRandom } from './random.ts';

const STANDARD_DEVIATION = 0.02;

/** θ at height 0, in units of 2^-fractionBits, laid out by {@link parameterLayout}. */
export function genesisTheta(
  config: ModelConfig,
  seed: string,
  fractionBits: number,
): Int32Array<ArrayBuffer> {
  const layout = parameterLayout(config);
  const theta = new Int32Array(layout.elements);
  const one = 2 ** fractionBits;
  const residual = STANDARD_DEVIATION / Math.sqrt(2 * config.layers);
  for (const tensor of layout.tensors) {
    const { name, offset, size } = tensor;
    if (tensor.shape.length === 1) {
      theta.fill(one, offset, offset + size);
      continue;
    }
    const deviation = /(o_proj|down_proj)\.weight$/.test(name) ? residual : STANDARD_DEVIATION;
    // Twelve uniforms on 0..65535 have mean 12 x 32767.5 and, to 1 part in 4e9, variance 65536^2.
    const scale = (deviation * one) / 65_536;
    const random = createRandom(sha256Sync(new TextEncoder().encode(`tabswarm genesis\n${seed}\n${name}`)));
    for (let i = offset; i < offset + size; i++) {
      let sum = 0;
      for (let j = 0; j < 6; j++) {
        const x = random.uint32();
        sum += (x & 0xffff) + (x >>> 16);
      }
      theta[i] = Math.round((sum - 393_210) * scale);
    }
  }
  return theta;
}

/** θ as the f32 values that training and evaluation use: one multiplication by a power of two, as in the kernel. */
export function thetaToFloat(theta: Int32Array, fractionBits: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(theta.length);
  const unit = 2 ** -fractionBits;
  for (let i = 0; i < theta.length; i++) out[i] = theta[i] * unit;
  return out;
}
