/**
 * Unit tests as mutation tests run them: those of the mutated room alone, which have to notice a change there, without
 * GPU and without the few property tests that take seconds, because they would run once a mutant. So a score here is a
 * lower bound of what all tests notice.
 */
import { defineConfig } from 'vitest/config';

const room = process.env.MUTATE_ROOM ?? 'protocol';

export default defineConfig({
  test: {
    include: process.env.MUTATE_TESTS?.split(',') ?? [`src/${room}/**/*.test.ts`],
    exclude: ['**/*.browser.test.ts', 'src/sparseloco/gpu-replica.test.ts'],
    testNamePattern:
      /^(?!.*(hostile inputs|random and mutated|for any selection and topK|whatever is typed becomes))/,
    isolate: false,
    testTimeout: 60_000,
  },
});
