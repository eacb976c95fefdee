/** Tells a trouble once, however often it is met until it is over, and then that it is over. */
import type { Trouble, TroubleCode } from '../peer/reasons.ts';
import { JOIN, troubleText } from './say-join.ts';

export class TroubleLines {
  readonly #say: (line: string) => void;
  /** What was told and is not over. */
  readonly #told = new Map<TroubleCode, string>();

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  tell(trouble: Trouble): void {
    const text = troubleText(trouble);
    if (this.#told.get(trouble.code) === text) return;
    this.#told.set(trouble.code, text);
    this.#say(text);
  }

  over(codes: readonly TroubleCode[]): void {
    const told = this.#told.size;
    for (const code of codes) this.#told.delete(code);
    if (this.#told.size < told) this.#say(JOIN.over);
  }
}
