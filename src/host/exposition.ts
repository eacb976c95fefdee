/** Prometheus text exposition (format 0.0.4): the host has few metrics, so the lines are written by hand. */

export type MetricKind = 'gauge' | 'counter';

export class Exposition {
  readonly #lines: string[] = [];

  /** One value; null: there is none to show. */
  metric(name: string, kind: MetricKind, help: string, value: number | null): void {
    if (value !== null) this.#add(name, kind, help, [`${name} ${value}`]);
  }

  /** A value for each of a label's. */
  labelled(
    name: string,
    kind: MetricKind,
    help: string,
    label: string,
    values: Iterable<readonly [string | number, number]>,
  ): void {
    const lines = Array.from(values, ([of, value]) => `${name}{${label}="${of}"} ${value}`);
    this.#add(name, kind, help, lines);
  }

  get text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  #add(name: string, kind: MetricKind, help: string, lines: readonly string[]): void {
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, ...lines);
  }
}
