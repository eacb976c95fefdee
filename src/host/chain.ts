/**
 * The certified chain on the host: head, integer state, ledger, and the store that keeps them.
 *
 * Nothing is visible here before it is durable: {@link Chain.append} and {@link Chain.extend} write first and move the
 * head last.
 */
import { decodeCheckpoint, encodeCheckpoint, GENESIS_RUN_ID } from '../model/checkpoint.ts';
import { foldMembers, type Members } from '../gauntlet/admission.ts';
import { parameterLayout } from '../model/layout.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import {
  checkAnchor,
  type ChainHead,
  type CheckedCertificate,
  checkCertificate,
  genesisHead,
} from '../protocol/certificate.ts';
import { open } from '../protocol/envelope.ts';
import { applyToLedger, emptyLedger, type Ledger } from '../protocol/ledger.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { CertificateBody } from '../protocol/messages.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';
import {
  type AppendOptions,
  applyCertified,
  bytesPerParameter,
  certifyVerdict,
  type SeatChain,
} from '../validator/certify.ts';
import { type CertifiedRound, type Store, type StoredCertificate, StoreError } from './store.ts';

/** One link as the rest of the host reads it. */
export interface ChainLink {
  readonly body: CertificateBody;
  readonly stored: StoredCertificate;
}

/** Certificates read at a time while a chain is replayed. */
const PAGE = 256;

export class Chain implements SeatChain {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  readonly store: Store;
  #head: ChainHead;
  #last: ChainLink | null = null;
  #ledger: Ledger = emptyLedger();
  #members: Members = new Map();
  #checkpoint: BlobRef & { readonly height: number };
  #replica: CpuReplica;

  private constructor(manifest: Manifest, runId: Uint8Array, store: Store) {
    this.manifest = manifest;
    this.runId = runId;
    this.store = store;
    this.#head = genesisHead(manifest, runId);
    this.#checkpoint = { ...manifest.genesis.checkpoint, height: 0 };
    this.#replica = new CpuReplica(parameterLayout(manifest.model), manifest.sparseloco);
  }

  /**
   * Reads the chain back and rebuilds ledger and state: from the newest checkpoint that is whole, then by applying the
   * submissions certified since. Throws {@link StoreError} when the folder does not hold this run's unbroken chain.
   */
  static async open(manifest: Manifest, runId: Uint8Array, store: Store): Promise<Chain> {
    const chain = new Chain(manifest, runId, store);
    const links = await chain.#readLinks();
    await chain.#rebuildState(links);
    return chain;
  }

  get head(): ChainHead {
    return this.#head;
  }

  /** The newest link; null at genesis. */
  get last(): ChainLink | null {
    return this.#last;
  }

