/** Figures of mutation reports. */
import { expect, test } from 'vitest';
import { add, countsOf, figures, line } from '../../scripts/mutate/report.ts';

const mutants = (...statuses: string[]) => statuses.map((status) => ({ status }));
const counts = countsOf(
  mutants('Killed', 'Killed', 'Timeout', 'Survived', 'NoCoverage', 'RuntimeError', 'Ignored'),
);

test('what cannot be tested counts for nothing, and a timeout is noticed', () => {
  expect(counts).toEqual({ killed: 2, timeout: 1, survived: 1, uncovered: 1 });
  expect(figures('protocol', counts)).toEqual([
    { name: 'mutate.score.protocol', value: 60, unit: '%' },
    { name: 'mutate.killed.protocol', value: 2, unit: 'mutants' },
    { name: 'mutate.timeout.protocol', value: 1, unit: 'mutants' },
    { name: 'mutate.survived.protocol', value: 1, unit: 'mutants' },
    { name: 'mutate.uncovered.protocol', value: 1, unit: 'mutants' },
  ]);
});

test('a room is the sum of its files; one without mutants has no score', () => {
  const room = add([counts, countsOf(mutants('Killed'))]);
  expect(line('chain', room)).toBe('chain: 66.7 % (3 killed, 1 timed out, 1 survived, 1 uncovered)');
  expect(line('chain', add([]))).toContain('nothing to mutate');
  expect(figures('chain', add([])).map(({ name }) => name)).not.toContain('mutate.score.chain');
});
