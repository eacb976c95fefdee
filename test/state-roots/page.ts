/** In a page: the function that the test calls by name. */
import { gpuRoots } from './scenarios.ts';

Object.assign(globalThis, { gpuRoots });
