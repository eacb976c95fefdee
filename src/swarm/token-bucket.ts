/** A token bucket: `rate` tokens a second, at most `burst` saved up. The rate limit of everything a peer can ask for. */
export class TokenBucket {
  readonly #rate: number;
  readonly #burst: number;
  readonly #now: () => number;
  #tokens: number;
  #at: number;

  constructor(rate: number, burst: number, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#burst = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#at = now();
  }

  #refill(): void {
    const now = this.#now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#rate);
    this.#at = now;
  }

  /** Takes `count` tokens if they are there. */
  take(count = 1): boolean {
    this.#refill();
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Takes `count` tokens in any case; returns the milliseconds to wait until the debt is paid. */
  owe(count: number): number {
    this.#refill();
    this.#tokens -= count;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#rate) * 1000;
  }

  /** Tokens that are owed now. */
  get debt(): number {
    this.#refill();
    return Math.max(0, -this.#tokens);
  }

  /** Takes `count` tokens in any case, but makes no debt deeper than `most`; a deeper one stays as it is. */
  oweUpTo(most: number, count: number): void {
    this.#refill();
    this.#tokens = Math.max(this.#tokens - count, Math.min(this.#tokens, -most));
  }
}
