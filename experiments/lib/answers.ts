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
  standard deviation over seeds, their number in brackets. A gap is relative, paired by seed, to the tuned AdamW or
  DiLoCo run of the same data, model and tokens (DiLoCo: same H).
- **Tuned alike.** The peak learning rate is swept for each method (\`lr\`), the dense outer step too (\`alpha\`, \`tied\`), on one
  text and one seed; SparseLoCo's α and β in the base are still the paper's (what others give: \`alpha\`, \`beta\`); AdamW's eps is 1e-8 for all. The schedule is the project's: warm-up of about 20 steps, cosine to a tenth.
- **Small.** 0.07 M parameters and 0.16 million tokens, sixteen rounds: what a CPU driver does in a minute or two. A
  difference below the spread over seeds says nothing; rows of one seed are hints. What holds here need not hold for a
  larger model or a longer run, and sixteen rounds are few for error feedback, whose memory (β 0.95) is twenty.
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

export const ANSWERS: Readonly<Record<string, string>> = {
  gap: `Not there at this scale. The default sends over 200 times fewer bytes than dense fp32 and ends some per cent above
plain averaging, which is the best dense outer step we found, and further above AdamW data-parallel, which exchanges
gradients ten times as often. The target (at most DiLoCo's loss, within 1 % of AdamW's) is missed against both tuned
baselines; DiLoCo as published, Nesterov 0.9 and α 0.7, ends above the default (\`alpha\`, one seed). The curves show
where the loss is made: a sparse update moves few coordinates, so the first rounds go by before most of the model has
moved at all; after them the gap shrinks to the end of the run, so more rounds should close more of it (\`longer\`).
In the experiment \`tied\`, with more rounds and a harder start, the same default is on a par with plain averaging. Most of
the gap is the error feedback's β: with 0.8 or 0.5 the same sixteen rounds end level with plain averaging or below it on
both texts and all three seeds' means (\`beta\`).`,
  lr: `AdamW data-parallel is best at 4e-3. Local training takes larger rates, since averaging workers also averages their noise:
plain averaging still gains at 8e-3, the highest rate tried. SparseLoCo does not: an update made of the few largest
coordinates, each applied at a sender's full size, overshoots there.`,
  beta: `Much less than the paper's 0.95. In sixteen rounds 0.5 and 0.8 end level with plain averaging or below it on both texts, where
0.95 stays above; 0 forgets too much and 0.99 too little. In forty-eight rounds (sotu, seed 1; the rows with \`r48\` in \`experiments/results/beta\`, beside those of
\`longer\`) 0.5 ended below AdamW data-parallel, and 0.8 between it and 0.95. Old error feedback is applied to a state that
has moved on, at full size where \`senders\` is the rule. The presets still have 0.95: the limits of the cheap checks
(docs/gauntlet.md) were measured with it and have to be measured again first, and a larger model may differ.`,
  quantiser: `One bit is enough here: it ends no worse than two bits or four bins per tensor (one seed), and sends the fewest bytes.`,
  longer: `Yes: this is the curve that says where the target can be had. The default ends far above plain averaging after five rounds, a little above
after sixteen and below it after forty-eight, three times the tokens (one seed). AdamW data-parallel stays ahead of both
with the default's β of 0.95; with 0.5 (\`beta\`) the same forty-eight rounds end below AdamW too.`,
  average: `By those that sent it, here and in \`tied\`. Dividing by all accepted contributors is a step up to as many times smaller
for a coordinate that few sent, and in so few rounds that is too slow. This agrees in direction with the earlier PyTorch
study.`,
  density: `No reason to send more than 64 of 4096 in runs this short; \`tied\` has the wider range, where half as many did as well and
two or four times as many did worse. A coordinate that workers send in different rounds is applied once for each of
them, so denser updates overshoot unless α comes down with them.`,
  alpha: `For DiLoCo, Nesterov momentum is the problem, not α: with momentum 0.9 the outer step carries on for about ten rounds after
the gradient that caused it, which in a run of this length overshoots at every α that we tried (\`tied\` has most of them). Plain
averaging is the dense baseline that the gaps are measured to. For SparseLoCo with β 0.95 half and 0.7 end a little below the
paper's 1 and 1.4 far above, as one expects where old error feedback is too strong (\`beta\`; one seed).`,
  'inner-steps': `Shorter rounds did not help SparseLoCo: with H cut from 10 to 4 it had two and a half times the exchanges for the same
tokens, and ended where it was (one seed). So what it lacks to AdamW is not frequency of exchange alone. Longer rounds
have not been run.`,
  'zero-idle': `Too dear as built: with the update one round late, training went unstable and ended far worse at equal tokens (one seed).
A late step at a sender's full size answers a state that has moved on; a smaller α has not been tried. The gain in time is the share of a round in which nobody trains: by the presets'
schedule training ends at 78 % of a round at the latest, so a round would be at most 1.28 times as productive; training
already resumes as soon as the certificate is there, which leaves less to gain. Each worker starts from the agreed state
less its own progress of the round under way, so a replica's state is no longer the agreed one while it trains.`,
  tied: `Kept because it says what a bad base does. With tied embeddings and weights this small a model first learns the
frequencies of single bytes and stays there; when it gets away differs by seed and by learning rate more than by
method, AdamW's included. So this is not the base. On the built-in text SparseLoCo got away as early as the dense methods on both
seeds, on the other a little later; with Nesterov momentum and the published α DiLoCo did not get away at all.`,
};
