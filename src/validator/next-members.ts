/** Who becomes a member with the next certificate: the joins that a validator has heard, and since when the first waits. */
import { isAdmitted } from '../chain/members.ts';
import type { ChainState } from '../chain/state.ts';
import type { Run } from '../chain/run.ts';
import { JoinBox } from '../gauntlet/join-box.ts';
import type { JoinedEntry, MessageOf } from '../protocol/messages.ts';
import type { Clock } from '../protocol/timer.ts';
import type { GossipVerdict } from '../swarm/types.ts';

/** While nobody is a member, the first to join waits so long for others that come with it. */
const ADMIT_AFTER_MS = 1500;

export interface NextMembersOptions {
  readonly chain: { readonly run: Run; readonly state: ChainState };
  readonly clock: Clock;
  /** Called with the time when the first who joined has waited long enough, ms of swarm time. */
  readonly onFirst: (ready: number) => void;
}

export class NextMembers {
  readonly #o: NextMembersOptions;
  readonly #joins: JoinBox;
  /** When the first of the joins that wait came, swarm time. */
  #since = 0;

  constructor(options: NextMembersOptions) {
    this.#o = options;
    this.#joins = new JoinBox(options.chain.run.id);
  }

  take(message: MessageOf<'join'>, sender: Uint8Array): GossipVerdict {
    const { chain, clock, onFirst } = this.#o;
    const first = this.joined().length === 0;
    const receipt = this.#joins.take(sender, message, chain.state.head, this.#admitted());
    if (receipt === 'weak') return 'reject';
    if (receipt === 'stale' || receipt === 'full' || receipt === 'member') return 'ignore';
    if (receipt === 'taken' && first) {
      this.#since = clock.now();
      onFirst(this.#since + ADMIT_AFTER_MS);
    }
    return 'accept';
  }

  /** Who would join with the certificate of `round`. Default: of the present one. */
  joined(round = this.#roundNow()): JoinedEntry[] {
    return this.#joins.joined(this.#o.chain.state.head, this.#admitted(round));
  }

  /** While nobody is a member, nobody's work is under way: the first who join need not wait for the round's end. */
  needNotWait(now: number): boolean {
    if (this.#o.chain.state.members.size > 0 || now < this.#since + ADMIT_AFTER_MS) return false;
    return this.joined().length > 0;
  }

  #admitted(round = this.#roundNow()): (contributor: Uint8Array) => boolean {
    const { run, state } = this.#o.chain;
    return (contributor) => isAdmitted(state.members, contributor, round, run.manifest.admission);
  }

  #roundNow(): number {
    return this.#o.chain.run.rounds.round(this.#o.clock.now());
  }
}
