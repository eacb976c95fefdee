/**
 * Making the next certificate, and following one: both apply a round's accepted submissions to a copy of the state, so
 * that a failure leaves everything as it was.
 */
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import {
  buildCertificateBody,
  certify,
  type ChainHead,
  type CheckedCertificate,
  checkCertificate,
} from '../protocol/certificate.ts';
import { seal } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import type { Ledger } from '../protocol/ledger.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { CertificateBody, MessageOf } from '../protocol/messages.ts';
import type { Members } from '../gauntlet/admission.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';

export interface AppendOptions {
  readonly verdict: MessageOf<'verdict'>;
  /** Wire bytes of each accepted submission, in the verdict's order. */
  readonly submissions: readonly Uint8Array[];
  readonly validator: Identity;
  readonly heldOutLoss: number;
  /** Swarm time, epoch ms. */
  readonly time: number;
}

/** The certified chain as a validator sees it: host/chain.ts in Node, app/tab-chain.ts in a tab. */
export interface SeatChain {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  readonly head: ChainHead;
  readonly ledger: Ledger;
  /** Who is admitted, and the round of each one's last entry. */
  readonly members: Members;
  /** The newest certificate's sealed message; null at genesis. */
  readonly lastMessage: Uint8Array | null;
  /** A copy of the certified state θ. */
  theta(): Promise<Int32Array>;
  /**
   * Applies a verdict's accepted work, signs the certificate, makes it durable and moves the head. Resolves to the
   * sealed message, which nobody else has heard yet. When it rejects, head, state and ledger are what they were.
   */
  append(options: AppendOptions): Promise<{ message: Uint8Array; body: CertificateBody }>;
}

/** A certificate that is signed, and the state after it. */
export interface CertifiedState {
  /** Sealed, as it is published. */
  readonly message: Uint8Array;
  readonly certificate: CheckedCertificate;
  readonly replica: CpuReplica;
}

/** The certified submissions do not lead to the state root that the certificate names. */
export class CertifiedRootError extends Error {
  static override readonly name = 'CertifiedRootError';
  override readonly name = 'CertifiedRootError';
}

/** Certifies a verdict on top of `head`, whose state `replica` holds; that replica is not changed. */
export async function certifyVerdict(
  { manifest, runId, head }: Pick<SeatChain, 'manifest' | 'runId' | 'head'>,
  replica: CpuReplica,
  options: AppendOptions,
): Promise<CertifiedState> {
  const { verdict, validator, heldOutLoss, time } = options;
  const { next, root } = await after(replica, verdict.accepted, options.submissions);
  const body = buildCertificateBody({ manifest, head, verdict, root, heldOutLoss, time });
  const certificate = await certify(body, [validator]);
  const checked = await checkCertificate(certificate, manifest, runId, head);
  if (!checked.ok) throw new Error(`our own certificate is not good (${checked.reason}): ${checked.detail}`);
  return {
    message: await seal(validator, certificate),
    certificate: checked.certificate,
    replica: next,
  };
}

/**
 * The state after a certificate that was checked to follow the one `replica` holds. `submissions` in the order of its
 * accepted entries. Throws {@link CertifiedRootError} when another root comes out.
 */
export async function applyCertified(
  replica: CpuReplica,
  { accepted, root, height }: CertificateBody,
  submissions: readonly Uint8Array[],
): Promise<CpuReplica> {
  const { next, root: found } = await after(replica, accepted, submissions);
  if (!bytesEqual(found, root))
    throw new CertifiedRootError(
      `applying height ${height} gives the root ${toHex(found).slice(0, 12)}, the certificate says ${toHex(root).slice(0, 12)}`,
    );
  return next;
}

async function after(
  replica: CpuReplica,
  accepted: readonly { readonly weight: number }[],
  submissions: readonly Uint8Array[],
): Promise<{ readonly next: CpuReplica; readonly root: Uint8Array }> {
  const next = new CpuReplica(replica.layout, replica.settings);
  await next.load(await replica.read());
  const root = await next.apply(accepted.map(({ weight }, i) => ({ bytes: submissions[i], weight })));
  return { next, root };
}

/** Mean wire size of accepted submissions in bytes a parameter; 0 without any. */
export function bytesPerParameter(sizes: readonly { readonly size: number }[], elements: number): number {
  const total = sizes.reduce((sum, { size }) => sum + size, 0);
  return total / Math.max(1, sizes.length) / elements;
}
