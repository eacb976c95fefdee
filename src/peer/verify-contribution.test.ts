/** A contribution certificate from the chain to the picture and back, and every way to bend one. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { CheckedCertificate } from '../chain/certificate.ts';
import { buildEvidence, type Claim, figuresOf, packContribution, signClaim } from '../chain/contribution.ts';
import { testChain, type TestChain } from '../chain/testing.ts';
import { toBase64Url } from '../protocol/base64url.ts';
import { bytesEqual, sha256Sync, toHex } from '../protocol/bytes.ts';
import type { Identity } from '../protocol/identity.ts';
import { joinPng, splitPng } from '../protocol/png-text.ts';
import { testIdentity } from '../protocol/testing.ts';
import { type Host, HostError } from './host.ts';
import {
  readLink,
  readPickedPicture,
  readPicture,
  verifyContribution,
  verifyLink,
} from './verify-contribution.ts';

/** The smallest PNG there is: one black pixel. */
const PIXEL = new Uint8Array(
  Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==',
    'base64',
  ),
);

/** A host that serves a chain, five certificates an answer; without a chain it cannot be reached. */
function fakeHost(chain: TestChain | null): Host {
  const need = (): TestChain => {
    if (chain === null) throw new HostError('unreachable', true, { url: 'http://host.test' });
    return chain;
  };
  const never = () => Promise.reject(new Error('the check needs nothing of that'));
  return {
    bytesIn: 0,
    run: async () => ({ protocol: 3, manifest: need().run.manifestBytes, relays: [], iceServers: [] }),
    links: async (from) =>
      need()
        .sealed.slice(from - 1, from + 4)
        .map((certificate) => ({ certificate, opinions: [] })),
    head: never,
    validators: never,
    profiles: never,
    time: never,
    blob: never,
  };
}

let ada: Identity;
let chain: TestChain;
/** Ada's certificate over the whole chain, and the claim in it as a link carries it. */
let signed: { readonly file: Uint8Array; readonly claim: string };

/** What Ada may claim at the end of a chain, and what is changed in it; with evidence of at most `maxBytes`. */
async function drawn(of: TestChain, change: Partial<Claim> = {}, maxBytes?: number) {
  const anchor = of.certificates[of.certificates.length - 1];
  const evidence = buildEvidence(of.run.manifestBytes, of.certificates.filter(isOwn), anchor, maxBytes);
  const account = of.account(ada.publicKey);
  const rounds = of.certificates.filter(isOwn).map(({ body }) => body.round);
  if (account === undefined) throw new Error('no account');
  const claim = await signClaim(ada, {
    run: of.run.id,
    name: 'Ada',
    team: 'Moss',
    anchor: { height: anchor.body.height, hash: anchor.head.hash },
    ...figuresOf(account, rounds[0], rounds[rounds.length - 1]),
    time: 1_700_000_000_000,
    picture: sha256Sync(PIXEL),
    evidence: sha256Sync(evidence),
    ...change,
  });
  return {
    file: joinPng(PIXEL, toBase64Url(packContribution(claim, evidence))),
    claim: toBase64Url(claim),
  };
}

const isOwn = ({ body }: CheckedCertificate): boolean =>
  body.accepted.some(({ contributor }) => bytesEqual(contributor, ada.publicKey));

const verify = (file: Uint8Array, host: Host | null = null) => {
  const reading = readPicture(file);
  if (!reading.ok) throw new Error(reading.reason);
  return verifyContribution(reading.value, host, () => {}, new AbortController().signal);
};

beforeAll(async () => {
  ada = await testIdentity('ada');
  chain = await testChain(ada, { rounds: 12, without: [0, 5], refused: [7] });
  signed = await drawn(chain);
});

describe('a genuine certificate', () => {
  it('is proven by its own evidence, without any host', async () => {
    const found = await verify(signed.file);
    expect(found).toMatchObject({
      genuine: true,
      proof: 'all',
      picture: 'signed',
      contributor: toHex(ada.publicKey),
      run: { name: 'Test chain', id: toHex(chain.run.id) },
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
      fakeHost(chain),
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
      expect(await verifyContribution(reading.value, fakeHost(chain), () => {}, signal)).toMatchObject({
        genuine: true,
        picture: 'absent',
        proof: 'all',
      });
      expect(await verifyContribution(reading.value, fakeHost(null), () => {}, signal)).toMatchObject({
        genuine: true,
        proof: 'none',
        run: null,
      });
    }
  });

  it('says what is proven and what is not when only some certificates fit inside', async () => {
    const { file } = await drawn(chain, { name: '', team: '' }, 2200);
    expect(await verify(file)).toMatchObject({ genuine: true, proof: 'part', evidence: { complete: false } });
    expect(await verify(file, fakeHost(chain))).toMatchObject({ genuine: true, proof: 'all' });
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
    const credits = (chain.account(ada.publicKey)?.credits ?? 0) + 1;
    const { file } = await drawn(chain, { credits });
    expect(await verify(file)).toMatchObject({ genuine: true, proof: 'part' });
    expect(await verify(file, fakeHost(chain))).toMatchObject({
      genuine: false,
      falsehood: { is: 'other-figures', figures: { credits: credits - 1 } },
    });
  });

  it('fails with another’s name under it, another’s evidence in it, or another’s picture around it', async () => {
    const eve = await testIdentity('eve');
    const other = await testChain(eve, { rounds: 3 });
    const ours = splitPng(signed.file);
    if (!ours.ok) throw new Error(ours.reason);
    const evidence = buildEvidence(other.run.manifestBytes, other.certificates, other.certificates[2]);
    const reading = readLink(signed.claim);
    if (!reading.ok) throw new Error(reading.reason);
    const mixed = joinPng(PIXEL, toBase64Url(packContribution(reading.value.bytes, evidence)));
    expect(await verify(mixed)).toMatchObject({ genuine: false, falsehood: { is: 'signature' } });
    // A link's claim put into a picture: the evidence was taken out.
    expect(await verify(joinPng(PIXEL, signed.claim))).toMatchObject({
      genuine: false,
      falsehood: { is: 'no-evidence' },
    });
  });

  it('fails at a host whose chain has another certificate there', async () => {
    const fork = await testChain(ada, { rounds: 12, without: [0, 5, 6], refused: [7] });
    expect(await verify(signed.file, fakeHost(fork))).toMatchObject({
      genuine: false,
      falsehood: { is: 'other-certificate', height: 12 },
    });
  });

  it('is not condemned by a host that knows less or another run', async () => {
    const short = await testChain(ada, { rounds: 4, without: [0] });
    expect(await verify(signed.file, fakeHost(short))).toMatchObject({
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

it('a picked file of any size is refused by its size alone', async () => {
  const film = new Blob([PIXEL]);
  Object.defineProperty(film, 'size', { value: 5e9 });
  film.arrayBuffer = () => Promise.reject(new Error('read'));
  expect(await readPickedPicture(film)).toEqual({ ok: false, reason: 'too-large' });
  expect(await readPickedPicture(new Blob([PIXEL]))).toEqual({ ok: false, reason: 'no-text' });
});