  get lastMessage(): Uint8Array | null {
    return this.#last?.stored.message ?? null;
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** Who is admitted, and the round of each one's last entry. */
  get members(): Members {
    return this.#members;
  }

  /** The newest checkpoint and the height of its state. */
  get checkpoint(): BlobRef & { readonly height: number } {
    return this.#checkpoint;
  }

  /** A copy of the certified state θ. */
  theta(): Promise<Int32Array> {
    return this.#replica.read();
  }

  /** {@link SeatChain.append}: what a validator on this host does with its verdict. */
  async append(options: AppendOptions): Promise<{ message: Uint8Array; body: CertificateBody }> {
    const { message, certificate, replica } = await certifyVerdict(this, this.#replica, options);
    await this.#keep(message, certificate, replica, options.submissions);
    return { message, body: certificate.body };
  }

  /**
   * Follows a certificate that somebody else signed and that was checked against the head; `message` is the one it came
   * in. Durable when it resolves. Throws CertifiedRootError when the submissions do not give its root; then, as after
   * any failure, head, state and ledger are what they were.
   */
  async extend(
    message: Uint8Array,
    certificate: CheckedCertificate,
    submissions: readonly Uint8Array[],
  ): Promise<void> {
    if (!bytesEqual(certificate.body.previous, this.#head.hash))
      throw new RangeError('this certificate does not follow the head');
    const replica = await applyCertified(this.#replica, certificate.body, submissions);
    await this.#keep(message, certificate, replica, submissions);
  }

  async #keep(
    message: Uint8Array,
    { body, head }: CheckedCertificate,
    replica: CpuReplica,
    bytes: readonly Uint8Array[],
  ): Promise<void> {
    const { manifest, store, runId } = this;
    const theta = (await replica.read()) as Int32Array<ArrayBuffer>; // never shared memory
    const submissions = await Promise.all(bytes.map((one) => store.writeBlob(one)));
    const { root, height } = body;
    const checkpoint = await store.writeBlob(
      encodeCheckpoint(
        { runId, height, root, fractionBits: manifest.sparseloco.fractionBits, theta },
        manifest.model,
      ),
    );
    const stored: CertifiedRound = {
      height,
      round: body.round,
      message,
      checkpoint,
      bytesPerParameter: bytesPerParameter(submissions, replica.layout.elements),
      refused: body.refused,
      submissions,
    };
    store.saveRound(stored);
    this.#replica = replica;
    this.#checkpoint = { ...checkpoint, height };
    this.#advance(head, { body, stored });
  }

  #advance(head: ChainHead, link: ChainLink): void {
    this.#head = head;
    this.#ledger = applyToLedger(this.#ledger, link.body, this.manifest.credits);
    this.#members = foldMembers(this.#members, link.body, this.manifest.admission);
    this.#last = link;
  }

  /** A certificate's submissions as they are on disk; damaged or pruned ones are left out. */
  async submissionsOf(stored: StoredCertificate): Promise<[hash: Uint8Array, bytes: Uint8Array][]> {
    const opened = await open(stored.message);
    if (!opened.ok || opened.message.kind !== 'certificate') return [];
    const checked = await checkAnchor(opened.message, this.manifest, this.runId);
    const found: [Uint8Array, Uint8Array][] = [];
    for (const { submission } of checked.ok ? checked.certificate.body.accepted : []) {
      const bytes = await this.store.readBlob(submission);
      if (bytes !== null) found.push([submission.hash, bytes]);
    }
    return found;
  }

  async #readLinks(): Promise<ChainLink[]> {
    const links: ChainLink[] = [];
    for (;;) {
      const page = this.store.certificates(this.#head.height + 1, PAGE);
      for (const stored of page) {
        const opened = await open(stored.message);
        if (!opened.ok || opened.message.kind !== 'certificate')
          throw broken(this.store, `certificate ${stored.height} cannot be read`);
        const checked = await checkCertificate(opened.message, this.manifest, this.runId, this.#head);
        if (!checked.ok)
          throw broken(
            this.store,
            `certificate ${stored.height} does not fit (${checked.reason}: ${checked.detail})`,
          );
        const { body, head } = checked.certificate;
        this.#advance(head, { body, stored });
        links.push({ body, stored });
      }
      if (page.length < PAGE) return links;
    }
  }

  async #rebuildState(links: readonly ChainLink[]): Promise<void> {
    const { manifest, store } = this;
    const reasons: string[] = [];
    for (let height = links.length; height >= 0; height--) {
      const link = links[height - 1];
      const ref = link?.stored.checkpoint ?? manifest.genesis.checkpoint;
      if (store.blob(ref.hash) === null) continue; // pruned
      const root = link?.body.root ?? manifest.genesis.root;
      try {
        await this.#loadCheckpoint(ref, height, root);
        for (const later of links.slice(height)) await this.#replay(later);
      } catch (error) {
        reasons.push(`height ${height}: ${(error as Error).message}`);
        continue;
      }
      this.#checkpoint = { ...ref, height };
      if (height < links.length) await this.#rewriteCheckpoint();
      return;
    }
    throw broken(store, `no checkpoint leads to the certified state (${reasons.slice(0, 3).join('; ')})`);
  }

  async #loadCheckpoint(ref: BlobRef, height: number, root: Uint8Array): Promise<void> {
    const bytes = await this.store.readBlob(ref);
    if (bytes === null) throw new Error(`checkpoint ${toHex(ref.hash).slice(0, 12)} is missing or damaged`);
    const checkpoint = decodeCheckpoint(bytes, this.manifest.model);
    const run = height === 0 ? GENESIS_RUN_ID : this.runId;
    if (checkpoint.height !== height || !bytesEqual(checkpoint.runId, run))
      throw new Error('the checkpoint is of another run or height');
    await this.#replica.load(checkpoint.theta);
    if (!bytesEqual(await this.#replica.root(), root)) throw new Error('the state root differs');
  }

  async #replay(link: ChainLink): Promise<void> {
    const submissions = await Promise.all(
      link.body.accepted.map(async ({ submission, weight }) => {
        const bytes = await this.store.readBlob(submission);
        if (bytes === null)
          throw new Error(`submission ${toHex(submission.hash).slice(0, 12)} is missing or damaged`);
        return { bytes, weight };
      }),
    );
    if (!bytesEqual(await this.#replica.apply(submissions), link.body.root))
      throw new Error(`replaying height ${link.body.height} gives another root`);
  }

  /** The newest checkpoint was damaged: the rebuilt state gives the same file again. */
  async #rewriteCheckpoint(): Promise<void> {
    const last = this.#last as ChainLink;
    const theta = (await this.#replica.read()) as Int32Array<ArrayBuffer>; // never shared memory
    const { fractionBits } = this.manifest.sparseloco;
    const { root, height } = last.body;
    await this.store.repairBlob(
      last.stored.checkpoint,
      encodeCheckpoint({ runId: this.runId, height, root, fractionBits, theta }, this.manifest.model),
    );
    this.#checkpoint = { ...last.stored.checkpoint, height };
  }
}

function broken(store: Store, detail: string): StoreError {
  return new StoreError(
    `The run in "${store.dir}" is damaged: ${detail}. Restore the folder from a backup, or start a new run in another folder with --data.`,
  );
}
