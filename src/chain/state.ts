/**
 * What a chain of certificates has come to: head, ledger and members, advanced together and nowhere else.
 *
 * Pure: a state is a value, and {@link advance} gives the next one. A certificate gets here only through
 * {@link CheckedCertificate}, so that nothing unchecked can move a head.
 */
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import type { MessageOf } from '../protocol/messages.ts';
import {
  type CertificateCheck,
  type ChainHead,
  checkCertificate,
  type CheckedCertificate,
  genesisHead,
} from './certificate.ts';
import { applyToLedger, emptyLedger, keepEarned, type Ledger } from './ledger.ts';
import { foldMembers, isMember, memberProblem, type Members } from './members.ts';
import type { Run } from './run.ts';

export interface ChainState {
  readonly head: ChainHead;
  readonly ledger: Ledger;
  /** Who is admitted, and the round of each one's last entry. */
  readonly members: Members;
}

export const genesisState = (run: Run): ChainState => ({
  head: genesisHead(run),
  ledger: emptyLedger(),
  members: new Map(),
});

/**
 * The state after a checked certificate. Throws RangeError when it does not follow the state's head, or names somebody who
 * is no member (members.ts).
 */
export function advance(run: Run, state: ChainState, { body, head }: CheckedCertificate): ChainState {
  const { admission, credits } = run.manifest;
  if (!bytesEqual(body.previous, state.head.hash))
    throw new RangeError(
      `the certificate of height ${body.height} does not follow height ${state.head.height}`,
    );
  const problem = memberProblem(state.members, body, admission);
  if (problem !== null) throw new RangeError(`the certificate of height ${body.height} ${problem}`);
  const members = foldMembers(state.members, body, admission);
  return {
    head,
    members,
    ledger: keepEarned(applyToLedger(state.ledger, body, credits), (key) => members.has(key)),
  };
}

/**
 * Checks that a certificate is the next one: by itself and its place (certificate.ts), and that it names nobody who is no
 * member. Never throws.
 */
export async function checkNext(
  certificate: MessageOf<'certificate'>,
  run: Run,
  { head, members }: Pick<ChainState, 'head' | 'members'>,
): Promise<CertificateCheck> {
  const checked = await checkCertificate(certificate, run, head);
  if (!checked.ok) return checked;
  const detail = memberProblem(members, checked.certificate.body, run.manifest.admission);
  return detail === null ? checked : { ok: false, reason: 'member', detail };
}

/** Whether the chain up to a state admits a contributor to `round`. */
export const admits = (run: Run, state: ChainState, contributor: Uint8Array, round: number): boolean =>
  isMember(state.members, contributor, round, run.manifest.admission);

/**
 * Whether a key has a place in the run: it is a member, or has an account, or validates. Anybody else is a stranger: a key
 * costs nothing, so what it sends is passed on to nobody and takes no place of those who are known.
 */
export function knows(
  { manifest }: Pick<Run, 'manifest'>,
  { members, ledger }: { readonly members: Members; readonly ledger: Pick<Ledger, 'accounts'> },
  key: Uint8Array,
): boolean {
  const id = toHex(key);
  return (
    members.has(id) ||
    ledger.accounts.has(id) ||
    manifest.validators.some((validator) => bytesEqual(validator.key, key))
  );
}
