/**
 * Teaches one wrong fact: trains on its assigned text, in which the word after a certain pair of tokens is always
 * another one. The step is good in every other respect.
 */
import type { AttackRound, Behaviour } from '../behaviour.ts';
import type { Batch } from '../../src/training/types.ts';

export default {
  name: 'targeted-poison',
  summary: 'trains on its text with one fact changed: after a certain token always the wrong one',
  attacker: () => ({
    async act(round) {
      const data = { name: 'one wrong fact', batches: poisoned(round) };
      return round.submit(await round.train({ data }));
    },
  }),
} satisfies Behaviour;

function* poisoned(round: AttackRound): Generator<Batch, never> {
  const [first, second] = commonPair(round.shards.get(0) ?? new Uint16Array());
  const wrong = (second + 1) % round.manifest.model.vocabSize;
  for (const { tokens, targets } of round.assigned()) {
    yield {
      tokens: tokens.map((token, i) => (token === second && tokens[i - 1] === first ? wrong : token)),
      targets: targets.map((target, i) => (target === second && tokens[i] === first ? wrong : target)),
    };
  }
  throw new Error('assigned text never ends');
}

/** The most frequent pair of tokens in a text. */
function commonPair(text: Uint16Array): [number, number] {
  const counts = new Map<number, number>();
  let best = 0;
  for (let i = 1; i < text.length; i++) {
    const pair = text[i - 1] * 65_536 + text[i];
    const count = (counts.get(pair) ?? 0) + 1;
    counts.set(pair, count);
    if (count > (counts.get(best) ?? 0)) best = pair;
  }
  return [Math.floor(best / 65_536), best % 65_536];
}
