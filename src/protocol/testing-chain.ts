/** A small run that exists only in tests and in the gallery: a manifest, a chain with a contributor's work in it. */
import {
  buildCertificateBody,
  certify,
  checkCertificate,
  type CheckedCertificate,
  genesisHead,
} from './certificate.ts';
import { openManifest, seal, signManifest } from './envelope.ts';
import type { Identity } from './identity.ts';
import { emptyLedger, foldLedger, type Account } from './ledger.ts';
import type { Manifest } from './manifest.ts';
import type { RefusedEntry } from './messages.ts';
import { toHex } from './bytes.ts';
import { testHash, testIdentity, testManifest } from './testing.ts';

export interface TestChain {
  readonly manifest: Manifest;
  /** Signed. */
  readonly manifestBytes: Uint8Array;
  readonly runId: Uint8Array;
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
  const opened = await openManifest(manifestBytes);
  if (!opened.ok) throw new Error(opened.detail);
  const { manifest, runId } = opened;
  const certificates: CheckedCertificate[] = [];
  const sealed: Uint8Array[] = [];
  let head = genesisHead(manifest, runId);
  for (let round = 0; round < options.rounds; round++) {
    const names = Array.from({ length: options.others ?? 2 }, (_, i) => testHash(`other ${i}`));
    const absent = [...(options.without ?? []), ...(options.refused ?? [])].includes(round);
    const accepted = [...names, ...(absent ? [] : [contributor.publicKey])].map((key, i) => ({
      contributor: key,
      submission: { hash: testHash(`${round} ${i}`), size: 20_000 + round },
      tokens: 4096 * (1 + ((round + i) % 3)),
      innerSteps: 8 + (round % 5),
      weight: 256 * (1 + ((round + i) % 3)),
    }));
    const refused: RefusedEntry[] = (options.refused ?? []).includes(round)
      ? [{ contributor: contributor.publicKey, reason: 'norm', detail: 'norm 41.2, median 0.9, limit 10x' }]
      : [];
    const body = buildCertificateBody({
      manifest,
      head,
      verdict: {
        kind: 'verdict',
        run: runId,
        round,
        baseRoot: head.root,
        accepted,
        refused,
        scores: [],
        joined: [],
        audits: [],
      },
      root: testHash(`root ${round}`),
      heldOutLoss: 3.9 + 3.7 / (1 + round / 14),
      time: manifest.schedule.startMs + (round + 1) * manifest.schedule.roundMs,
    });
    const message = await certify(body, [validator]);
    const checked = await checkCertificate(message, manifest, runId, head);
    if (!checked.ok) throw new Error(checked.detail);
    ({ head } = checked.certificate);
    certificates.push(checked.certificate);
    sealed.push(await seal(validator, message));
  }
  const ledger = foldLedger(
    certificates.map(({ body }) => body),
    manifest.credits,
    emptyLedger(),
  );
  return {
    manifest,
    manifestBytes,
    runId,
    certificates,
    sealed,
    account: (key) => ledger.accounts.get(toHex(key)),
  };
}
