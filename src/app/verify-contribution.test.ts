/** A contribution certificate from the chain to the picture and back, and every way to bend one. */
import { beforeAll, describe, expect, it } from 'vitest';
import { toBase64Url } from '../protocol/base64url.ts';
import { sha256Sync, toHex } from '../protocol/bytes.ts';
import { buildEvidence, figuresOf, packContribution, signClaim } from '../protocol/contribution.ts';
import type { Identity } from '../protocol/identity.ts';
import { joinPng, splitPng } from '../protocol/png-text.ts';
import { testChain, type TestChain } from '../protocol/testing-chain.ts';
import { testHash, testIdentity } from '../protocol/testing.ts';
import { Contributions, type ContributionDraft, type SignedContribution } from './contributions.ts';
import { HostClient, HostError } from './host-client.ts';
import { readLink, readPicture, verifyContribution, verifyLink } from './verify-contribution.ts';

/** The smallest PNG there is: one black pixel. */
const PIXEL = new Uint8Array(
  Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==',
    'base64',
  ),
);

/** A host that serves a chain; counts nothing, checks nothing. */
class FakeHost extends HostClient {
  readonly #chain: TestChain | null;
  constructor(chain: TestChain | null) {
    super('http://host.test');
    this.#chain = chain;
  }
  #need(): TestChain {
    if (this.#chain === null) throw new HostError('The host cannot be reached.', true);
    return this.#chain;
  }
  override async run() {
    const manifest = Buffer.from(this.#need().manifestBytes).toString('base64');
    return { protocol: 2, manifest, relays: [], time: 0, iceServers: [] };
  }
  override async certificates(from: number) {
    return this.#need()
      .sealed.slice(from - 1, from + 4)
      .map((bytes) => new Uint8Array(bytes));
  }
}

let ada: Identity;
let chain: TestChain;
let draft: ContributionDraft;
let signed: SignedContribution;

function drafted(of: TestChain, heights = of.certificates.length): ContributionDraft {
  const made = new Contributions({ identity: ada, runId: of.runId, manifestBytes: of.manifestBytes });
  for (const certificate of of.certificates.slice(0, heights)) made.add(certificate);
  const shown = {
    name: 'Ada',
    team: 'Moss',
    runName: of.manifest.name,
    organizer: of.manifest.organizer.name,
    contributor: toHex(ada.publicKey),
  };
  const result = made.draft(of.account(ada.publicKey), shown, 1_700_000_000_000);
  if (result === null) throw new Error('nothing to certify');
  return result;
}

const verify = (file: Uint8Array, host: HostClient | null = null) => {
  const reading = readPicture(file);
  if (!reading.ok) throw new Error(reading.reason);
  return verifyContribution(reading.value, host, () => {}, new AbortController().signal);
};

beforeAll(async () => {
  ada = await testIdentity('ada');
  chain = await testChain(ada, { rounds: 12, without: [0, 5], refused: [7] });
  draft = drafted(chain);
  signed = await draft.finish(PIXEL);
});

describe('a genuine certificate', () => {
  it('is proven by its own evidence, without any host', async () => {
    const found = await verify(signed.file);
    expect(found).toMatchObject({
      genuine: true,
      proof: 'all',
      picture: 'signed',
      contributor: toHex(ada.publicKey),
      run: { name: 'Test chain', id: toHex(chain.runId) },
      evidence: { certificates: 9, rounds: 9, complete: true },
      chain: { state: 'unreachable' },
    });
    if (!found.genuine) throw new Error('not reached');
    expect(found.claim).toMatchObject({ name: 'Ada', accepted: 9, firstRound: 1, lastRound: 11 });
    expect(found.claim.credits).toBe(chain.account(ada.publicKey)?.credits);
  });

  it('is recomputed from the whole chain where the host can be asked', async () => {
    const seen: number[] = [];
    const reading = readPicture(signed.file);
    if (!reading.ok) throw new Error(reading.reason);
    const found = await verifyContribution(
      reading.value,
      new FakeHost(chain),
      (checked) => seen.push(checked),
      new AbortController().signal,
    );
    expect(found).toMatchObject({ genuine: true, proof: 'all', chain: { state: 'matches', heights: 12 } });
    expect(seen).toEqual([5, 10, 12]);
  });

  it('travels as a link too: the host then proves the figures, nobody the picture', async () => {
    const link = verifyLink('https://swarm.example', signed.claim);
    expect(link.length).toBeLessThan(900);
    for (const text of [link, link.slice(link.indexOf('#')), signed.claim, ` ${signed.claim}\n`]) {
      const reading = readLink(text);
      if (!reading.ok) throw new Error(reading.reason);
      const signal = new AbortController().signal;
      expect(await verifyContribution(reading.value, new FakeHost(chain), () => {}, signal)).toMatchObject({
        genuine: true,
        picture: 'absent',
        proof: 'all',
      });
      expect(await verifyContribution(reading.value, new FakeHost(null), () => {}, signal)).toMatchObject({
        genuine: true,
        proof: 'none',
        run: null,
      });
    }
  });

  it('says what is proven and what is not when only some certificates fit inside', async () => {
    const anchor = chain.certificates[11];
    const evidence = buildEvidence(chain.manifestBytes, chain.certificates.slice(1, 12), anchor, 2200);
    const account = chain.account(ada.publicKey);
    if (account === undefined) throw new Error('no account');
    const claim = await signClaim(ada, {
      run: chain.runId,
      name: '',
      team: '',
      anchor: { height: 12, hash: anchor.head.hash },
      ...figuresOf(account, 1, 11),
      time: 1,
      picture: sha256Sync(PIXEL),
      evidence: sha256Sync(evidence),
    });
    const file = joinPng(PIXEL, toBase64Url(packContribution(claim, evidence)));
    expect(await verify(file)).toMatchObject({ genuine: true, proof: 'part', evidence: { complete: false } });
    expect(await verify(file, new FakeHost(chain))).toMatchObject({ genuine: true, proof: 'all' });
  });
});

describe('a bent certificate', () => {
  it('fails whichever byte of the file is changed', async () => {
    let changed = 0;
    // Every byte of the picture, its chunk's frame and the claim; every 37th of the long evidence.
    for (let i = 0; i < signed.file.length; i += i < 900 || i > signed.file.length - 100 ? 1 : 37) {
      const bent = signed.file.slice();
      bent[i] ^= 1 << (i % 8);
      const reading = readPicture(bent);
      if (reading.ok) {
        const found = await verifyContribution(reading.value, null, () => {}, new AbortController().signal);
        expect(found.genuine, `byte ${i}`).toBe(false);
      }
      changed++;
    }
    expect(changed).toBeGreaterThan(1000);
  });

  it('fails when the contributor itself claims more than the chain gave', async () => {
    const anchor = chain.certificates[11];
    const evidence = buildEvidence(chain.manifestBytes, chain.certificates, anchor);
    const account = chain.account(ada.publicKey);
    if (account === undefined) throw new Error('no account');
    const claim = await signClaim(ada, {
      run: chain.runId,
      name: 'Ada',
      team: '',
      anchor: { height: 12, hash: anchor.head.hash },
      ...figuresOf(account, 1, 11),
      credits: account.credits + 1,
      time: 1,
      picture: sha256Sync(PIXEL),
      evidence: sha256Sync(evidence),
    });
    const file = joinPng(PIXEL, toBase64Url(packContribution(claim, evidence)));
    expect(await verify(file)).toMatchObject({ genuine: true, proof: 'part' });
    expect(await verify(file, new FakeHost(chain))).toMatchObject({ genuine: false, falsehood: 'chain' });
  });

  it('fails with another’s name under it, another’s evidence in it, or another’s picture around it', async () => {
    const eve = await testIdentity('eve');
    const other = await testChain(eve, { rounds: 3 });
    const ours = splitPng(signed.file);
    if (!ours.ok) throw new Error(ours.reason);
    const evidence = buildEvidence(other.manifestBytes, other.certificates, other.certificates[2]);
    const reading = readLink(signed.claim);
    if (!reading.ok) throw new Error(reading.reason);
    const mixed = joinPng(PIXEL, toBase64Url(packContribution(reading.value.bytes, evidence)));
    expect(await verify(mixed)).toMatchObject({ genuine: false, falsehood: 'signature' });
    // A link's claim put into a picture: the evidence was taken out.
    expect(await verify(joinPng(PIXEL, signed.claim))).toMatchObject({
      genuine: false,
      falsehood: 'evidence',
    });
  });

  it('fails at a host whose chain has another certificate there', async () => {
    const fork = await testChain(ada, { rounds: 12, without: [0, 5, 6], refused: [7] });
    expect(await verify(signed.file, new FakeHost(fork))).toMatchObject({
      genuine: false,
      falsehood: 'chain',
    });
  });

  it('is not condemned by a host that knows less or another run', async () => {
    const short = await testChain(ada, { rounds: 4, without: [0] });
    expect(await verify(signed.file, new FakeHost(short))).toMatchObject({
      genuine: true,
      proof: 'all',
      chain: { state: 'behind' },
    });
  });
});

it('pictures that carry nothing, and texts that are no link, are told apart from lies', () => {
  expect(readPicture(PIXEL)).toEqual({ ok: false, reason: 'no-text' });
  expect(readPicture(new TextEncoder().encode('GIF89a'))).toEqual({ ok: false, reason: 'no-png' });
  expect(readPicture(joinPng(PIXEL, 'not/base64url'))).toEqual({ ok: false, reason: 'damaged' });
  expect(readLink('https://example.org/')).toEqual({ ok: false, reason: 'no-link' });
  expect(readLink('')).toEqual({ ok: false, reason: 'no-link' });
});

it('nothing is certified before anything was accepted', () => {
  const none = new Contributions({ identity: ada, runId: testHash('r'), manifestBytes: new Uint8Array(1) });
  const shown = { name: '', team: '', runName: '', organizer: '', contributor: '' };
  expect(none.draft(undefined, shown, 0)).toBeNull();
});
