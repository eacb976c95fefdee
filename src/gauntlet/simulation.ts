/**
 * A swarm on a virtual clock: the real envelopes, book, verdicts, certificates and ledger, on any {@link Trainer}.
 *
 * With made-up training ({@link fakeTrainer}) thousands of peers take seconds, so that properties of the protocol can
 * be tested without a GPU or a network; attack/ plays the same swarm with the real engine. What is not real here: the
 * network delivers instantly what a peer sends, unless `route` says otherwise, and all peers share one honest view of
 * the chain.
 */
import { bytesEqual, concatBytes, sha256Sync, toHex } from '../protocol/bytes.ts';
import type { Carry, CarryRoots } from '../protocol/carry.ts';
import {
  buildCertificateBody,
  certify,
  type ChainHead,
  checkCertificate,
  genesisHead,
  hasCertificate,
} from '../protocol/certificate.ts';
import { deadlines, roundStart } from '../protocol/clock.ts';
import { open, seal } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import { solveJoin } from '../protocol/join.ts';
import { applyToLedger, emptyLedger, type Ledger } from '../protocol/ledger.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { AuditEntry, CertificateBody, Message, MessageOf } from '../protocol/messages.ts';
import { sealOf } from '../protocol/seal.ts';
import { foldMembers, isMember, JoinBox, type Members } from './admission.ts';
import { drawAudits, placeOf } from './audit.ts';
import { type Evaluate, type Receipt, RoundBook } from './book.ts';
import { CarryBook } from './carries.ts';
import type { Inspect, Inspected } from './inspect.ts';
import { type Standings, updateStandings } from './standings.ts';

/** What one contributor hands in for a round. */
export interface Work {
  readonly bytes: Uint8Array;
  readonly tokens: number;
  readonly innerSteps: number;
  /** Commitment to what is carried; in runs with audits. */
  readonly carry?: CarryRoots;
}

/** The model: how bytes come about, how they are judged, and what state they lead to. */
export interface Trainer {
  readonly maxBytes: number;
  train(contributor: Uint8Array, round: number, head: ChainHead): Work | Promise<Work>;
  readonly inspect: Inspect;
  /** How losses are measured in a round that starts from `head`. */
  readonly evaluate: ((round: number, head: ChainHead) => Evaluate) | null;
  /** State root after applying these submissions to the state of `root`. */
  apply(
    root: Uint8Array,
    submissions: readonly { bytes: Uint8Array; weight: number }[],
  ): Uint8Array | Promise<Uint8Array>;
}

