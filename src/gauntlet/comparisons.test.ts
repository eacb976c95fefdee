/** Whose work is the yardstick: that of those who count, however many newcomers there are. */
import { describe, expect, test } from 'vitest';
import { type Compared, gainProblems, type Measured, normProblems } from './comparisons.ts';

const reasons = (problems: readonly ({ reason: string } | null)[]) =>
  problems.map((problem) => problem?.reason ?? null);
const passed = (count: number) => new Array<null>(count).fill(null);
const refused = (count: number, reason: string) => new Array<string>(count).fill(reason);
const many = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

interface Who {
  readonly counts?: boolean;
  readonly fresh?: boolean;
}

describe('norms', () => {
  const rules = { maxNormRatio: 10, minNorm: 0.8 };
  const of = (norm: number, { counts = true, fresh = false }: Who = {}): Compared => ({
    inspected: { norm, positions: new Uint32Array(), negative: new Uint8Array() },
    tokens: 1000,
    fresh,
    counts,
  });
  const honest = many(6, (i) => of(1 + i / 100));

  test('a crowd of others sets them while everybody counts, and no more once it does not', () => {
    const tiny = many(20, () => of(0.05));
    // Theirs is the median: honest work is twenty times as large.
    expect(reasons(normProblems([...honest, ...tiny], rules))).toEqual([
      ...refused(6, 'norm'),
      ...passed(20),
    ]);
    const strangers = tiny.map((one) => ({ ...one, counts: false }));
    expect(reasons(normProblems([...honest, ...strangers], rules))).toEqual([
      ...passed(6),
      ...refused(20, 'work'),
    ]);
  });

  test('who begins is excused among those who count, and not among others who begin like it', () => {
    const [known, strange] = [of(0.6, { fresh: true }), of(0.6, { fresh: true, counts: false })];
    expect(reasons(normProblems([...honest, known], rules)).at(-1)).toBeNull();
    // Strangers who all begin are no majority of those who count.
    const strangers = many(9, () => strange);
    expect(reasons(normProblems([...honest, ...strangers], rules))).toEqual(passed(15));
    const beginners = honest.map((one) => ({ ...one, fresh: true }));
    expect(reasons(normProblems([...beginners, known], rules)).at(-1)).toBe('work');
  });

  test('a norm of zero is no yardstick', () => {
    const still = of(0);
    expect(reasons(normProblems([still, still, still, of(1)], rules))).toEqual([...refused(3, 'norm'), null]);
  });

  test('without a least norm only the far ones are refused', () => {
    const work = [...honest, of(0.1), of(11)];
    expect(reasons(normProblems(work, { maxNormRatio: 10, minNorm: 0 }))).toEqual([...passed(7), 'norm']);
    expect(reasons(normProblems(work, rules))).toEqual([...passed(6), 'work', 'norm']);
  });
});

describe('gains', () => {
  const of = (gain: number, { counts = true, fresh = false }: Who = {}): Measured => {
    const before = [5, 5.1, 4.9, 5];
    const after = before.map((loss, i) => loss - gain + (i - 1.5) / 1000);
    return { unassigned: { before, after }, tokens: 1000, fresh, counts };
  };
  const honest = many(6, () => of(0.1));

  test('newcomers who gain nothing hide behind each other only while they count', () => {
    const idle = many(8, () => of(0));
    expect(reasons(gainProblems([...honest, ...idle], 0.3))).toEqual(passed(14));
    const strangers = many(8, () => of(0, { counts: false }));
    expect(reasons(gainProblems([...honest, ...strangers], 0.3))).toEqual([
      ...passed(6),
      ...refused(8, 'loss'),
    ]);
  });

  test('who begins needs a third of it', () => {
    const work = [...honest, of(0.02), of(0.02, { fresh: true }), of(0.004, { fresh: true })];
    expect(reasons(gainProblems(work, 0.3))).toEqual([...passed(6), 'loss', null, 'loss']);
  });
});
