/**
 * The words of docs/experiments.md: what each experiment's table answers. Figures stay in the tables, which are built
 * from the results; read these again when a result changes.
 */

export const HEAD = `# Experiments

Does a model trained with rare, compressed exchanges learn as well as one trained without? This page is built by
\`npm run experiment -- report\` from \`experiments/results\`, one JSON file a run with every setting, the loss curve, the
bytes, the adapter and the seconds. Only the words are typed (\`experiments/lib/answers.ts\`).

## How it is measured

- **Many workers, one process.** Each worker has a training engine of its own; they take turns on one device. The engine,
  compression, wire bytes, decoding and the integer outer step are the project's own; bytes are counted on what
  \`encodeSubmission\` returns. \`test/experiments\` holds a run of two workers to PyTorch step by step.
- **Equal tokens.** A worker's windows depend on seed, round and worker only, so every method trains on the same
  sequences. AdamW data-parallel takes all workers' sequences in one step, H times as often as the others exchange.
- **Loss** is nats per byte on 128 windows spaced over the held-out documents (every tenth), of the agreed state. ± is the
  standard deviation over seeds. A gap is relative, paired by seed, to the tuned AdamW or DiLoCo run of the same data,
  model and tokens (DiLoCo: same H).
- **Tuned alike.** The peak learning rate is swept for each method (\`lr\`), DiLoCo's α too (\`alpha\`), on one text and one
  seed; AdamW's eps is 1e-8 for all. The schedule is the project's: warm-up of about 20 steps, cosine to a tenth.
- **Small.** 0.12 M parameters, a quarter of a million tokens: what a CPU driver does in a minute or two. Differences
  below the spread over seeds say nothing, and what holds here need not hold for a larger model.
- The same seed gives the same result on the same adapter, to the bit (tested).

## Run it

\`\`\`sh
npm run experiment -- gap                                    # three seeds on the built-in text
npm run experiment -- gap --corpus sotu,SHAKESPEARE.txt      # and on a file of yours
npm run experiment -- lr --only sparseloco-lr0.002 --results FOLDER   # one row, again
npm run experiment -- gap --size 20m --workers 16 --rounds 200 --batch 8 --sequence 256 --hardware
npm run experiment -- report                                 # this page
\`\`\`

Options are in the head of \`experiments/main.ts\`. A run whose JSON is there is not repeated. Without \`--hardware\` the
runs are in Deno on Mesa's lavapipe, one thread, or in Node on SwiftShader where that is missing (\`--runtime\`).
Results are named after what differs from the base: method, α of DiLoCo's outer step, learning rate, then the rest.

| module of \`experiments/lib\` | what |
| --- | --- |
| \`settings\`, \`named\` | every setting of a run; the experiments as lists of runs |
| \`data\`, \`texts\` | bytes of a corpus, windows of a worker; IID or by document |
| \`outer\`, \`simulate\` | the outer steps compared; one run from genesis to its last round |
| \`job\`, \`launch\` | a list of runs in a child process with WebGPU: Deno, Node or the machine's GPU |
| \`result\`, \`store\`, \`summary\`, \`picture\`, \`report\`, \`answers\` | one JSON a run; tables, pictures, this page |
`;

export const ANSWERS: Readonly<Record<string, string>> = {};
