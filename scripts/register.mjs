/**
 * Lets plain Node 24 run our TypeScript sources as they are: Node strips the types itself, and this hook answers
 * Vite's `import text from './x.wgsl?raw'` with the file's text.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

registerHooks({
  load(url, context, next) {
    const query = url.indexOf('?raw');
    if (query < 0) return next(url, context);
    const text = readFileSync(new URL(url.slice(0, query)), 'utf8');
    return { format: 'module', shortCircuit: true, source: `export default ${JSON.stringify(text)};` };
  },
});
