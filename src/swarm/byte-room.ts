/** Room for bytes on their way out, with a share for each asker's address: whoever does not read fills its own share only. */

interface Waiting {
  readonly share: string;
  readonly bytes: number;
  readonly go: () => void;
}

export class ByteRoom {
  readonly #total: number;
  readonly #perShare: number;
  readonly #held = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();
  #sum = 0;

  /** Bytes in all, and of one share. One piece larger than that has room when its share holds nothing. */
  constructor(total: number, perShare: number) {
    this.#total = total;
    this.#perShare = perShare;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#sum;
  }

  /** Waits for room, in order of asking within a share, and takes it. Rejects with the signal's reason. */
  async take(share: string, bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const first = ![...this.#waiting].some((waiting) => waiting.share === share);
    if (first && this.#fits(share, bytes)) {
      this.#add(share, bytes);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.delete(waiting);
        reject(signal.reason as Error);
      };
      const waiting: Waiting = {
        share,
        bytes,
        go: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiting);
    });
  }

  give(share: string, bytes: number): void {
    this.#add(share, -bytes);
    const blocked = new Set<string>();
    for (const waiting of this.#waiting) {
      if (blocked.has(waiting.share)) continue;
      if (!this.#fits(waiting.share, waiting.bytes)) {
        blocked.add(waiting.share);
        continue;
      }
      this.#waiting.delete(waiting);
      this.#add(waiting.share, waiting.bytes);
      waiting.go();
    }
  }

  #fits(share: string, bytes: number): boolean {
    const own = this.#held.get(share) ?? 0;
    return (
      (own === 0 || own + bytes <= this.#perShare) && (this.#sum === 0 || this.#sum + bytes <= this.#total)
    );
  }

  #add(share: string, bytes: number): void {
    this.#sum += bytes;
    const own = (this.#held.get(share) ?? 0) + bytes;
    if (own > 0) this.#held.set(share, own);
    else this.#held.delete(share);
  }
}
