/**
 * The chat's worker: comlink around {@link Chat}, and onnxruntime-web, which is fetched when the first state is opened
 * and not before. Each backend is a build of its own; WebAssembly threads need a page isolated from other origins.
 */
import { expose } from 'comlink';
import type { ChatBackend } from '../model/generate-ort.ts';
import { Chat, type LoadedRuntime } from './chat.ts';
import { carryFacts } from './thrown.ts';

/** More threads than this gain little on one token's matrix-vector products. */
const MOST_THREADS = 4;

async function load(backend: ChatBackend): Promise<LoadedRuntime> {
  const gpu = backend === 'webgpu';
  const ort = gpu ? await import('onnxruntime-web/webgpu') : await import('onnxruntime-web/wasm');
  const cores = navigator.hardwareConcurrency;
  const threads =
    gpu || !globalThis.crossOriginIsolated ? 1 : Math.max(1, Math.min(MOST_THREADS, Math.floor(cores / 2)));
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.proxy = false;
  ort.env.logLevel = 'fatal';
  return { ort, threads: gpu ? 0 : threads };
}

carryFacts();
expose(new Chat(load));
