/** Things that are held, each on somebody's share, in the order in which they were last used. */
export class Holdings<T> {
  readonly #shares = new Map<string, Set<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** How much a share holds. */
  of(share: string): number {
    return this.#shares.get(share)?.size ?? 0;
  }

  /** What a share holds, the least lately used first. */
  in(share: string): Iterable<T> {
    return this.#shares.get(share) ?? [];
  }

  *all(): Iterable<T> {
    for (const held of this.#shares.values()) yield* held;
  }

  shares(): Iterable<string> {
    return this.#shares.keys();
  }

  /** Adds a thing, or says that it was used again. */
  add(share: string, thing: T): void {
    const held = this.#shares.get(share) ?? new Set<T>();
    this.#shares.set(share, held);
    if (!held.delete(thing)) this.#size++;
    held.add(thing);
  }

  delete(share: string, thing: T): void {
    const held = this.#shares.get(share);
    if (held === undefined || !held.delete(thing)) return;
    this.#size--;
    if (held.size === 0) this.#shares.delete(share);
  }

  /** The share that holds most; null when nothing is held. */
  largest(): string | null {
    let [most, found]: [number, string | null] = [0, null];
    for (const [share, { size }] of this.#shares) if (size > most) [most, found] = [size, share];
    return found;
  }
}
