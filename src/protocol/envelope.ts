/**
 * The signed envelope around every message and around the manifest.
 *
 * An envelope is the canonical DAG-CBOR list `[version, sender key, signature, body]`; the body is the message's own
 * canonical bytes. The signature covers "tabswarm/<version>/<kind>" + NUL + body, so that bytes signed as one kind of
 * message never pass for another. Every version keeps the list and its first element, so that a tab that is too old
 * (or too new) can tell so from garbage.
 *
 * A reader can {@link peek} first: version, kind, size and claimed sender cost no decoding and no signature.
 */
import * as v from 'valibot';
import { bytesEqual, concatBytes, sha256Sync } from './bytes.ts';
import { decodeCanonical, encodeCanonical } from './codec.ts';
import { type Identity, verifySignature } from './identity.ts';
import { MAX_GOSSIP_BYTES, MAX_MANIFEST_BYTES, MAX_SEALED_BYTES, PROTOCOL_VERSION } from './limits.ts';
import { type Manifest, ManifestSchema } from './manifest.ts';
import { type Message, type MessageKind, MessageSchema } from './messages.ts';
import { kindOf, type Outer, readOuter, versionOf } from './outer.ts';

/**
 * Why an envelope was not opened. `version`: made for another protocol version, so one side must be updated (a tab:
 * reloaded); `detail` names both versions.
 */
export type OpenFailure = {
  readonly ok: false;
  readonly reason: 'too-large' | 'malformed' | 'version' | 'signature';
  readonly detail: string;
};

export type Opened =
  | { readonly ok: true; readonly sender: Uint8Array; readonly message: Message }
  | OpenFailure;

export type OpenedManifest =
  | { readonly ok: true; readonly manifest: Manifest; readonly runId: Uint8Array }
  | OpenFailure;

/** Bytes around a body: list head, version, key and signature with their heads, head of the body. */
const OVERHEAD_BYTES = 128;

/** The bytes that a signature of `kind` covers. */
export function signedBytes(
  kind: string,
  body: Uint8Array,
  version: number = PROTOCOL_VERSION,
): Uint8Array<ArrayBuffer> {
  return concatBytes(new TextEncoder().encode(`tabswarm/${version}/${kind}\0`), body);
}

/** What is known of a message before it is decoded. Nothing of it is proven: `sender` is whom it claims to be of. */
export interface Peeked {
  readonly ok: true;
  readonly kind: MessageKind;
  readonly sender: Uint8Array;
  /** For {@link openPeeked}. */
  readonly outer: Outer;
}

/**
 * Signs a message and returns the bytes to publish. Throws RangeError when the message breaks its own schema or the
 * gossip limit: that is our mistake, and better found here than by every peer.
 */
export async function seal(identity: Identity, message: Message): Promise<Uint8Array<ArrayBuffer>> {
  const checked = v.safeParse(MessageSchema, message);
  if (!checked.success)
    throw new RangeError(`cannot seal a ${message.kind}: ${issueText(checked.issues[0])}`);
  const bytes = await signBytes(identity, message.kind, encodeCanonical(message));
  const most = MAX_SEALED_BYTES[message.kind];
  if (bytes.byteLength > most)
    throw new RangeError(`a ${message.kind} of ${bytes.byteLength} bytes exceeds ${most}`);
  return bytes;
}

/** Checks size, version, form and signature, in that order. Never throws, whatever the bytes. */
export async function open(bytes: Uint8Array): Promise<Opened> {
  const peeked = peek(bytes);
  return peeked.ok ? openPeeked(peeked) : peeked;
}

/** Reads version, kind and claimed sender, and holds the size against the kind's limit. Never throws; decodes nothing. */
export function peek(bytes: Uint8Array): Peeked | OpenFailure {
  const outer = unwrap(bytes, MAX_GOSSIP_BYTES);
  if (!outer.ok) return outer;
  const kind = kindOf(outer.body);
  if (!isKind(kind)) return malformed('the body begins as no message of this version');
  const most = MAX_SEALED_BYTES[kind];
  if (bytes.byteLength > most) return tooLarge(bytes.byteLength, most);
  return { ok: true, kind, sender: outer.sender, outer };
}

/** The rest of {@link open}: decodes the body, checks its form and its signature. Never throws. */
export async function openPeeked({ kind, outer }: Peeked): Promise<Opened> {
  const body = decodeCanonical(outer.body, MAX_GOSSIP_BYTES);
  if (!body.ok) return malformed(body.detail);
  const message = v.safeParse(MessageSchema, body.value);
  if (!message.success) return malformed(issueText(message.issues[0]));
  if (message.output.kind !== kind) return malformed('another kind than its first bytes say');
  const signed = signedBytes(kind, outer.body);
  if (!(await verifySignature(outer.sender, signed, outer.signature))) return badSignature(kind);
  return { ok: true, sender: outer.sender, message: message.output };
}

const isKind = (kind: string | null): kind is MessageKind =>
  kind !== null && Object.hasOwn(MAX_SEALED_BYTES, kind);

