/**
 * For tests of whoever follows a chain: a chain that a validator signed, and holders whose state is nothing but a root, so
 * that hundreds of rounds take no time. The root after work is the hash of the one before, the bytes and the weights.
 */
import { bytesEqual, concatBytes, sha256Sync } from '../protocol/bytes.ts';
import { seal } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import type { AcceptedEntry, MessageOf } from '../protocol/messages.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';
import { buildCertificateBody, certify, checkCertificate, type CheckedCertificate } from './certificate.ts';
import type { ChainPorts, OfferedState, SealedLink, Staged, StateHolder, WeightedBytes } from './follower.ts';
import type { Run } from './run.ts';
import { advance, type ChainState, genesisState } from './state.ts';
import { testRun } from './testing.ts';

/** A state whose first eight scalars are the root, the others zeros. */
export function thetaOf(root: Uint8Array, elements: number): Int32Array {
  const theta = new Int32Array(elements);
  new Uint8Array(theta.buffer).set(root);
  return theta;
}

const rootOf = (theta: Int32Array): Uint8Array => new Uint8Array(theta.buffer.slice(0, 32));

export function rootAfter(root: Uint8Array, work: readonly WeightedBytes[]): Uint8Array {
  return work.reduce(
    (now, { bytes, weight }) => sha256Sync(concatBytes(now, bytes, Uint8Array.of(weight & 255))),
    root,
  );
}

/** Work of a round: its claim is the bytes themselves. */
export const bytesOf = (entry: Pick<AcceptedEntry, 'claim'>): Uint8Array => entry.claim;

export interface SignedLink extends SealedLink {
  readonly message: MessageOf<'certificate'>;
  readonly checked: CheckedCertificate;
}

/** A chain of which one validator signs as many links as a test asks for. */
export class SignedChain {
  readonly run: Run;
  readonly validator: Identity;
  readonly links: SignedLink[] = [];
  /** After each link; the first is genesis. */
  readonly states: ChainState[];

  private constructor(run: Run, validator: Identity) {
    this.run = run;
    this.validator = validator;
    this.states = [genesisState(run)];
  }

  static async create(length = 0): Promise<SignedChain> {
    const validator = await testIdentity('validator');
    const manifest = testManifest(testHash('organizer'), [{ key: validator.publicKey, weight: 1 }]);
    const chain = new SignedChain(testRun(manifest), validator);
    for (let i = 0; i < length; i++) await chain.extend();
    return chain;
  }

  get state(): ChainState {
    return this.states[this.states.length - 1];
  }

  /** The next link, as the validator would make it; it only becomes part of the chain with {@link extend}. `root`: a lie. */
  async next(name = '', root?: Uint8Array): Promise<SignedLink> {
    const { head } = this.state;
    const round = head.round + 1;
    const contributors = round % 3 === 2 ? ['ana', 'ben'] : ['ana'];
    const accepted = contributors.map((contributor, i) => ({
      contributor: testHash(contributor),
      claim: testHash(`work ${round} of ${contributor}${name}`),
      units: 100,
      weight: 1024 - i,
    }));
    const outcome = {
      round,
      baseRoot: head.root,
      accepted,
      refused: [],
      passedOver: [],
      joined: [],
      audits: [],
    };
    // Holders apply work in the order in which the body lists it.
    const listed = buildCertificateBody(this.run, head, outcome, head.root).accepted;
    const applied = rootAfter(
      head.root,
      listed.map((entry) => ({ bytes: bytesOf(entry), weight: entry.weight })),
    );
    const body = buildCertificateBody(this.run, head, outcome, root ?? applied);
    const message = await certify(body, [this.validator]);
    const checked = await checkCertificate(message, this.run, head);
    if (!checked.ok) throw new Error(checked.detail);
    const opinion = testHash(`opinion ${round}`);
    return {
      message,
      checked: checked.certificate,
      certificate: await seal(this.validator, message),
      opinions: [opinion],
    };
  }

  async extend(root?: Uint8Array): Promise<SignedLink> {
    const link = await this.next('', root);
    this.links.push(link);
    this.states.push(advance(this.run, this.state, link.checked));
    return link;
  }

  /** What a follower asks for, from this chain: links `perAsk` at a time, one state of each height. */
  ports({ perAsk = 16, states = [] as readonly number[] } = {}): ChainPorts & { asked: number[] } {
    const asked: number[] = [];
    return {
      asked,
      links: async (from) => {
        asked.push(from);
        return this.links.slice(from - 1, from - 1 + perAsk);
      },
      states: () => this.offers(states),
      work: async (entry) => bytesOf(entry),
    };
  }

  async *offers(heights: readonly number[]): AsyncIterable<OfferedState> {
    for (const height of heights) yield { height, theta: this.theta(height) };
  }

  theta(height: number): Int32Array {
    return thetaOf(this.states[height].head.root, this.run.layout.elements);
  }
}

/** A holder of such a state. One that is not atomic changes at once, as a GPU does. */
export class RootHolder implements StateHolder {
  readonly atomic: boolean;
  root: Uint8Array = new Uint8Array(32);
  loads = 0;
  /** Work staged so far. */
  staged = 0;
  commits = 0;
  /** Computes other roots than everybody else, as a broken machine would. */
  wrong = false;
  readonly #elements: number;

  constructor(run: Run, atomic: boolean) {
    this.#elements = run.layout.elements;
    this.atomic = atomic;
  }

  async load(theta: Int32Array): Promise<Uint8Array> {
    this.loads++;
    this.root = rootOf(theta);
    return this.root;
  }

  async stage(work: readonly WeightedBytes[]): Promise<Staged> {
    this.staged++;
    const next = rootAfter(this.wrong ? sha256Sync(this.root) : this.root, work);
    if (!this.atomic) this.root = next;
    await Promise.resolve();
    return {
      root: next,
      theta: async () => thetaOf(next, this.#elements),
      commit: () => {
        this.commits++;
        this.root = next;
      },
    };
  }

  has(root: Uint8Array): boolean {
    return bytesEqual(this.root, root);
  }
}
