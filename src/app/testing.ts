/**
 * Test doubles for the session's parts: a swarm in memory, a trainer without a GPU that keeps a real replica, and a
 * validator that certifies with the real book. No timers of their own beyond the schedule's.
 */
import { HostClient } from './host-client.ts';
import { bytesEqual, sha256, toHex } from '../protocol/bytes.ts';
import { buildCertificateBody, certify, genesisHead, hasCertificate } from '../protocol/certificate.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import { open, seal } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { parameterLayout } from '../model/layout.ts';
import { encodeCheckpoint } from '../model/checkpoint.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';
import { type Inspect, inspectorFor } from '../gauntlet/inspect.ts';
import { foldMembers, isMember, JoinBox, type Members } from '../gauntlet/admission.ts';
import { noCertificate, RoundBook } from '../gauntlet/book.ts';
import type { Standings } from '../gauntlet/standings.ts';
import { BlobUnavailableError, type GossipVerdict, type Swarm } from '../swarm/types.ts';
import type { TrainerClient } from '../worker/client.ts';
import type { RoundOutcome, RoundWork } from '../worker/api.ts';

type Handler = (message: Uint8Array, from: string) => GossipVerdict | Promise<GossipVerdict>;

/** Delivers what one member publishes to all others, in order, and lets each fetch what any serves. */
export class MemoryNetwork {
  readonly members = new Map<string, { handler: Handler | null; blobs: Map<string, Uint8Array> }>();
  /** Verdicts of all handlers so far. */
  readonly verdicts: GossipVerdict[] = [];

  join(peerId: string): Swarm {
    const me = { handler: null as Handler | null, blobs: new Map<string, Uint8Array>() };
    this.members.set(peerId, me);
    const zero = { direct: 0, relayed: 0, host: 0 };
    return {
      peerId,
      hostState: 'connected',
      links: () => [],
      traffic: () => ({ bytesIn: zero, bytesOut: zero }),
      publish: async (message) => {
        const others = [...this.members].filter(([id, m]) => id !== peerId && m.handler !== null);
        for (const [, other] of others) this.verdicts.push(await (other.handler as Handler)(message, peerId));
        return others.length;
      },
      onMessage: (handler) => {
        me.handler = handler;
      },
      serve: (hash, bytes) => void me.blobs.set(toHex(hash), bytes),
      forget: (hash) => void me.blobs.delete(toHex(hash)),
      fetch: async (hash) => {
        for (const member of this.members.values()) {
          const bytes = member.blobs.get(toHex(hash));
          if (bytes !== undefined) return new Uint8Array(bytes);
        }
        throw new BlobUnavailableError('nobody serves it');
      },
      on: () => () => {},
      ban: () => {},
      stop: async () => void this.members.delete(peerId),
    };
  }
}

/** Counts one inner step every few milliseconds and moves every parameter a little; the rest is real. */
export class FakeTrainer implements TrainerClient {
  readonly #manifest: Manifest;
  readonly #replica: CpuReplica;
  readonly #nudge: number;
  #steps = 0;
  #stopped = false;
  /** State roots after each apply, oldest first. */
  readonly roots: string[] = [];

  constructor(manifest: Manifest, nudge: number) {
    this.#manifest = manifest;
    this.#nudge = nudge;
    this.#replica = new CpuReplica(parameterLayout(manifest.model), manifest.sparseloco);
  }

  async open(): Promise<never> {
    throw new Error('opened by the test');
  }

  async load(theta: Int32Array): Promise<Uint8Array> {
    await this.#replica.load(theta);
    return this.#replica.root();
  }

