/**
 * The certified chain on the host: head, integer state, ledger, and the store that keeps them.
 *
 * Nothing is visible here before it is durable: {@link Chain.append} writes first and moves the head last.
 */
import { decodeCheckpoint, encodeCheckpoint, GENESIS_RUN_ID } from '../model/checkpoint.ts';
import { foldMembers, type Members } from '../gauntlet/admission.ts';
import { parameterLayout } from '../model/layout.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import {
  buildCertificateBody,
  certify,
  checkAnchor,
  type ChainHead,
  checkCertificate,
  genesisHead,
} from '../protocol/certificate.ts';
import { open, seal } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import { applyToLedger, emptyLedger, type Ledger } from '../protocol/ledger.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { CertificateBody, MessageOf } from '../protocol/messages.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';
import { type CertifiedRound, type Store, type StoredCertificate, StoreError } from './store.ts';

/** One link as the rest of the host reads it. */
export interface ChainLink {
  readonly body: CertificateBody;
  readonly stored: StoredCertificate;
}

export interface AppendOptions {
  readonly verdict: MessageOf<'verdict'>;
  /** Wire bytes of each accepted submission, in the verdict's order. */
  readonly submissions: readonly Uint8Array[];
  readonly validator: Identity;
  readonly heldOutLoss: number;
  /** Swarm time, epoch ms. */
  readonly time: number;
}

/** Certificates read at a time while a chain is replayed. */
const PAGE = 256;

export class Chain {
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

  /**
   * Applies a verdict's accepted work, signs the certificate, makes it durable and moves the head. Returns the sealed
   * message to publish. When anything throws, head, state and ledger are what they were.
   */
  async append(options: AppendOptions): Promise<{ message: Uint8Array; link: ChainLink }> {
    const { manifest, store, runId } = this;
    const { verdict, validator } = options;
    const replica = new CpuReplica(this.#replica.layout, this.#replica.settings);
    await replica.load(await this.#replica.read());
    const root = await replica.apply(
      verdict.accepted.map((entry, i) => ({
        bytes: options.submissions[i],
        weight: entry.weight,
      })),
    );
    const body = buildCertificateBody({
      manifest,
      head: this.#head,
      verdict,
      root,
      heldOutLoss: options.heldOutLoss,
      time: options.time,
    });
    const certificate = await certify(body, [validator]);
    const checked = await checkCertificate(certificate, manifest, runId, this.#head);
    if (!checked.ok)
      throw new Error(`our own certificate is not good (${checked.reason}): ${checked.detail}`);
    const message = await seal(validator, certificate);

    const theta = (await replica.read()) as Int32Array<ArrayBuffer>; // never shared memory
    const submissions = await Promise.all(options.submissions.map((bytes) => store.writeBlob(bytes)));
    const checkpoint = await store.writeBlob(
      encodeCheckpoint(
        { runId, height: body.height, root, fractionBits: manifest.sparseloco.fractionBits, theta },
        manifest.model,
      ),
    );
    const elements = replica.layout.elements;
    const total = options.submissions.reduce((sum, bytes) => sum + bytes.byteLength, 0);
    const stored: CertifiedRound = {
      height: body.height,
      round: body.round,
      message,
      checkpoint,
      bytesPerParameter: total / Math.max(1, options.submissions.length) / elements,
      refused: body.refused,
      submissions,
    };
    store.saveRound(stored);

    this.#replica = replica;
    this.#checkpoint = { ...checkpoint, height: body.height };
    const link = { body, stored };
    this.#advance(checked.certificate.head, link);
    return { message, link };
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
