/** Where a command prints: the terminal, or what a test reads. */
export interface Output {
  /** Prints a line. */
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}
