/**
 * The words of docs/experiments.md: what each experiment's table answers. Figures stay in the tables, which are built
 * from the results; read these again when a result changes.
 */

export const HEAD = `# Experiments

Does a model trained with rare, compressed exchanges learn as well as one trained without?
\`npm run experiment -- report\` builds this page from \`experiments/results\`. That folder has one JSON file for
each run, with every setting, the loss curve, the bytes, the adapter and the seconds. Only the words are typed
(\`experiments/lib/answers.ts\`). Terms are in the [glossary](glossary.md).

## Method

- **Many workers, one process.** Each worker has a training engine of its own; they take turns on one device. The
  engine, compression, wire bytes, decoding and the integer outer step are the project's own. Bytes are counted on
  the output of \`encodeSubmission\`. \`test/experiments\` compares a run of two workers with PyTorch, step by step.
- **Equal tokens.** A worker's windows depend on seed, round and worker only, so every method trains on the same
  sequences. AdamW data-parallel takes all workers' sequences in one step, H times as often as the others exchange.
- **Loss** is nats per byte of the agreed state, on 128 windows spaced over the held-out documents (every tenth). ±
  is the standard deviation over seeds; their number is in brackets. A gap is relative and paired by seed. It
  compares with the tuned AdamW or DiLoCo run of the same data, model and tokens (DiLoCo: same H).
- **Tuned alike.** The peak learning rate is swept for each method and three lengths of run (\`lr\`). The dense
  outer step is swept too (\`alpha\`, \`tied\`). Both use one text and one seed. A longer schedule needs a lower
  rate, so each method is compared at the best rate for its length. AdamW's eps is 1e-8 for all. The schedule is the
  project's: warm-up of about 20 steps, cosine to a tenth.
- **"Default"** means the presets' settings: top 64 of 4096, one bit, β 0.5, α 1, averaged over a coordinate's
  senders.
- **Small.** A run has 0.07 M parameters, 0.16 million tokens and sixteen rounds; a CPU driver does that in a
  minute. A difference below the spread over seeds says nothing. Rows of one seed are hints; most rows of today's
  default have three on sotu. These results need not hold for a larger model.
- **Names** list only what differs from the first runs. A name without \`beta\` means β = 0.95; today's default is
  \`beta0.5\`.
- The same seed gives the same result on the same adapter, to the bit (tested).

## Run it

\`\`\`sh npm run experiment -- gap                                    # three seeds on the built-in text npm run experiment -- gap --corpus sotu,SHAKESPEARE.txt      # and on a file of yours npm run experiment -- lr --only sparseloco-beta0.5-lr0.004 --results FOLDER   # one row, again npm run experiment -- gap --size 20m --workers 16 --rounds 200 --batch 8 --sequence 256 --hardware npm run experiment -- report                                 # this page \`\`\`

Options are in the head of \`experiments/main.ts\`. A run that has its JSON is not repeated; \`--results FOLDER\`
repeats it. A row that an experiment no longer plans (an older rate or β) runs again by its name only:
\`--only RUN\`. Without \`--hardware\`, runs use Deno on Mesa's lavapipe with one thread, or Node on SwiftShader if
that is missing (\`--runtime\`). A result's name lists the differences from the base: method, α of DiLoCo's outer
step, learning rate, then the rest.

| module of \`experiments/lib\` | content |
| --- | --- |
| \`settings\`, \`named\` | every setting of a run; the experiments as lists of runs |
| \`data\`, \`texts\` | bytes of a corpus, windows of a worker; IID or by document |
| \`outer\`, \`simulate\` | the outer steps compared; one run from genesis to its last round |
| \`job\`, \`launch\` | a list of runs in a child process with WebGPU: Deno, Node or the machine's GPU |
| \`result\`, \`store\`, \`summary\`, \`picture\`, \`report\`, \`answers\` | one JSON a run; tables, pictures, this page |
`;

