/**
 * Bundles one entry for a runtime that cannot take our sources as they are: a page, or Deno (which knows no `?raw`).
 *
 * Everything stays in memory. The output is for measuring, so it is minified as the app is.
 */
import { build, type Rollup } from 'vite';

/** One ES module with every import inside, so that it needs no server path; dynamic imports are inlined. */
export async function bundleModule(entry: string): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      target: 'es2023',
      modulePreload: false,
      chunkSizeWarningLimit: Number.POSITIVE_INFINITY,
      rolldownOptions: {
        input: entry,
        preserveEntrySignatures: 'exports-only',
        output: { format: 'es', codeSplitting: false },
      },
    },
  });
  const outputs = (Array.isArray(result) ? result : [result as Rollup.RollupOutput]).flatMap((r) => r.output);
  const chunks = outputs.filter((o) => o.type === 'chunk');
  const [chunk] = chunks;
  if (chunk === undefined || chunks.length !== 1) {
    throw new Error(`bundling ${entry} gave ${chunks.length} modules, expected 1`);
  }
  return chunk.code;
}
