/** What the HTTP interface shows of a running host: a read-only view, so that server.ts knows no validator. */
import type { Link } from '../chain/follower.ts';
import { opinionsOn } from '../chain/links.ts';
import type { Run } from '../chain/run.ts';
import { fromHex, toHex } from '../protocol/bytes.ts';
import type { IceServer } from '../protocol/ice.ts';
import type { Note, RoundFailure } from '../protocol/messages.ts';
import type { ProfileBook } from '../protocol/profile-book.ts';
import type { Clock } from '../protocol/timer.ts';
import type { HostSwarm } from '../swarm/host-node.ts';
import type { Presence } from '../swarm/presences.ts';
import type { FailedRound } from '../validator/round-failure.ts';
import { hasSeat } from '../validator/seat.ts';
import { bytesPerParameter } from '../validator/certify.ts';
import {
  accountsPage,
  type AccountTotals,
  accountTotals,
  type AccountView,
  TOP_ACCOUNTS,
} from './accounts.ts';
import type { HostChain } from './chain.ts';
import type { DiskState } from './disk-watch.ts';
import { type HostTrouble, troublesOf } from './troubles.ts';

/** Peers that a status lists. */
const MAX_PEERS = 200;

/** Where rounds are judged: in this process, or in a browser tab. */
export const SEAT_PLACES = ['host', 'tab'] as const;
export type SeatPlace = (typeof SEAT_PLACES)[number];

/** Who follows the rounds here: a validator, or the keeper of a chain that a tab certifies. */
export interface RoundsView {
  /** Names that contributors show, for tabs that come later. */
  readonly profiles: ProfileBook;
  readonly roundsLost: number;
  /** Why the newest round failed on the validator's machine, or could not be written down here; null: it did not. */
  readonly failed: Pick<FailedRound, 'round' | 'failure'> | null;
  /** Refusals of rounds without a certificate, since the start. */
  readonly refusedUncertified: number;
  presences(): Presence[];
}

export interface HostView {
  readonly chain: HostChain;
  readonly clock: Clock;
  readonly swarm: HostSwarm;
  readonly rounds: RoundsView;
  readonly seat: SeatPlace;
  readonly iceServers: readonly IceServer[];
  readonly startedAt: number;
  /** How far this computer's shown time was set since the start, and the disk of the data folder. */
  readonly jumpedMs: () => number;
  readonly disk: () => DiskState;
}

/** `GET /api/status` and `tabswarm status --json`. */
export interface StatusView {
  readonly run: string;
  readonly name: string;
  readonly parameters: number;
  readonly round: number;
  readonly phase: string;
  readonly phaseEndsAt: number;
  readonly time: number;
  readonly height: number;
  readonly root: string;
  /** Who judges rounds now: the host, a tab, or nobody. */
  readonly validator: SeatPlace | 'none';
  /** Round of the newest certificate; null before the first. */
  readonly certifiedRound: number | null;
  /** Peers that lately showed a sign of life, and the first of them. */
  readonly peerCount: number;
  readonly peers: readonly {
    readonly contributor: string;
    readonly peer: string;
    readonly role: string;
    readonly state: string;
    readonly adapter: string;
    readonly tokensPerSecond: number;
    readonly height: number;
    readonly root: string;
  }[];
  /** Reservations that the relay holds. */
  readonly reservations: number;
  /** Nats per token of the state at `heldOutHeight`: the newest that is measured. Null before the first measurement. */
  readonly heldOutLoss: number | null;
  readonly heldOutHeight: number | null;
  /** The same at height 0. */
  readonly initialHeldOutLoss: number | null;
  /** Mean wire size of the newest certificate's submissions. */
  readonly bytesPerParameter: number | null;
  readonly accepted: number;
  readonly refused: readonly {
    readonly contributor: string;
    readonly reason: string;
    /** The figures behind it, as a validator published them; null when they are not known. */
    readonly note: Note | null;
  }[];
  /** Who is admitted, and the leading zero bits that a join needs now. */
  readonly members: number;
  readonly joinBits: number;
  /** Micro-credits issued, and who has most of them, most first. All accounts: `GET /api/ledger`. */
  readonly issued: number;
  readonly credits: readonly AccountView[];
  /** Over all accounts. */
  readonly totals: AccountTotals;
  readonly relayedBytes: number;
  /** Submission and other blob bytes that this host sent to and got from tabs. */
  readonly blobBytesOut: number;
  readonly blobBytesIn: number;
  readonly roundsLost: number;
  readonly refusedUncertified: number;
  /** What keeps rounds from being certified: the newest one that failed on the validator's or this machine. */
  readonly trouble: { readonly round: number; readonly cause: RoundFailure } | null;
  /** What is wrong with this host, its time or its disk now. */
  readonly troubles: readonly HostTrouble[];
  /** Bytes that may still be written beside the run; null where the system does not say. */
  readonly diskFreeBytes: number | null;
}

