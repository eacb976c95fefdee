/** Figures of a mutation report (https://github.com/stryker-mutator/mutation-testing-elements, report schema 2). */

export interface Report {
  readonly files: Readonly<Record<string, { readonly mutants: readonly Mutant[] }>>;
}

export interface Mutant {
  /** A mutant that cannot be tested (`RuntimeError`, `CompileError`, `Ignored`, `Pending`) counts for nothing. */
  readonly status: string;
}

/** Mutants by what became of them. */
export interface Counts {
  /** A test failed. */
  readonly killed: number;
  /** A test ran for ever, which is noticed too. */
  readonly timeout: number;
  readonly survived: number;
  /** No test runs the code at all. */
  readonly uncovered: number;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

const STATUS = {
  killed: 'Killed',
  timeout: 'Timeout',
  survived: 'Survived',
  uncovered: 'NoCoverage',
} as const;

export function countsOf(mutants: readonly Mutant[]): Counts {
  const of = (status: string) => mutants.filter((mutant) => mutant.status === status).length;
  return {
    killed: of(STATUS.killed),
    timeout: of(STATUS.timeout),
    survived: of(STATUS.survived),
    uncovered: of(STATUS.uncovered),
  };
}

export const add = (all: readonly Counts[]): Counts =>
  all.reduce(
    (a, b) => ({
      killed: a.killed + b.killed,
      timeout: a.timeout + b.timeout,
      survived: a.survived + b.survived,
      uncovered: a.uncovered + b.uncovered,
    }),
    { killed: 0, timeout: 0, survived: 0, uncovered: 0 },
  );

/** Noticed mutants among all that could be tested, %, to one decimal; null where there are none. */
export function score({ killed, timeout, survived, uncovered }: Counts): number | null {
  const all = killed + timeout + survived + uncovered;
  return all === 0 ? null : Math.round((1000 * (killed + timeout)) / all) / 10;
}

/** One figure a line for `--json`: `mutate.score.ROOM`, and how many mutants ended which way. */
export function figures(room: string, counts: Counts): Figure[] {
  const value = score(counts);
  const amounts = Object.entries(counts).map(([name, count]) => ({
    name: `mutate.${name}.${room}`,
    value: count,
    unit: 'mutants',
  }));
  return value === null ? amounts : [{ name: `mutate.score.${room}`, value, unit: '%' }, ...amounts];
}

/** The same for a reader. */
export function line(name: string, counts: Counts): string {
  const value = score(counts);
  const { killed, timeout, survived, uncovered } = counts;
  const shown = value === null ? 'nothing to mutate' : `${value.toFixed(1)} %`;
  return `${name}: ${shown} (${killed} killed, ${timeout} timed out, ${survived} survived, ${uncovered} uncovered)`;
}
