/** A validator's box of joins for the next certificate. */
import type { ChainHead } from '../chain/certificate.ts';
import { bytesEqual, compareBytes, toHex } from '../protocol/bytes.ts';
import { checkJoin } from '../protocol/join.ts';
import { MAX_JOINED } from '../protocol/limits.ts';
import type { JoinedEntry, MessageOf } from '../protocol/messages.ts';

/**
 * What became of a join: `known` ones are of no more work than the one at hand, `stale` ones over no certificate of the
 * window, `weak` ones too little work.
 */
export type JoinReceipt = 'taken' | 'known' | 'stale' | 'weak' | 'full' | 'member';

/** What it looks at of a chain's head. */
type Window = Pick<ChainHead, 'hash' | 'joinBases'>;

interface Boxed {
  readonly contributor: Uint8Array;
  readonly nonce: number;
  /** The certificate that the work is over. */
  readonly over: Uint8Array;
  /** The work's hash: the smaller, the more work. */
  readonly hash: Uint8Array;
}

/**
 * Joins over the newest certificates, at most as many as one can list: those of the most work. They stay until they are
 * listed or their certificate is too old, so no round's end makes anybody's work worthless.
 */
export class JoinBox {
  readonly #run: Uint8Array;
  #head: Uint8Array = new Uint8Array(0);
  /** By hex key. */
  readonly #joins = new Map<string, Boxed>();

  constructor(run: Uint8Array) {
    this.#run = run;
  }

  /** Checks a join with one hash and keeps it. `isMember`: who need not join any more, or not yet. */
  take(
    contributor: Uint8Array,
    join: MessageOf<'join'>,
    head: Window,
    isMember: (contributor: Uint8Array) => boolean,
  ): JoinReceipt {
    if (!bytesEqual(join.run, this.#run)) return 'stale';
    if (isMember(contributor)) return 'member';
    this.#enter(head, isMember);
    const checked = checkJoin(this.#run, contributor, join, head.joinBases);
    if (checked.is !== 'good') return checked.is;
    const { hash } = checked;
    const key = toHex(contributor);
    const known = this.#joins.get(key);
    if (known !== undefined && compareBytes(known.hash, hash) <= 0) return 'known';
    this.#joins.set(key, { contributor, nonce: join.nonce, over: join.certificate, hash });
    if (this.#joins.size <= MAX_JOINED) return 'taken';
    const [least] = [...this.#joins].reduce((a, b) => (compareBytes(a[1].hash, b[1].hash) >= 0 ? a : b));
    this.#joins.delete(least);
    return least === key ? 'full' : 'taken';
  }

  /** Who would join with the certificate after `head`, in the order of keys. */
  joined(head: Window, isMember: (contributor: Uint8Array) => boolean): JoinedEntry[] {
    this.#enter(head, isMember);
    return [...this.#joins.values()]
      .filter(({ contributor }) => !isMember(contributor))
      .map(({ contributor, nonce, over }) => ({ contributor, nonce, age: ageOf(head, over) }))
      .sort((a, b) => compareBytes(a.contributor, b.contributor));
  }

  /** Drops what a new head has listed or made too old. */
  #enter(head: Window, isMember: (contributor: Uint8Array) => boolean): void {
    if (bytesEqual(head.hash, this.#head)) return;
    this.#head = head.hash;
    for (const [key, { contributor, over }] of this.#joins)
      if (ageOf(head, over) < 0 || isMember(contributor)) this.#joins.delete(key);
  }
}

const ageOf = ({ joinBases }: Window, over: Uint8Array): number =>
  joinBases.findIndex(({ certificate }) => bytesEqual(certificate, over));