/** Who judges rounds now. A tab counts while its sign of life is fresh. */
export function validatorOf({ seat, rounds, chain }: HostView): StatusView['validator'] {
  if (seat === 'host') return 'host';
  const here = rounds
    .presences()
    .some((p) => p.role === 'validator' && hasSeat(chain.run.manifest, fromHex(p.contributor)));
  return here ? 'tab' : 'none';
}

export async function statusOf(view: HostView): Promise<StatusView> {
  const { chain, rounds, swarm, clock } = view;
  const { run, head, last, store } = chain;
  const time = clock.now();
  const { round, phase, endsAt } = run.rounds.phase(time);
  const measured = newestLoss(chain);
  const blobs = swarm.blobTraffic();
  const presences = rounds.presences();
  const { failed } = rounds;
  return {
    run: run.name,
    name: run.manifest.name,
    parameters: run.layout.elements,
    round,
    phase,
    phaseEndsAt: endsAt,
    time,
    height: head.height,
    root: toHex(head.root),
    validator: validatorOf(view),
    certifiedRound: head.round < 0 ? null : head.round,
    peerCount: presences.length,
    peers: presences.slice(0, MAX_PEERS).map((p) => ({
      contributor: p.contributor,
      peer: p.peer,
      role: p.role,
      state: p.state,
      adapter: p.adapter,
      tokensPerSecond: p.tokensPerSecond,
      height: p.height,
      root: toHex(p.root),
    })),
    reservations: swarm.reservations,
    heldOutLoss: measured?.loss ?? null,
    heldOutHeight: measured?.height ?? null,
    initialHeldOutLoss: store.loss(0),
    bytesPerParameter:
      last === null
        ? null
        : bytesPerParameter(
            chain.workOf(last.certificate).map(({ size }) => ({ byteLength: size })),
            run.layout.elements,
          ),
    accepted: last?.certificate.body.accepted.length ?? 0,
    refused: await refusals(chain),
    members: chain.members.size,
    joinBits: head.joinBits,
    issued: chain.ledger.issued,
    credits: accountsPage(chain.ledger, 0, TOP_ACCOUNTS),
    totals: accountTotals(chain.ledger),
    relayedBytes: swarm.relayedBytes(),
    blobBytesOut: sum(blobs.bytesOut),
    blobBytesIn: sum(blobs.bytesIn),
    roundsLost: rounds.roundsLost,
    refusedUncertified: rounds.refusedUncertified,
    trouble: failed === null ? null : { round: failed.round, cause: failed.failure },
    troubles: troublesOf({
      run,
      now: time,
      certifiedRound: head.round,
      jumpedMs: view.jumpedMs(),
      disk: view.disk(),
      writeFailedFull: failed?.failure === 'disk-full',
    }),
    diskFreeBytes: view.disk().freeBytes,
  };
}

/** Opinions are opened, and so their signatures checked, once a certificate. */
const refusalsOf = new WeakMap<Link, Promise<StatusView['refused']>>();

/** Who was refused in the newest certified round, with a validator's figures. */
function refusals({ run, last }: HostChain): Promise<StatusView['refused']> {
  if (last === null) return Promise.resolve([]);
  const known = refusalsOf.get(last) ?? readRefusals(run, last);
  refusalsOf.set(last, known);
  return known;
}

async function readRefusals(run: Run, last: Link): Promise<StatusView['refused']> {
  const { body } = last.certificate;
  const [said] = await opinionsOn(run, body.round, last.opinions);
  const notes = new Map(
    said?.opinion.refused.map(({ contributor, note }) => [toHex(contributor), note] as const),
  );
  return body.refused.map(({ contributor, reason }) => {
    const key = toHex(contributor);
    return { contributor: key, reason, note: notes.get(key) ?? null };
  });
}

/** The newest state's loss, or, while that is being measured, the one before. */
function newestLoss({ head, store }: HostChain): { height: number; loss: number } | null {
  for (let { height } = head; height >= Math.max(0, head.height - 2); height--) {
    const loss = store.loss(height);
    if (loss !== null) return { height, loss };
  }
  return null;
}

const sum = (byPath: Readonly<Record<string, number>>): number =>
  Object.values(byPath).reduce((a, b) => a + b, 0);