  async train(_assignment: unknown, until: number): Promise<void> {
    this.#stopped = false;
    this.#steps = 0;
    while (!this.#stopped && Date.now() < until && this.#steps < this.#manifest.training.maxInnerSteps) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      this.#steps++;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
  }

  async finish(tag: { run: Uint8Array; round: number; contributor: Uint8Array }): Promise<RoundWork | null> {
    if (this.#steps === 0) return null;
    // A noise of its own for every contributor and round: two that looked alike would be taken for copies.
    const own = tag.contributor[0] + 256 * tag.contributor[1] + tag.round;
    const noise = (i: number) => (Math.sin(12.9898 * i + 78.233 * own) * 43_758.5453) % 1;
    const moved = this.#replica.parameters().map((p, i) => p - this.#nudge * noise(i));
    const { bytes } = await this.#replica.compress(moved, tag);
    const { batch, sequence, accumulation } = this.#manifest.training;
    return {
      submission: bytes,
      innerSteps: this.#steps,
      tokens: this.#steps * batch * sequence * accumulation,
      trainLoss: 5,
      compressMs: 0,
      carry: null,
    };
  }

  async apply(submissions: readonly { bytes: Uint8Array; weight: number }[]): Promise<Uint8Array> {
    const root = await this.#replica.apply(submissions);
    this.roots.push(toHex(root));
    return root;
  }

  async settle(outcome: RoundOutcome): Promise<void> {
    if (outcome === 'refused') await this.#replica.restoreError();
    if (outcome === 'reset') await this.#replica.clearError();
  }

  async setGpuShare(): Promise<void> {}
  async setPaused(): Promise<void> {}
  async carry(): Promise<null> {
    return null;
  }

  theta(): Promise<Int32Array> {
    return this.#replica.read();
  }
  async close(): Promise<void> {}
  terminate(): void {}
}

/** A host without HTTP: certificates and one checkpoint from memory. */
export class MemoryHost extends HostClient {
  readonly certificatesSent: Uint8Array[] = [];
  readonly #checkpoint: Uint8Array<ArrayBuffer>;
  readonly #blobs: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

  constructor(
    manifest: Manifest,
    runId: Uint8Array,
    theta: Int32Array<ArrayBuffer>,
    blobs: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  ) {
    super('memory:');
    this.#checkpoint = encodeCheckpoint(
      {
        runId,
        height: 0,
        root: manifest.genesis.root,
        theta,
        fractionBits: manifest.sparseloco.fractionBits,
      },
      manifest.model,
    );
    this.#blobs = blobs;
  }

  override async head(): ReturnType<HostClient['head']> {
    const hash = toHex(await sha256(this.#checkpoint));
    return {
      height: 0,
      validator: 'host',
      certificate: null,
      checkpoint: { hash, size: this.#checkpoint.byteLength, height: 0 },
    };
  }

  override async certificates(from: number): Promise<Uint8Array[]> {
    return this.certificatesSent.slice(from - 1);
  }

  override async blob(hash: string): Promise<Uint8Array<ArrayBuffer>> {
    if (hash === toHex(await sha256(this.#checkpoint))) return this.#checkpoint;
    const bytes = this.#blobs.get(hash);
    if (bytes === undefined) throw new Error(`no blob ${hash}`);
    return bytes;
  }
}

/** Certifies each round with the real book; no loss gate. Stops when `signal` aborts. `standings`: known beforehand. */
export async function runValidator(
  manifest: Manifest,
  runId: Uint8Array,
  identity: Identity,
  theta: Int32Array<ArrayBuffer>,
  swarm: Swarm,
  host: MemoryHost,
  signal: AbortSignal,
  standings: Standings = new Map(),
): Promise<{ rounds: number; empty: number }> {
  const replica = new CpuReplica(parameterLayout(manifest.model), manifest.sparseloco);
  await replica.load(theta);
  let head = genesisHead(manifest, runId);
  let members: Members = new Map();
  const joins = new JoinBox(runId);
  const { inspect, maxBytes }: { inspect: Inspect; maxBytes: number } = inspectorFor(manifest);
  const { schedule } = manifest;
  let book: RoundBook | null = null;
  swarm.onMessage(async (bytes) => {
    const opened = await open(bytes);
    if (!opened.ok || book === null) return 'ignore';
    const { message, sender } = opened;
    if (message.kind === 'join') joins.take(sender, message, head);
    if (message.kind === 'commit') book.commit(sender, message, Date.now());
    if (message.kind === 'reveal') book.reveal(sender, message, Date.now());
    return 'accept';
  });
  const at = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, ms - Date.now()));
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  const seen = { rounds: 0, empty: 0 };
  for (let round = 0; !signal.aborted; round++) {
    const start = schedule.startMs + round * schedule.roundMs;
    const base = head;
    book = new RoundBook({
      manifest,
      runId,
      round,
      baseRoot: () => base.root,
      inspect,
      maxBytes,
      evaluate: null,
      standings,
      isMember: (contributor) => isMember(members, contributor, round, manifest.admission),
    });
    await at(start + schedule.revealMs);
    if (signal.aborted) break;
    for (const { contributor, submission } of book.toFetch(Date.now())) {
      await book.bytes(contributor, await swarm.fetch(submission.hash, { size: submission.size }));
    }
    const verdict = await book.judge({ joined: joins.joined(head), audits: [] });
    seen.rounds++;
    if (!hasCertificate(verdict)) {
      seen.empty++;
      await swarm.publish(await seal(identity, noCertificate(verdict)));
    } else {
      const submissions = verdict.accepted.map((a) => ({
        bytes: book?.bytesOf(a.contributor) as Uint8Array,
        weight: a.weight,
      }));
      const root = await replica.apply(submissions);
      const body = buildCertificateBody({
        manifest,
        head,
        verdict,
        root,
        heldOutLoss: 6 - 0.1 * round,
        time: Date.now(),
      });
      members = foldMembers(members, body, manifest.admission);
      const message = await certify(body, [identity]);
      head = {
        height: body.height,
        hash: await sha256(encodeCanonical(body)),
        root,
        round,
        issued: head.issued + body.credits.reduce((n, c) => n + c.amount, 0),
        joinBits: body.joinBits,
      };
      if (!bytesEqual(message.body, encodeCanonical(body))) throw new Error('a body has one encoding');
      const bytes = await seal(identity, message);
      host.certificatesSent.push(bytes);
      await swarm.publish(bytes);
    }
    await at(start + schedule.roundMs);
  }
  return seen;
}