export const ANSWERS: Readonly<Record<string, string>> = {
  gap: `At H = 10 the default ends below tuned DiLoCo on both texts, on all three seeds each, with over 250 times
fewer bytes. It ends 1.9 % (sotu) and 4.7 % (tinyshakespeare) above tuned AdamW data-parallel, which exchanges
gradients ten times as often. So at this H the first half of the target (at most DiLoCo's loss) is met. The second
half (within 1 % of AdamW's) is not.

More exchanges close the gap. With H = 4 the same tokens end 2.7 % *below* AdamW on sotu and 1.4 % above it on
tinyshakespeare (\`inner-steps\`). An exchange then still has more than 250 times fewer bytes, and all together are
1,000 times fewer than AdamW data-parallel sends. The rows without \`beta0.5\` are the earlier default, with the
paper's β of 0.95 and rates swept for it.`,
  lr: `The longer the run, the lower the best rate, for each method. In 5, 16 and 48 rounds the best rates are 8e-3,
4e-3, 2e-3 for AdamW. They are 1.6e-2, 1.6e-2, 2e-3 for plain averaging and 3.2e-2, 8e-3, 4e-3 for SparseLoCo.
Averaging workers also averages their noise, so local training takes larger rates.

This is one text and one seed: the rates next to the best one end 1 to 8 % higher. On tinyshakespeare AdamW at 4e-3
ends 1.8 % lower than at 2e-3 after forty-eight rounds (\`longer\`). On sotu AdamW at 4e-3, its rate for sixteen
rounds, would have looked worse than SparseLoCo.`,
  beta: `Much less than the paper's 0.95. 0.5 is best. 0 and 0.8 end 4 and 2.5 % above it, 0.9 and 0.95 seven and
eleven (three seeds, at the rate tuned for 0.5). After forty-eight rounds 0.5 is ahead too (the rows with \`r48\`).
0 forgets too much, the others too little: old error feedback is applied to a state that has moved on. With the rule
\`senders\` it is applied at full size. So the presets have 0.5. In a larger model the top 64 of 4096 miss more, so
it may need a higher β.`,
  quantiser: `One bit is enough. Two bits and four bins per tensor end within 0.1 % of it (three seeds), and send
more bytes.`,
  longer: `Against DiLoCo, the default is behind only in the very first rounds. From sixteen rounds on it is ahead,
by 3 to 7 %, up to ninety-six rounds. Against AdamW data-parallel, at H = 10 and each at its best rate, it is 2 to 7
% behind at every length. More tokens at the same H do not close that gap; a smaller H does (\`inner-steps\`). The
rows of other rates are older. AdamW's 4e-3 is its best rate on tinyshakespeare.`,
  average: `By those that sent it, here and in \`tied\`, by far. Dividing by all accepted contributors makes the
step of a coordinate smaller if few sent it, by the ratio of all to senders. In so few rounds that is too slow. The
earlier PyTorch study agrees in direction.`,
  density: `64 of 4096. Half as many cost 1.3 % and twice as many 1.0, which is near the noise. Four times as many
are 3.8 % *worse*, and so is sending 256 in the first rounds only (three seeds). If workers send a coordinate in
different rounds, it is applied once for each of them. So denser updates overshoot unless α comes down with them.
The rows without \`beta0.5\` are older.`,
  alpha: `1 for SparseLoCo: 0.7 and 1.4 end 0.6 and 1.1 % above it (three seeds), 0.5 six (one). With β 0.95 half
and 0.7 were better than 1, as one expects if old error feedback is too strong.

For DiLoCo with Nesterov momentum 0.9 the best α here is 0.4. The published 0.7 is too much: the outer step
continues for about ten rounds after the gradient that caused it. Without momentum it is 2 % better still. Plain
averaging is the dense baseline of the gaps.`,
  'inner-steps': `Short rounds are worth their bytes. At equal tokens, over H from 1 to 80:

- Plain averaging loses slowly (12 % at H = 80).
- SparseLoCo gains with every exchange down to H = 4. There it is 2.7 % below AdamW data-parallel on sotu and 1.4 %
  above it on tinyshakespeare (three seeds each; spread 0.01 or less), and 5 to 8 % below DiLoCo. H = 1 gains
  nothing more.
- H = 40 and 80 leave SparseLoCo four and two exchanges. Those are far too few to move a model through 64 of 4096
  coordinates at a time.
- At three times the tokens (\`r12\`, \`r48\` in \`longer\`, \`r120\`; sotu, one seed) H = 40, 10 and 4 end 28, 5.5
  and 3.5 % above AdamW. AdamW's own best rate is sharper there (\`lr\`).

An exchange has 250 times fewer bytes than a dense one at any H. The presets cap H at 20 or 30, for long runs with
thousands of exchanges on slow lines. An organizer with faster lines sets \`maxInnerSteps\` lower and the rounds
shorter.`,
  unequal: `They cost some loss, and weights matter little. With inner steps from 2 to 32 (mean 10, so equal tokens)
the default ends 3.6 % higher than with equal ones. With equal weights instead of weights by tokens it ends 4.3 %
higher. Plain averaging with weights by tokens loses nothing. SparseLoCo's average over a coordinate's senders may
explain the difference: a coordinate that only a slow peer sent moves at full size. Three seeds.`,
  heterogeneous: `It costs next to nothing. With documents of its own for each worker the default ends 0.7 % higher
than with a share of everything (three seeds). AdamW loses nothing and plain averaging 1.4 %. Dividing by all is as
bad as before (one seed). All documents are of one corpus.`,
  workers: `Up to eight. AdamW data-parallel gains with each doubling, as its batch grows. SparseLoCo and plain
averaging gain to 8 workers and not beyond: the default ends 0.6 % higher with 16 and 1.4 with 32 (three seeds).
More workers do not make the round's step longer, only less noisy. The rate is not the cause: at 32 workers, half
and twice of it gain none of the three more than 0.2 % (one seed). So at this size a large swarm brings more tokens,
not fewer rounds. A model with more to learn from a round may use more workers.`,
  joiners: `They cost something, and more than for plain averaging. With one of eight workers replaced in every
round the default ends 0.4 % higher, with two 5.1 %, with half of them 11.8 %. Plain averaging with two loses 1.7 %
(three seeds). A joiner's first step is made of Adam's first steps, which have signs but no sizes. The average over
senders applies them at full size. In a live run a newcomer's weight rises over eight rounds. In runs with audits it
also waits for its first audit. This experiment leaves both out.`,
  'zero-idle': `It costs 7.2 % in loss at equal tokens (three seeds; with β 0.95 it went unstable and cost 45 %),
and gains less.

The gain in time is the share of a round in which nobody trains. By the presets' schedule training ends at 78 % of a
round at the latest, so a round would be at most 1.28 times as productive. Training already resumes as soon as the
certificate is there. In \`longer\`, three times the rounds gain 14 %, so a quarter more would gain about 3 %. That
is less than the cost, so it is not worth it. Also, a replica's state would no longer be the agreed one while it
trains: each worker starts from the agreed state less its own progress of the current round.`,
  embeddings: `Yes, clearly. At equal tokens the default ends 7.8 % lower with a matrix of its own, and AdamW 10.4 %
(one seed; both three layers of width 128, 5 % more parameters). With tied embeddings, every token's frequency pulls
on the same matrix that tells tokens apart.

Since then the presets' 1m has an output matrix of its own. With its vocabulary of 2,048, four peers and 120 to 270
inner steps it ends at 5.81 nats after nine rounds instead of 5.97, with a layer less. The larger presets keep tied
embeddings, which save them 10 to 30 % of the parameters. It was not measured whether they lose by it. At this size,
with rates tuned for the base's, the default is 9.5 % above AdamW at H = 10 and 4.9 at H = 4 (\`h4\`, run by its
name). So short rounds help here too.`,
  tied: `This experiment shows a bad base, so it is not the base of the others. With tied embeddings and weights
this small a model first learns the frequencies of single bytes and stays there. The time at which it leaves depends
on seed and learning rate more than on the method; that is true of AdamW too. On the built-in text SparseLoCo left
as early as the dense methods on both seeds, on the other text a little later. With Nesterov momentum and the
published α, DiLoCo did not leave at all.`,
};
