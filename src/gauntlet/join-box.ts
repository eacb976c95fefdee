/** A validator's box of joins for the next certificate. */
import type { ChainHead } from '../chain/certificate.ts';
import { bytesEqual, compareBytes, toHex } from '../protocol/bytes.ts';
import { joinHash, leadingZeroBits } from '../protocol/join.ts';
import { MAX_JOINED } from '../protocol/limits.ts';
import type { JoinedEntry, MessageOf } from '../protocol/messages.ts';

/** What became of a join: `stale` ones are over another certificate, `weak` ones are too little work. */
export type JoinReceipt = 'taken' | 'known' | 'stale' | 'weak' | 'full';

/** Joins over the newest certificate, at most as many as the next one can list: those of the most work. */
export class JoinBox {
  readonly #run: Uint8Array;
  #over: Uint8Array = new Uint8Array(0);
  /** By hex key, with the work's hash: the smaller, the more work. */
  readonly #joins = new Map<string, { readonly entry: JoinedEntry; readonly hash: Uint8Array }>();

  constructor(run: Uint8Array) {
    this.#run = run;
  }

  /** Checks a join with one hash and keeps it. `head`: the newest certificate; joins over older ones are dropped. */
  take(
    contributor: Uint8Array,
    join: MessageOf<'join'>,
    head: Pick<ChainHead, 'hash' | 'joinBits'>,
  ): JoinReceipt {
    this.#enter(head);
    if (!bytesEqual(join.run, this.#run) || !bytesEqual(join.certificate, head.hash)) return 'stale';
    const key = toHex(contributor);
    const known = this.#joins.get(key);
    if (known?.entry.nonce === join.nonce) return 'known';
    const hash = joinHash({ run: this.#run, certificate: head.hash, contributor }, join.nonce);
    if (leadingZeroBits(hash) < head.joinBits) return 'weak';
    // Other work of the same key is no second place.
    if (known !== undefined) return 'known';
    this.#joins.set(key, { entry: { contributor, nonce: join.nonce }, hash });
    if (this.#joins.size <= MAX_JOINED) return 'taken';
    const [least] = [...this.#joins].reduce((a, b) => (compareBytes(a[1].hash, b[1].hash) >= 0 ? a : b));
    this.#joins.delete(least);
    return least === key ? 'full' : 'taken';
  }

  /** Who would join with the certificate after `head`, in the order of keys. */
  joined(head: ChainHead): JoinedEntry[] {
    this.#enter(head);
    return [...this.#joins.values()]
      .map(({ entry }) => entry)
      .sort((a, b) => compareBytes(a.contributor, b.contributor));
  }

  #enter({ hash }: Pick<ChainHead, 'hash'>): void {
    if (bytesEqual(hash, this.#over)) return;
    this.#over = hash;
    this.#joins.clear();
  }
}