/** Message bytes on their way, with the swarm time at which they reach the validator. */
export interface Delivery {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Bytes somebody serves: true ones under their own hash, or a liar's under any. */
export type Served = Uint8Array | { readonly hash: Uint8Array; readonly bytes: Uint8Array };

/** What a peer does in a round. */
export interface Act {
  readonly say: readonly Delivery[];
  readonly serve: readonly Served[];
}

/** What an audited peer shows: its carry before the round (null: zeros), and after it as if it was accepted. */
export interface AuditAnswer {
  readonly before: Carry | null;
  readonly after: Carry;
}

/** An answer with everything it is compared with. */
export interface AuditCase {
  readonly work: Applied;
  readonly round: number;
  /** From which the round started. */
  readonly head: ChainHead;
  /** As committed. */
  readonly roots: CarryRoots;
  readonly answer: AuditAnswer;
}

export interface Auditor {
  /** Root of a newcomer's carry. */
  readonly zeroRoot: Uint8Array;
  judge(audit: AuditCase): Promise<Pick<AuditEntry, 'outcome' | 'detail'>>;
}

export interface RoundView {
  readonly round: number;
  readonly head: ChainHead;
  readonly runId: Uint8Array;
  readonly manifest: Manifest;
  readonly trainer: Trainer;
  /** When the round began, and when it commits and reveals until. */
  readonly startsAt: number;
  readonly commitUntil: number;
  readonly revealUntil: number;
  /** Whether a contributor may commit in this round; everybody may in runs without admission. */
  readonly isMember: (contributor: Uint8Array) => boolean;
  /** Everything that was said in earlier rounds, as a dishonest peer could have kept it. */
  readonly heard: readonly Uint8Array[];
}

/** A peer: what it says and serves in a round, and how it takes the outcome. */
export interface Peer {
  readonly identity: Identity;
  act(view: RoundView): Promise<Act>;
  settle?(result: RoundResult): void;
  /** What it shows when it is audited for a round; null or absent: nothing. */
  answer?(round: number): Promise<AuditAnswer | null>;
}

/** A contributor that follows the protocol. */
export function honestPeer(identity: Identity): Peer {
  return {
    identity,
    async act(view) {
      if (!view.isMember(identity.publicKey)) return joining(identity, view);
      const work = await view.trainer.train(identity.publicKey, view.round, view.head);
      const { commit, reveal } = await announce(identity, view, work);
      return {
        say: [
          { at: view.commitUntil - 1000, bytes: commit },
          { at: view.commitUntil + 100, bytes: reveal },
        ],
        serve: [work.bytes],
      };
    },
  };
}

/** Asks to be admitted, with the work that this takes. */
export async function joining(identity: Identity, view: RoundView): Promise<Act> {
  const { runId: run, head } = view;
  const challenge = { run, certificate: head.hash, contributor: identity.publicKey };
  const nonce = await solveJoin(challenge, head.joinBits);
  const join: Message = { kind: 'join', run, certificate: head.hash, nonce };
  return { say: [{ at: view.startsAt, bytes: await seal(identity, join) }], serve: [] };
}

/** The sealed commit and reveal of a piece of work. */
export async function announce(identity: Identity, view: RoundView, work: Work) {
  const { runId: run, round, head } = view;
  const submission = { hash: sha256Sync(work.bytes), size: work.bytes.byteLength };
  const commit: MessageOf<'commit'> = {
    kind: 'commit',
    run,
    round,
    seal: sealOf(run, round, identity.publicKey, submission.hash),
    size: submission.size,
    tokens: work.tokens,
    innerSteps: work.innerSteps,
    baseRoot: head.root,
    trainLoss: 4,
    ...(work.carry === undefined ? {} : { carry: work.carry }),
  };
  const reveal: Message = { kind: 'reveal', run, round, submission, peer: 'simulated' };
  return { commit: await seal(identity, commit), reveal: await seal(identity, reveal) };
}

/** A submission that a certificate applied. */
export interface Applied extends Work {
  readonly contributor: Uint8Array;
}

export interface RoundResult {
  readonly round: number;
  readonly verdict: MessageOf<'verdict'>;
  /** Null when nothing was accepted. */
  readonly certificate: MessageOf<'certificate'> | null;
  /** What the certificate applied; everybody can fetch it. */
  readonly applied: readonly Applied[];
  /** Receipts other than fine, in the order of delivery. */
  readonly problems: readonly (Receipt & { ok: false })[];
  /** Envelopes that did not open. */
  readonly unopened: number;
}

export interface SimulationOptions {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  /** Validators that sign; one of them keeps the book. */
  readonly validators: readonly Identity[];
  readonly trainer: Trainer;
  /** What becomes of a message on its way to the validator: dropped, delayed, multiplied. Default: it arrives. */
  readonly route?: (from: Uint8Array, delivery: Delivery) => readonly Delivery[];
  /** Whether one has to join first. Default: everybody may take part at once. */
  readonly admission?: boolean;
  /** Replays what contributors claim; absent: nobody is audited. */
  readonly auditor?: Auditor;
  /**
   * Seed of a round's lots. Default: the hash of all seals, as in life; then one more commit redraws them all, and two
   * runs that differ in it cannot be compared peer by peer.
   */
  readonly lots?: (round: number) => Uint8Array;
}

/** One run. `head`, `ledger` and `chain` are what every honest peer holds after the last round. */
export class Simulation {
  readonly #o: SimulationOptions;
  readonly #heard: Uint8Array[] = [];
  /** What the last certificate applied. */
  #previous: readonly Inspected[] = [];
  readonly chain: MessageOf<'certificate'>[] = [];
  readonly bodies: CertificateBody[] = [];
  head: ChainHead;
  ledger: Ledger = emptyLedger();
  standings: Standings = new Map();
  #members: Members = new Map();
  readonly #joins: JoinBox;
  readonly #carries: CarryBook | null;
  /** Audits that ended since the last certificate. */
  #audited: AuditEntry[] = [];

