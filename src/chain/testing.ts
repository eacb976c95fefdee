/** A small run that exists only in tests and in the gallery: a manifest, a chain with a contributor's work in it. */
import {
  buildCertificateBody,
  certify,
  type ChainHead,
  checkCertificate,
  type CheckedCertificate,
} from './certificate.ts';
import { seal, signManifest } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import { type Account, type Ledger, newAccount } from './ledger.ts';
import { advance, type ChainState, genesisState } from './state.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { openRun, type Run, runOf } from './run.ts';
import { solveJoin } from '../protocol/join.ts';
import type { JoinedEntry, RefusedEntry } from '../protocol/messages.ts';
import { toHex } from '../protocol/bytes.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';

export interface TestChain {
  readonly run: Run;
  readonly certificates: readonly CheckedCertificate[];
  /** The same as published. */
  readonly sealed: readonly Uint8Array[];
  readonly account: (contributor: Uint8Array) => Account | undefined;
}

export interface TestChainOptions {
  readonly rounds: number;
  /** Rounds in which the contributor had nothing accepted. */
  readonly without?: readonly number[];
  /** Rounds in which it was refused. */
  readonly refused?: readonly number[];
  readonly others?: number;
}

/** Rounds 0, 1, 2...; two others work beside the contributor in each. */
export async function testChain(contributor: Identity, options: TestChainOptions): Promise<TestChain> {
  const organizer = await testIdentity('organizer');
  const validator = await testIdentity('validator');
  const manifestBytes = await signManifest(
    organizer,
    testManifest(organizer.publicKey, [{ key: validator.publicKey, weight: 1 }], { name: 'Test chain' }),
  );
  const opened = await openRun(manifestBytes);
  if (!opened.ok) throw new Error(opened.detail);
  const { run } = opened;
  const certificates: CheckedCertificate[] = [];
  const sealed: Uint8Array[] = [];
  let state: ChainState = genesisState(run);
  for (let round = 0; round < options.rounds; round++) {
    const names = Array.from({ length: options.others ?? 2 }, (_, i) => testHash(`other ${i}`));
    const absent = [...(options.without ?? []), ...(options.refused ?? [])].includes(round);
    const accepted = [...names, ...(absent ? [] : [contributor.publicKey])].map((key, i) => ({
      contributor: key,
      claim: testHash(`${round} ${i}`),
      units: 4096 * (1 + ((round + i) % 3)),
      weight: 256 * (1 + ((round + i) % 3)),
    }));
    const refused: RefusedEntry[] = (options.refused ?? []).includes(round)
      ? [{ contributor: contributor.publicKey, reason: 'norm' }]
      : [];
    const joined = state.head.height === 0 ? [await testJoin(run, state.head, contributor.publicKey)] : [];
    const outcome = {
      round,
      baseRoot: state.head.root,
      accepted,
      refused,
      passedOver: [],
      joined,
      audits: [],
    };
    const body = buildCertificateBody(run, state.head, outcome, testHash(`root ${round}`));
    const message = await certify(body, [validator]);
    const checked = await checkCertificate(message, run, state.head);
    if (!checked.ok) throw new Error(checked.detail);
    state = advance(run, state, checked.certificate);
    certificates.push(checked.certificate);
    sealed.push(await seal(validator, message));
  }
  return {
    run,
    certificates,
    sealed,
    account: (key) => state.ledger.accounts.get(toHex(key)),
  };
}

/** What a certificate after `head` lists of somebody who joins with it. */
export async function testJoin(
  { id: run }: Run,
  { hash: certificate, joinBits }: ChainHead,
  contributor: Uint8Array,
): Promise<JoinedEntry> {
  return { contributor, nonce: await solveJoin({ run, certificate, contributor }, joinBits), age: 0 };
}

/** A run of a manifest that nobody signed, with a made-up id. */
export const testRun = (manifest: Manifest, id: Uint8Array = testHash('run')): Run =>
  runOf(manifest, id, new Uint8Array());

/** An account of a contributor as a ledger would hold it. */
export const testAccount = (contributor: Uint8Array, change: Partial<Account> = {}): Account => ({
  ...newAccount(contributor),
  ...change,
});

/** A ledger as far as a round's book looks at it. */
export const testAccounts = (...accounts: readonly Account[]): Pick<Ledger, 'accounts'> => ({
  accounts: new Map(accounts.map((account) => [toHex(account.contributor), account])),
});
