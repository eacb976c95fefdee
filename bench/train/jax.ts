/**
 * The peer @jax-js/jax on WebGPU: the whole step (valueAndGrad, clipping, AdamW) as one jitted function, which is how
 * its users get the most out of it. AdamW is in numpy ops, since optax is not published for it.
 *
 * Its arrays are counted references: passing one gives it away, `.ref` keeps it.
 */
import { defaultDevice, getWebGPUDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from '@jax-js/jax';
import { parameterLayout } from '../../src/model/layout.ts';
import type { Candidate, CandidateKind } from './candidate.ts';
import { LEARNING_RATE, OPTIMIZER, type Problem, ropeTables, type Size } from './problem.ts';

type Params = Record<string, np.Array>;

export const jaxWebgpu: CandidateKind = {
  name: 'jax-js webgpu',
  peer: true,
  async start() {
    const devices = await init('webgpu');
    if (!devices.includes('webgpu')) throw new Error('jax-js found no WebGPU');
    defaultDevice('webgpu');
    const { adapterInfo } = getWebGPUDevice();
    return `${adapterInfo.vendor} ${adapterInfo.architecture} (${adapterInfo.description})`;
  },
  load,
};

/**
 * Mean cross-entropy of the Llama on `batch * sequence` tokens. Activations stay `[rows, width]`: its jit cannot feed a
 * reshaped cotangent to the scatter that is the embedding's gradient, nor scatter through takeAlongAxis, hence the
 * one-hot targets (fused into the sum, so never stored).
 */
function makeLoss({ config: c, batch, sequence }: Size) {
  const tables = ropeTables({ config: c, batch, sequence });
  const headDim = c.hiddenSize / c.heads;
  const rows = batch * sequence;
  const cos = np.array(tables.cos).reshape([sequence, 1, headDim / 2]);
  const sin = np.array(tables.sin).reshape([sequence, 1, headDim / 2]);

  const norm = (x: np.Array, weight: np.Array) => {
    const scale = np.reciprocal(np.sqrt(np.mean(np.square(x.ref), -1, { keepdims: true }).add(c.rmsNormEps)));
    return x.mul(scale).mul(weight);
  };
  const linear = (x: np.Array, weight: np.Array) => np.matmul(x, weight.transpose());
  const rope = (x: np.Array) => {
    const [a, b] = np.split(x, 2, -1) as [np.Array, np.Array];
    return np.concatenate(
      [a.ref.mul(cos.ref).sub(b.ref.mul(sin.ref)), b.mul(cos.ref).add(a.mul(sin.ref))],
      -1,
    );
  };
  const heads = (x: np.Array) => x.reshape([batch, sequence, c.heads, headDim]);

  return (params: Params, tokens: np.Array, targets: np.Array): np.Array => {
    const use = (name: string) => params[name].ref;
    let x = use('model.embed_tokens.weight').slice(tokens);
    for (let i = 0; i < c.layers; i++) {
      const p = (name: string) => use(`model.layers.${i}.${name}.weight`);
      const h = norm(x.ref, p('input_layernorm'));
      const q = rope(heads(linear(h.ref, p('self_attn.q_proj'))));
      const k = rope(heads(linear(h.ref, p('self_attn.k_proj'))));
      const v = heads(linear(h, p('self_attn.v_proj')));
      const mixed = nn.dotProductAttention(q, k, v, { isCausal: true });
      x = x.add(linear(mixed.reshape([rows, c.hiddenSize]), p('self_attn.o_proj')));
      const g = norm(x.ref, p('post_attention_layernorm'));
      const inner = nn.silu(linear(g.ref, p('mlp.gate_proj'))).mul(linear(g, p('mlp.up_proj')));
      x = x.add(linear(inner, p('mlp.down_proj')));
    }
    const head = use(c.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight');
    const logits = linear(norm(x, use('model.norm.weight')), head);
    const log = nn.logSoftmax(logits, -1);
    tree.dispose(params);
    return np.sum(nn.oneHot(targets, c.vocabSize).mul(log)).mul(-1 / rows);
  };
}

function makeStep(problem: Problem) {
  const { beta1, beta2, epsilon, weightDecay, clipNorm } = OPTIMIZER;
  const gradient = valueAndGrad(makeLoss(problem));
  const isMatrix = new Map(
    parameterLayout(problem.config).tensors.map((t) => [t.name, t.shape.length === 2]),
  );

  /** `correction` holds 1/(1-beta1^t) and 1/(1-beta2^t). */
  return (
    params: Params,
    m: Params,
    v: Params,
    tokens: np.Array,
    targets: np.Array,
    first: np.Array,
    second: np.Array,
  ) => {
    const [loss, grads] = gradient(tree.ref(params), tokens, targets) as [np.Array, Params];
    let total: np.Array | undefined;
    for (const g of Object.values(grads)) {
      const square = np.sum(np.square(g.ref));
      total = total === undefined ? square : total.add(square);
    }
    const length = np.sqrt(total as np.Array).add(1e-6);
    const factor = np.minimum(np.reciprocal(length).mul(clipNorm), 1);
    const next: { params: Params; m: Params; v: Params } = { params: {}, m: {}, v: {} };
    for (const [name, p] of Object.entries(params)) {
      const g = grads[name].mul(factor.ref);
      const m1 = m[name].mul(beta1).add(g.ref.mul(1 - beta1));
      const v1 = v[name].mul(beta2).add(np.square(g).mul(1 - beta2));
      const update = m1.ref.mul(first.ref).div(np.sqrt(v1.ref.mul(second.ref)).add(epsilon));
      const decayed = isMatrix.get(name) === true ? p.mul(1 - LEARNING_RATE * weightDecay) : p;
      next.params[name] = decayed.sub(update.mul(LEARNING_RATE));
      next.m[name] = m1;
      next.v[name] = v1;
    }
    factor.dispose();
    first.dispose();
    second.dispose();
    return { loss, ...next };
  };
}

async function load(problem: Problem): Promise<Candidate> {
  const { config, parameters, data } = problem;
  let params: Params = {};
  let m: Params = {};
  let v: Params = {};
  for (const t of parameterLayout(config).tensors) {
    const shape = [...t.shape];
    params[t.name] = np.array(parameters.slice(t.offset, t.offset + t.size)).reshape(shape);
    m[t.name] = np.zeros(shape);
    v[t.name] = np.zeros(shape);
  }
  const tokens = np.array(new Int32Array(data.tokens), { dtype: np.int32 });
  const targets = np.array(new Int32Array(data.targets), { dtype: np.int32 });
  const update = jit(makeStep(problem));
  let t = 0;
  let javascriptMs = 0;
  return {
    async step() {
      t++;
      const start = performance.now();
      const first = np.array(1 / (1 - OPTIMIZER.beta1 ** t));
      const second = np.array(1 / (1 - OPTIMIZER.beta2 ** t));
      const out = update(params, m, v, tokens.ref, targets.ref, first, second);
      ({ params, m, v } = out as unknown as { params: Params; m: Params; v: Params });
      const pending = (out as unknown as { loss: np.Array }).loss.data();
      javascriptMs = performance.now() - start;
      return (await pending)[0];
    },
    get javascriptMs() {
      return javascriptMs;
    },
    dispose() {
      for (const part of [params, m, v]) tree.dispose(part);
      tokens.dispose();
      targets.dispose();
      update.dispose();
    },
  };
}
