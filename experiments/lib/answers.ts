/**
 * The words of docs/experiments.md: what each experiment's table answers. Figures stay in the tables, which are built
 * from the results; read these again when a result changes.
 */

export const HEAD = `# Experiments

Does a model trained with compressed, rare exchanges learn as well? This page is built by \`npm run experiment -- report\`
from the JSON of every run in \`experiments/results\`.

`;

export const ANSWERS: Readonly<Record<string, string>> = {};