/**
 * Who signed a message of another version, as far as that version kept our envelope and our names of kinds; else null.
 * Only a sender that is `wanted` costs a signature. Never throws.
 */
export async function foreignSender(
  bytes: Uint8Array,
  wanted: (sender: Uint8Array) => boolean,
): Promise<Uint8Array | null> {
  if (bytes.byteLength > MAX_GOSSIP_BYTES) return null;
  const outer = readOuter(bytes);
  if (outer === null || outer.version === PROTOCOL_VERSION || !wanted(outer.sender)) return null;
  const kind = kindOf(outer.body);
  if (kind === null) return null;
  const signed = signedBytes(kind, outer.body, outer.version);
  return (await verifySignature(outer.sender, signed, outer.signature)) ? outer.sender : null;
}

/** Signs a manifest. Throws RangeError when it breaks the schema, naming the field, or is not this organizer's. */
export async function signManifest(
  organizer: Identity,
  manifest: Manifest,
): Promise<Uint8Array<ArrayBuffer>> {
  const checked = v.safeParse(ManifestSchema, manifest);
  if (!checked.success) throw new RangeError(`bad manifest: ${issueText(checked.issues[0])}`);
  if (!bytesEqual(manifest.organizer.key, organizer.publicKey)) {
    throw new RangeError('bad manifest: organizer.key is not the key that signs it');
  }
  const body = encodeCanonical(manifest);
  if (body.byteLength + OVERHEAD_BYTES > MAX_MANIFEST_BYTES) {
    throw new RangeError(
      `bad manifest: ${body.byteLength} bytes, limit ${MAX_MANIFEST_BYTES}; use larger shards`,
    );
  }
  return signBytes(organizer, 'manifest', body);
}

/** Opens a signed manifest; the run id is the SHA-256 of the manifest's own bytes. Never throws. */
export async function openManifest(bytes: Uint8Array): Promise<OpenedManifest> {
  const outer = unwrap(bytes, MAX_MANIFEST_BYTES);
  if (!outer.ok) return outer;
  const body = decodeCanonical(outer.body, MAX_MANIFEST_BYTES);
  if (!body.ok) return malformed(body.detail);
  const manifest = v.safeParse(ManifestSchema, body.value);
  if (!manifest.success) return malformed(issueText(manifest.issues[0]));
  if (!bytesEqual(manifest.output.organizer.key, outer.sender)) {
    return { ok: false, reason: 'signature', detail: 'signed by a key that is not its organizer.key' };
  }
  const signed = signedBytes('manifest', outer.body);
  if (!(await verifySignature(outer.sender, signed, outer.signature))) return badSignature('manifest');
  return { ok: true, manifest: manifest.output, runId: sha256Sync(outer.body) };
}

export type OpenedBytes =
  | { readonly ok: true; readonly sender: Uint8Array; readonly value: unknown }
  | OpenFailure;

/** Opens what {@link signBytes} signed as `kind`, up to a canonical value whose form the caller checks. Never throws. */
export async function openSigned(bytes: Uint8Array, kind: string, maxBytes: number): Promise<OpenedBytes> {
  const outer = unwrap(bytes, maxBytes);
  if (!outer.ok) return outer;
  const body = decodeCanonical(outer.body, maxBytes);
  if (!body.ok) return malformed(body.detail);
  if (!(await verifySignature(outer.sender, signedBytes(kind, outer.body), outer.signature)))
    return badSignature(kind);
  return { ok: true, sender: outer.sender, value: body.value };
}

/** A signed envelope around canonical bytes that are no message of the swarm. */
export async function signBytes(
  identity: Identity,
  kind: string,
  body: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const signature = await identity.sign(signedBytes(kind, body));
  return encodeCanonical([PROTOCOL_VERSION, identity.publicKey, signature, body]);
}

/** Size, version and form of the outside, in that order. */
function unwrap(bytes: Uint8Array, maxBytes: number): (Outer & { readonly ok: true }) | OpenFailure {
  if (bytes.byteLength > maxBytes) return tooLarge(bytes.byteLength, maxBytes);
  const version = versionOf(bytes);
  if (version !== null && version !== PROTOCOL_VERSION) {
    const detail = `protocol version ${version}, this is ${PROTOCOL_VERSION}`;
    return { ok: false, reason: 'version', detail };
  }
  const outer = readOuter(bytes);
  return outer === null
    ? malformed('not the canonical list of version, key, signature and body')
    : { ok: true, ...outer };
}

const tooLarge = (bytes: number, most: number): OpenFailure => ({
  ok: false,
  reason: 'too-large',
  detail: `${bytes} bytes, limit ${most}`,
});
const malformed = (detail: string): OpenFailure => ({ ok: false, reason: 'malformed', detail });
const badSignature = (kind: string): OpenFailure => ({
  ok: false,
  reason: 'signature',
  detail: `the ${kind} is not signed by its sender`,
});

/** First schema issue as "path: what is wrong", bounded: both may quote a peer. */
function issueText(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  return `${path === null ? '' : `${path}: `}${issue.message}`.slice(0, 160);
}
