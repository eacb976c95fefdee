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
- **Tuned alike.** The peak learning rate is swept for each method and three lengths of run (\`lr\`), the dense outer step
  too (\`alpha\`, \`tied\`), on one text and one seed; a longer schedule wants a lower rate, so each method is compared at the
  best rate for its length. AdamW's eps is 1e-8 for all. The schedule is the project's: warm-up of about 20 steps, cosine
  to a tenth. "Default" is what the presets have: top 64 of 4096, one bit, β 0.5, α 1, averaged over a coordinate's senders.
- **Small.** 0.07 M parameters and 0.16 million tokens, sixteen rounds: what a CPU driver does in a minute. A difference
  below the spread over seeds says nothing; rows of one seed are hints (most rows of today's default have three on sotu). What holds here need not hold for a larger model.
- A name leaves out what the first runs had: β 0.95 is unsaid, the default of today is \`beta0.5\`.
- The same seed gives the same result on the same adapter, to the bit (tested).

## Run it

\`\`\`sh
npm run experiment -- gap                                    # three seeds on the built-in text
npm run experiment -- gap --corpus sotu,SHAKESPEARE.txt      # and on a file of yours
npm run experiment -- lr --only sparseloco-beta0.5-lr0.004 --results FOLDER   # one row, again
npm run experiment -- gap --size 20m --workers 16 --rounds 200 --batch 8 --sequence 256 --hardware
npm run experiment -- report                                 # this page
\`\`\`

Options are in the head of \`experiments/main.ts\`. A run whose JSON is there is not repeated; \`--results FOLDER\` repeats it. A row that an experiment no longer
plans (an older rate or β) is run again by its name only: \`--only RUN\`. Without \`--hardware\` the
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
  gap: `At H = 10 the default is below tuned DiLoCo on both texts, all three seeds each, with over 250 times fewer bytes, and 1.9 %
(sotu) and 4.7 % (tinyshakespeare) above tuned AdamW data-parallel, which exchanges gradients ten times as often. So the
first half of the target (at most DiLoCo's loss) is met and the second (within 1 % of AdamW's) is not, at this H. It is the
number of exchanges that closes it: with H = 4 the same tokens end 2.7 % *below* AdamW on sotu and 1.4 % above it on
tinyshakespeare (\`inner-steps\`), at more than 250 times fewer bytes an exchange and 1,000 times fewer than AdamW
data-parallel sends. The rows without \`beta0.5\` are the default of before, with the paper's β of 0.95 and rates swept for it.`,
  lr: `The longer the run, the lower the best rate, for each method: 8e-3, 4e-3, 2e-3 for AdamW, 1.6e-2, 1.6e-2, 2e-3 for plain
averaging and 3.2e-2, 8e-3, 4e-3 for SparseLoCo in 5, 16 and 48 rounds. Averaging workers also averages their noise, so
local training takes larger rates. One text and one seed: the rates next to the best one end 1 to 8 % higher, and on tinyshakespeare
AdamW at 4e-3 ends 1.8 % lower than at 2e-3 after forty-eight rounds (\`longer\`). At 4e-3, its rate for sixteen rounds, AdamW would have
looked worse than SparseLoCo on sotu.`,
  beta: `Much less than the paper's 0.95. 0.5 is best, 0 and 0.8 end 4 and 2.5 % above it, 0.9 and 0.95 seven and eleven
(three seeds, at the rate tuned for 0.5); after forty-eight rounds 0.5 is ahead too (the rows with \`r48\`). 0 forgets too much, the others too
little: old error feedback is applied to a state that has moved on, at full size where \`senders\` is the rule. So the presets have 0.5. A
larger model, whose top 64 of 4096 miss more, may want more of it.`,
  quantiser: `One bit is enough: two bits and four bins per tensor end within 0.1 % of it (three seeds), and send more bytes.`,
  longer: `To DiLoCo: only in the very first rounds is the default behind; from sixteen rounds on it is ahead, by 3 to 7 %, up to ninety-six rounds.
To AdamW data-parallel, at H = 10 and each at its best rate: 2 to 7 % behind at every length. More tokens at the same H do not close
that; a smaller H does (\`inner-steps\`). The rows of other rates are older; AdamW's 4e-3 is its best on tinyshakespeare.`,
  average: `By those that sent it, here and in \`tied\`, by far. Dividing by all accepted contributors is a step up to as many times smaller
for a coordinate that few sent, and in so few rounds that is too slow. This agrees in direction with the earlier PyTorch
study.`,
  density: `64 of 4096. Half as many cost 1.3 % and twice as many 1.0, which is near the noise; four times as many are 3.8 % *worse*, and so is
sending 256 in the first rounds only (three seeds). A coordinate that workers send in different rounds is applied once for
each of them, so denser updates overshoot unless α comes down with them. The rows without \`beta0.5\` are older.`,
  alpha: `For SparseLoCo 1: 0.7 and 1.4 end 0.6 and 1.1 % above it (three seeds), 0.5 six (one). (With β 0.95 half and 0.7 were better than 1, as one expects
where old error feedback is too strong.) For DiLoCo with Nesterov momentum 0.9 the best α here is 0.4, and the
published 0.7 is too much: the outer step carries on for about ten rounds after the gradient that caused it. Without momentum it is 2 % better still. Plain averaging is the dense baseline that the gaps are measured to.`,
  'inner-steps': `This is the curve that says where the target can be had. At equal tokens, over H from 1 to 80, plain averaging
loses slowly (12 % at H = 80), and SparseLoCo gains with every exchange down to H = 4, where it is 2.7 % below AdamW data-parallel on sotu and 1.4 % above it
on tinyshakespeare (three seeds each; spread 0.01 or less), and 5 to 8 % below DiLoCo. H = 1 gains nothing more. H = 40 and 80 leave it
four and two exchanges, far too few to move a model through 64 of 4096 coordinates at a time. At three times the tokens (\`r12\`, \`r48\` in
\`longer\`, \`r120\`; sotu, one seed) H = 40, 10 and 4 end 28, 5.5 and 3.5 % above AdamW, whose own best rate there is sharper (\`lr\`). So short rounds are worth their bytes: an
exchange costs 250 times fewer bytes than a dense one at any H. The presets cap H at 20 or 30, for long runs with thousands of exchanges
on slow lines; who has faster ones sets \`maxInnerSteps\` lower and the rounds shorter.`,
  unequal: `Some loss, and weights matter little. With inner steps from 2 to 32 (mean 10, so equal tokens) the default ends 3.6 % higher than with
equal ones; with equal weights instead of weights by tokens 4.3 %. Plain averaging with weights by tokens loses nothing.
SparseLoCo's average over a coordinate's senders may explain the difference: a coordinate that only a slow peer sent moves at full size.
Three seeds.`,
  heterogeneous: `Next to nothing. With documents of its own for each worker the default ends 0.7 % higher than with a share of everything (three seeds);
AdamW loses nothing and plain averaging 1.4 %. Dividing by all is as bad as before (one seed). Both are documents of one corpus.`,
  workers: `Up to eight. AdamW data-parallel gains with each doubling, as its batch grows; SparseLoCo and plain averaging gain to 8 workers and not
beyond: the default ends 0.6 % higher with 16 and 1.4 with 32 (three seeds). More workers do not make the round's step longer, only less noisy. It is not the rate:
at 32 workers half and twice of it gain none of the three more than 0.2 % (one seed). So what a large swarm
buys at this size is tokens, not fewer rounds; a model with more to learn from a round may use more workers.`,
  joiners: `Something, and more than for plain averaging: with one of eight workers replaced in every round the default ends 0.4 % higher, with
two 5.1 %, with half of them 11.8 %; plain averaging with two loses 1.7 % (three seeds). A joiner's first step is made of Adam's first steps,
all sign and no size, and the average over senders applies them at full size. In a live run a newcomer's weight rises over eight rounds and
where audits are on it waits for its first, which this experiment leaves out.`,
  'zero-idle': `7.2 % in loss at equal tokens (three seeds; with β 0.95 it went unstable and cost 45 %). The gain in time is the share of a round in which
nobody trains: by the presets' schedule training ends at 78 % of a round at the latest, so a round would be at most 1.28 times as productive, and
training already resumes as soon as the certificate is there. In \`longer\`, three times the rounds gain 14 %, so a quarter more would gain
about 3 %: less than it costs. Not worth it; and a replica's state would no longer be the agreed one while it trains, since each worker starts from
the agreed state less its own progress of the round under way.`,
  embeddings: `One of its own, clearly: at equal tokens the default ends 7.8 % lower with it and AdamW 10.4 % (one seed; both three layers of width
128, 5 % more parameters). With tied ones every token's frequency pulls on the same matrix that tells tokens apart. The presets' 1m has an output matrix of
its own since: with its vocabulary of 2,048, four peers and 120 to 270 inner steps it ends at 5.81 nats after nine rounds instead of 5.97, with a layer less. The larger presets
keep tied ones, which save them 10 to 30 % of the parameters: whether they lose by it was not measured. At this size, with rates tuned for the base's, the default is 9.5 %
above AdamW at H = 10 and 4.9 at H = 4 (\`h4\`, run by its name): short rounds help here too.`,
  tied: `Kept because it says what a bad base does. With tied embeddings and weights this small a model first learns the
frequencies of single bytes and stays there; when it gets away differs by seed and by learning rate more than by
method, AdamW's included. So this is not the base. On the built-in text SparseLoCo got away as early as the dense methods on both
seeds, on the other a little later; with Nesterov momentum and the published α DiLoCo did not get away at all.`,
};
