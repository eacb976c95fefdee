/**
 * The rooms of the house: each folder of src/ that has a subject of its own, and what its files may import. `npm run
 * check` refuses every other import, and every allowance that nothing uses. `npm run rooms` writes the table in
 * docs/architecture.md from this list. A new room is one entry; the check prints it for a folder that is not listed.
 */
import type { Exceptions, Rooms } from './check/graph.ts';

export const ROOMS: Rooms = {
  ui: {
    is: 'the React dashboard and the page around it',
    rooms: ['ui/strings', 'app', 'platform/browser', 'peer', 'worker', 'swarm', 'protocol'],
    packages: ['react', 'react-dom', 'uplot', 'zustand'],
  },
  cli: {
    is: '`tabswarm start / join / status / verify`, and its words',
    rooms: [
      'ui/strings',
      'host',
      'platform/node',
      'peer',
      'work/pretrain',
      'swarm',
      'sparseloco',
      'model',
      'chain',
      'protocol',
    ],
    packages: ['node:*', 'valibot'],
  },
  'ui/strings': {
    is: 'the words of the page, some of them shared with the command line',
    rooms: [
      'ui/strings.ts',
      'ui/format.ts',
      'ui/shell/notices.ts',
      'app',
      'peer',
      'worker',
      'swarm',
      'gauntlet',
      'protocol',
    ],
    packages: [],
  },
  sim: {
    is: 'a whole swarm in memory on a virtual clock, made of what ships; for tests, attack lab and experiments',
    testing: true,
    rooms: [
      'peer',
      'validator',
      'swarm',
      'work',
      'work/pretrain',
      'measure',
      'gauntlet',
      'training',
      'sparseloco',
      'model',
      'chain',
      'protocol',
    ],
    packages: ['valibot'],
  },
  'platform/browser': {
    is: "a browser's tab as a platform: storage, locks, workers; puts the page's sessions together",
    rooms: ['app', 'peer', 'worker', 'swarm', 'kernels', 'protocol'],
    packages: ['idb'],
  },
  'platform/node': {
    is: 'a Node process as a platform: key file, folders, WebRTC, the trainer in a process of its own on Dawn',
    rooms: ['peer', 'work/pretrain', 'swarm', 'kernels', 'protocol'],
    packages: ['@libp2p/webrtc', 'node-datachannel', 'node:*', 'valibot'],
  },
  app: {
    is: "the page's sessions without a page: store, governor, recorder, chat",
    rooms: [
      'peer',
      'validator',
      'worker',
      'work/pretrain',
      'swarm',
      'gauntlet',
      'training',
      'model',
      'kernels',
      'chain',
      'protocol',
    ],
    packages: ['idb', 'valibot', 'zustand'],
  },
  host: {
    is: "the organizer's process: HTTP, relay, SQLite ledger, data preparation, a validator's seat or none",
    rooms: [
      'peer',
      'validator',
      'swarm',
      'work',
      'measure',
      'gauntlet',
      'training',
      'sparseloco',
      'model',
      'kernels',
      'chain',
      'protocol',
    ],
    packages: ['@hono/node-server', 'hono', 'node:*', 'valibot'],
  },
  peer: {
    is: 'a participant of a run over a platform port, and its roles: contributor, watcher, validator',
    rooms: [
      'validator',
      'work',
      'work/pretrain',
      'measure',
      'swarm',
      'gauntlet',
      'training',
      'sparseloco',
      'model',
      'kernels',
      'chain',
      'protocol',
    ],
    packages: ['valibot'],
  },
  validator: {
    is: "the validator's seat: follows rounds, audits, certifies; the same in Node and in a tab",
    rooms: ['work', 'work/pretrain', 'measure', 'swarm', 'gauntlet', 'training', 'chain', 'protocol'],
    packages: ['valibot'],
  },
  worker: {
    is: 'comlink endpoints of the workers: trainer, validator, chat',
    rooms: ['work/pretrain', 'measure', 'gauntlet', 'training', 'sparseloco', 'model', 'kernels', 'protocol'],
    packages: ['comlink', 'idb', 'onnxruntime-web'],
  },
  work: {
    is: 'one kind of work, cut by role; which kinds there are',
    rooms: ['work/pretrain', 'gauntlet', 'chain', 'protocol'],
    packages: [],
  },
  'work/pretrain': {
    is: 'pre-training: claims, trainer, judging, examining',
    rooms: [
      'work/workload.ts',
      'measure',
      'gauntlet',
      'training',
      'sparseloco',
      'model',
      'kernels',
      'chain',
      'protocol',
    ],
    packages: ['valibot'],
  },
  swarm: {
    is: 'libp2p: discovery, gossip, fetching blobs by hash, byte counters; knows bytes only',
    rooms: ['protocol'],
    packages: [
      '@libp2p/*',
      '@multiformats/multiaddr',
      'libp2p',
      'node:http',
      'node:net',
      'node:stream',
      'valibot',
    ],
  },
  measure: {
    is: 'losses on a GPU and on the CPU, and replays of inner steps',
    rooms: ['gauntlet', 'training', 'sparseloco', 'model', 'kernels', 'chain', 'protocol'],
    packages: [],
  },
  gauntlet: {
    is: "the validator's book of a round, checks, scores, standings: pure",
    rooms: ['training', 'sparseloco', 'model', 'chain', 'protocol'],
    packages: ['valibot'],
  },
  training: {
    is: "the training engine's plan, inner steps, data assignment, learning-rate schedule",
    rooms: ['model', 'kernels', 'protocol'],
    packages: ['valibot'],
  },
  sparseloco: {
    is: 'compress, wire codec, integer outer step, replicas',
    rooms: ['model', 'kernels', 'protocol'],
    packages: [],
  },
  chain: {
    is: 'a run, its rules, its chain of certificates, ledger and members; the only follower: pure, with ports',
    rooms: ['model', 'protocol'],
    packages: ['valibot'],
  },
  model: {
    is: 'configuration, layout, presets, tokenizer, checkpoint, ONNX export',
    rooms: ['protocol'],
    packages: ['onnxruntime-web', 'valibot'],
  },
  kernels: {
    is: 'one `.wgsl` a kernel, programs, device; Dawn in Node',
    rooms: [],
    packages: ['node:fs', 'node:os', 'webgpu'],
  },
  protocol: {
    is: 'messages, signatures, manifest, clocks, Merkle tree: pure',
    // The manifest contains the model's configuration, which is a plain schema without further imports.
    rooms: ['model/config.ts'],
    packages: ['@ipld/dag-cbor', '@noble/curves', '@noble/hashes', 'valibot'],
  },
};

/** Imports that break a rule until they are moved; the check names those that are needed no more. */
export const EXCEPTIONS: Exceptions = [];
