/**
 * The peer TensorFlow.js 4, on WebGPU and on WebGL: the model in its own ops, its own Adam, and what AdamW adds
 * (decoupled decay, clipping by global norm) by hand. Eager, as everything in it is.
 */
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-webgpu';
import { parameterLayout } from '../../src/model/layout.ts';
import type { Candidate, CandidateKind } from './candidate.ts';
import { LEARNING_RATE, OPTIMIZER, type Problem, ropeTables, type Size } from './problem.ts';

type Variables = ReadonlyMap<string, tf.Variable>;

const kind = (backend: 'webgpu' | 'webgl', adapter: () => string): CandidateKind => ({
  name: `tfjs ${backend}`,
  peer: true,
  async start() {
    if (!(await tf.setBackend(backend))) throw new Error(`tfjs could not start ${backend}`);
    await tf.ready();
    return adapter();
  },
  async load(problem) {
    await tf.setBackend(backend);
    return load(problem, backend);
  },
});

export const tfjsWebgpu = kind('webgpu', () => {
  const { adapterInfo } = (tf.backend() as unknown as { device: GPUDevice }).device;
  return `${adapterInfo.vendor} ${adapterInfo.architecture} (${adapterInfo.description})`;
});

export const tfjsWebgl = kind('webgl', () => {
  const { gl } = (tf.backend() as unknown as { gpgpu: { gl: WebGL2RenderingContext } }).gpgpu;
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  return String(gl.getParameter(info === null ? gl.RENDERER : info.UNMASKED_RENDERER_WEBGL));
});

/** Mean cross-entropy of the Llama; `oneHot` are the targets `[batch x sequence, vocabSize]`. */
function makeLoss({ config: c, batch, sequence }: Size, variables: Variables) {
  const tables = ropeTables({ config: c, batch, sequence });
  const headDim = c.hiddenSize / c.heads;
  const cos = tf.tensor(tables.cos, [sequence, headDim / 2]);
  const sin = tf.tensor(tables.sin, [sequence, headDim / 2]);
  const causal = Float32Array.from({ length: sequence * sequence }, (_, i) =>
    i % sequence > Math.floor(i / sequence) ? -1e9 : 0,
  );
  const mask = tf.tensor(causal, [sequence, sequence]);
  const rows = batch * sequence;

  const weight = (name: string) => variables.get(name) as tf.Variable;
  const norm = (x: tf.Tensor, name: string) =>
    x.mul(x.square().mean(-1, true).add(c.rmsNormEps).rsqrt()).mul(weight(name));
  const linear = (x: tf.Tensor, name: string) => tf.matMul(x, weight(name), false, true);
  const heads = (x: tf.Tensor) => x.reshape([batch, sequence, c.heads, headDim]).transpose([0, 2, 1, 3]);
  const rope = (x: tf.Tensor) => {
    const [a, b] = tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor];
    return tf.concat([a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin))], -1);
  };

  const loss = (tokens: tf.Tensor1D, oneHot: tf.Tensor2D): tf.Scalar => {
    let x: tf.Tensor = tf.gather(weight('model.embed_tokens.weight'), tokens);
    for (let i = 0; i < c.layers; i++) {
      const p = (name: string) => `model.layers.${i}.${name}.weight`;
      const h = norm(x, p('input_layernorm'));
      const q = rope(heads(linear(h, p('self_attn.q_proj'))));
      const k = rope(heads(linear(h, p('self_attn.k_proj'))));
      const v = heads(linear(h, p('self_attn.v_proj')));
      const scores = tf
        .matMul(q, k, false, true)
        .mul(1 / Math.sqrt(headDim))
        .add(mask)
        .softmax();
      const mixed = tf.matMul(scores, v).transpose([0, 2, 1, 3]).reshape([rows, c.hiddenSize]);
      x = x.add(linear(mixed, p('self_attn.o_proj')));
      const g = norm(x, p('post_attention_layernorm'));
      const gate = linear(g, p('mlp.gate_proj'));
      const inner = gate.mul(gate.sigmoid()).mul(linear(g, p('mlp.up_proj')));
      x = x.add(linear(inner, p('mlp.down_proj')));
    }
    const head = c.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';
    const logits = linear(norm(x, 'model.norm.weight'), head);
    return tf.losses.softmaxCrossEntropy(oneHot, logits) as tf.Scalar;
  };
  return { loss, dispose: () => tf.dispose([cos, sin, mask]) };
}

function load(problem: Problem, backend: 'webgpu' | 'webgl'): Candidate {
  const { config, parameters, data } = problem;
  const { beta1, beta2, epsilon, weightDecay, clipNorm } = OPTIMIZER;
  const variables = new Map(
    parameterLayout(config).tensors.map((t) => [
      t.name,
      tf.variable(tf.tensor(parameters.slice(t.offset, t.offset + t.size), [...t.shape])),
    ]),
  );
  const tokens = tf.tensor1d(new Int32Array(data.tokens), 'int32');
  const oneHot = tf.oneHot(
    tf.tensor1d(new Int32Array(data.targets), 'int32'),
    config.vocabSize,
  ) as tf.Tensor2D;
  const model = makeLoss(problem, variables);
  const optimizer = tf.train.adam(LEARNING_RATE, beta1, beta2, epsilon);
  const list = [...variables.values()];
  let javascriptMs = 0;

  const update = () => {
    const { value, grads } = tf.variableGrads(() => model.loss(tokens, oneHot), list);
    // Not addN: on WebGPU it binds a buffer per addend, past the limit of 8 that it asks its device for.
    const squares = Object.values(grads).map((g) => g.square().sum());
    const length = squares.reduce((a, b) => a.add(b)).sqrt();
    const factor = tf.minimum(tf.scalar(clipNorm).div(length.add(1e-6)), 1);
    const clipped = Object.fromEntries(Object.entries(grads).map(([name, g]) => [name, g.mul(factor)]));
    for (const variable of list) {
      if (variable.rank === 2) variable.assign(variable.mul(1 - LEARNING_RATE * weightDecay));
    }
    optimizer.applyGradients(clipped);
    return value;
  };
  return {
    async step() {
      await tf.setBackend(backend);
      const start = performance.now();
      const loss = tf.tidy(update);
      const pending = loss.data();
      javascriptMs = performance.now() - start;
      const [value] = await pending;
      loss.dispose();
      return value;
    },
    // On WebGPU its buffers are counted as everybody's are; WebGL's textures only it knows.
    ...(backend === 'webgl' && {
      bytes: () => (tf.memory() as { numBytesInGPU?: number }).numBytesInGPU ?? 0,
    }),
    get javascriptMs() {
      return javascriptMs;
    },
    dispose() {
      optimizer.dispose();
      tf.dispose([...list, tokens, oneHot]);
      model.dispose();
    },
  };
}
