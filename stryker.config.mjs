/**
 * Mutation tests of one room, as scripts/mutate.ts (`npm run mutate`) asks for them. Stryker changes the room's code one
 * spot at a time; a change that no test notices shows what the tests do not say. It runs in a copy of the project.
 */
import { availableParallelism } from 'node:os';

const room = process.env.MUTATE_ROOM ?? 'protocol';
const files = process.env.MUTATE_FILES?.split(',') ?? [`src/${room}/**/*.ts`];

export default {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'vitest.mutate.config.ts', related: false },
  mutate: [
    ...files,
    '!src/**/*.test.ts',
    '!src/**/testing*.ts',
    '!src/**/testing/**',
    // Its code drives a GPU: a run of its tests on a CPU driver takes minutes, and there would be one a mutant.
    '!src/sparseloco/gpu-replica.ts',
  ],
  coverageAnalysis: 'perTest',
  concurrency: Number(process.env.MUTATE_CONCURRENCY ?? availableParallelism()),
  timeoutMS: 10_000,
  timeoutFactor: 4,
  // Stryker would rewrite tsconfig.json by TypeScript's JS API, which TypeScript 7 has no more. Vitest needs no rewriting.
  tsconfigFile: 'none',
  ignorePatterns: ['artifacts', 'dist', 'docs', 'public', 'test-results', '.tabswarm'],
  tempDirName: 'artifacts/mutate/sandbox',
  reporters: ['json', 'html'],
  jsonReporter: { fileName: `artifacts/mutate/${room}.json` },
  htmlReporter: { fileName: `artifacts/mutate/${room}.html` },
};
