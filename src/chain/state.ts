/**
 * What a chain of certificates has come to: head, ledger and members, advanced together and nowhere else.
 *
 * Pure: a state is a value, and {@link advance} gives the next one. A certificate gets here only through
 * {@link CheckedCertificate}, so that nothing unchecked can move a head.
 */
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { type ChainHead, type CheckedCertificate, genesisHead } from './certificate.ts';
import { applyToLedger, emptyLedger, type Ledger } from './ledger.ts';
import { foldMembers, isMember, type Members } from './members.ts';
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

/** The state after a checked certificate. Throws RangeError when it does not follow the state's head. */
export function advance(run: Run, state: ChainState, { body, head }: CheckedCertificate): ChainState {
  if (!bytesEqual(body.previous, state.head.hash))
    throw new RangeError(
      `the certificate of height ${body.height} does not follow height ${state.head.height}`,
    );
  return {
    head,
    ledger: applyToLedger(state.ledger, body, run.manifest.credits),
    members: foldMembers(state.members, body, run.manifest.admission),
  };
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