  constructor(options: SimulationOptions) {
    this.#o = options;
    this.#joins = new JoinBox(options.runId);
    this.#carries = options.auditor === undefined ? null : new CarryBook(options.auditor.zeroRoot);
    this.head = genesisHead(options.manifest, options.runId);
  }

  /** Plays one round with these peers. Throws Error when our own certificate does not pass the check. */
  async playRound(round: number, peers: readonly Peer[]): Promise<RoundResult> {
    const { manifest, runId, trainer } = this.#o;
    const ends = deadlines(manifest.schedule, round);
    const { head } = this;
    const members = this.#members;
    const isAdmitted = (contributor: Uint8Array) =>
      this.#o.admission !== true || isMember(members, contributor, round, manifest.admission);
    const view: RoundView = {
      round,
      head: this.head,
      runId,
      manifest,
      trainer,
      startsAt: roundStart(manifest.schedule, round),
      commitUntil: ends.commit,
      revealUntil: ends.reveal,
      isMember: isAdmitted,
      heard: [...this.#heard],
    };
    const acts = await Promise.all(peers.map((peer) => peer.act(view)));
    const blobs = sourcesOf(acts.flatMap(({ serve }) => serve));

    const book = new RoundBook({
      manifest,
      runId,
      round,
      baseRoot: () => this.head.root,
      inspect: trainer.inspect,
      maxBytes: trainer.maxBytes,
      evaluate: trainer.evaluate?.(round, this.head) ?? null,
      standings: this.standings,
      previous: this.#previous,
      isMember: isAdmitted,
      ...(this.#carries === null ? {} : { carries: this.#carries }),
      audited: (manifest.gauntlet.auditsPerRound ?? 0) > 0,
      ...(this.#o.lots === undefined ? {} : { lots: this.#o.lots(round) }),
    });
    const deliveries = acts
      .flatMap(({ say }, i) => say.flatMap((delivery) => this.#route(peers[i], delivery)))
      .sort((a, b) => a.at - b.at);
    const problems: (Receipt & { ok: false })[] = [];
    const note = (receipt: Receipt) => {
      if (!receipt.ok) problems.push(receipt);
    };
    let unopened = 0;
    for (const { at, bytes } of deliveries) {
      const opened = await open(bytes);
      if (!opened.ok) unopened++;
      else if (opened.message.kind === 'join') this.#joins.take(opened.sender, opened.message, head);
      else if (opened.message.kind === 'commit') {
        const receipt = book.commit(opened.sender, opened.message, at);
        note(receipt);
        if (receipt.ok) this.#carries?.note(opened.sender, opened.message);
      } else if (opened.message.kind === 'reveal') note(book.reveal(opened.sender, opened.message, at));
    }
    this.#heard.push(...deliveries.map((delivery) => delivery.bytes));
    for (
      let requests = book.toFetch(ends.reveal);
      requests.length > 0;
      requests = book.toFetch(ends.reveal)
    ) {
      for (const { contributor, submission } of requests) {
        let refused = false;
        let served = false;
        for (const bytes of blobs.get(keyOf(submission.hash)) ?? []) {
          const receipt = await book.bytes(contributor, bytes);
          note(receipt);
          served = receipt.ok;
          // Wrong bytes are their server's fault: the next source is asked.
          refused = !receipt.ok && receipt.reason !== 'hash-mismatch';
          if (served || refused) break;
        }
        if (!served && !refused) book.notServed(contributor, 'nobody serves these bytes');
      }
    }
    const joined = this.#o.admission === true ? this.#joins.joined(head) : [];
    const verdict = await book.judge({ joined, audits: this.#audited });
    const certificate = hasCertificate(verdict) ? await this.#certify(verdict, book, ends.judge) : null;
    if (certificate !== null) {
      this.#audited = [];
      this.#previous = book.applied();
    }
    this.#carries?.settle(verdict, (key) => this.#o.admission !== true || this.#members.has(key));
    this.standings = updateStandings(this.standings, verdict);
    const applied = verdict.accepted.map(({ contributor, tokens, innerSteps }) => ({
      contributor,
      tokens,
      innerSteps,
      bytes: book.bytesOf(contributor) as Uint8Array,
    }));
    const result = { round, verdict, certificate, applied, problems, unopened };
    for (const peer of peers) peer.settle?.(result);
    await this.#audit(book, peers, head);
    return result;
  }

  /** Asks some of those whose work can be audited for what they carried, and replays their round. */
  async #audit(book: RoundBook, peers: readonly Peer[], head: ChainHead) {
    const { auditor, manifest } = this.#o;
    const count = manifest.gauntlet.auditsPerRound ?? 0;
    if (auditor === undefined || count === 0) return;
    const place = (contributor: Uint8Array) => placeOf(this.ledger.accounts.get(toHex(contributor)));
    for (const contributor of drawAudits(book.auditable(), book.lotSeed, place, count)) {
      const commit = book.commitOf(contributor);
      const bytes = book.bytesOf(contributor);
      if (commit === null || bytes === null) continue;
      const work = { contributor, bytes, tokens: commit.tokens, innerSteps: commit.innerSteps };
      const peer = peers.find(({ identity }) => bytesEqual(identity.publicKey, contributor));
      const answer = (await peer?.answer?.(book.round)) ?? null;
      const roots = commit.carry;
      const judged: Pick<AuditEntry, 'outcome' | 'detail'> =
        answer === null || roots === undefined
          ? { outcome: 'failed', detail: 'no answer' }
          : await auditor.judge({ work, round: book.round, head, roots, answer });
      // A contributor has one entry in a certificate; the latest counts.
      this.#audited = this.#audited.filter((entry) => !bytesEqual(entry.contributor, contributor));
      this.#audited.push({ contributor, round: book.round, ...judged });
    }
  }

  #route(peer: Peer, delivery: Delivery): readonly Delivery[] {
    return this.#o.route?.(peer.identity.publicKey, delivery) ?? [delivery];
  }

  async #certify(verdict: MessageOf<'verdict'>, book: RoundBook, time: number) {
    const { manifest, runId, trainer, validators } = this.#o;
    const submissions = verdict.accepted.map(({ contributor, weight }) => ({
      bytes: book.bytesOf(contributor) as Uint8Array,
      weight,
    }));
    const root = await trainer.apply(this.head.root, submissions);
    const parts = { manifest, head: this.head, verdict, root, heldOutLoss: 5, time };
    const certificate = await certify(buildCertificateBody(parts), validators);
    const checked = await checkCertificate(certificate, manifest, runId, this.head);
    if (!checked.ok) throw new Error(`our own certificate is bad: ${checked.reason}: ${checked.detail}`);
    this.head = checked.certificate.head;
    this.#members = foldMembers(this.#members, checked.certificate.body, manifest.admission);
    this.ledger = applyToLedger(this.ledger, checked.certificate.body, manifest.credits);
    this.chain.push(certificate);
    this.bodies.push(checked.certificate.body);
    return certificate;
  }
}

const keyOf = (hash: Uint8Array): string => String.fromCharCode(...hash);

/** Everything that is served, by the hash it is served under; of the same hash, liars come first. */
function sourcesOf(served: readonly Served[]): Map<string, Uint8Array[]> {
  const sources = new Map<string, Uint8Array[]>();
  for (const entry of served) {
    const lie = !(entry instanceof Uint8Array);
    const bytes = lie ? entry.bytes : entry;
    const key = keyOf(lie ? entry.hash : sha256Sync(bytes));
    const known = sources.get(key) ?? [];
    if (lie) known.unshift(bytes);
    else known.push(bytes);
    sources.set(key, known);
  }
  return sources;
}

/**
 * A trainer whose bytes are `norm, quality` and a support drawn from them: enough for every check. Bytes: a run-bound
 * 32-byte tag, then norm and quality as f32, then the positions as u32, little-endian.
 */
export function fakeTrainer(change: Partial<Trainer> = {}): Trainer {
  return {
    maxBytes: 4096,
    train(contributor, round, head) {
      const tokens = 512 * (1 + (contributor[0] % 30));
      return { bytes: fakeSubmission(contributor, round, head.root), tokens, innerSteps: tokens / 512 };
    },
    inspect(bytes, { contributor, round }) {
      const tag = fakeTag(contributor, round);
      if (bytes.byteLength < 40 || bytes.byteLength % 4 !== 0 || !bytesEqual(bytes.subarray(0, 32), tag)) {
        return {
          ok: false,
          refusal: { reason: 'malformed', detail: 'not made by this contributor for this round' },
        };
      }
      const { norm, positions } = fakeContent(bytes);
      if (!Number.isFinite(norm)) {
        return { ok: false, refusal: { reason: 'not-finite', detail: 'the norm is no number' } };
      }
      // All of one sign: made-up steps never disagree.
      return { ok: true, inspected: { norm, positions, negative: new Uint8Array(positions.length) } };
    },
    evaluate:
      () =>
      async ({ bytes }) => {
        const { quality } = fakeContent(bytes);
        const before = [5, 4.5, 5.5, 5.2];
        return {
          assigned: { before, after: before.map((loss, i) => loss - 1.5 * quality - 0.001 * i) },
          unassigned: { before, after: before.map((loss, i) => loss - quality - 0.001 * i) },
        };
      },
    apply: (root, submissions) =>
      sha256Sync(
        concatBytes(
          root,
          ...submissions.map(({ bytes, weight }) => concatBytes(sha256Sync(bytes), u32(weight))),
        ),
      ),
    ...change,
  };
}

const fakeTag = (contributor: Uint8Array, round: number): Uint8Array =>
  sha256Sync(concatBytes(contributor, u32(round)));

/** Bytes that {@link fakeTrainer} accepts from `contributor`, with a support that only `source` decides. */
export function fakeSubmission(
  contributor: Uint8Array,
  round: number,
  source: Uint8Array,
  { norm = 1, quality = 0.1, support = contributor } = {},
): Uint8Array {
  const positions = new Set<number>();
  for (let block = 0; positions.size < 16; block++) {
    const noise = sha256Sync(concatBytes(source, support, u32(round), u32(block)));
    for (let i = 0; i < 16; i++) positions.add(noise[2 * i] * 16 + (noise[2 * i + 1] % 16));
  }
  const sorted = [...positions].sort((a, b) => a - b);
  const floats = new Uint8Array(Float32Array.of(norm, quality).buffer);
  return concatBytes(fakeTag(contributor, round), floats, new Uint8Array(Uint32Array.from(sorted).buffer));
}

function fakeContent(bytes: Uint8Array): { norm: number; quality: number; positions: Uint32Array } {
  const copy = bytes.slice(32).buffer;
  const [norm, quality] = new Float32Array(copy, 0, 2) as unknown as [number, number];
  return { norm, quality, positions: new Uint32Array(copy, 8) };
}

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value);
  return out;
}
