/**
 * The signed envelope around every message and around the manifest.
 *
 * An envelope is the canonical DAG-CBOR list `[version, sender key, signature, body]`; the body is the message's own
 * canonical bytes. The signature covers "tabswarm/<version>/<kind>" + NUL + body, so that bytes signed as one kind of
 * message never pass for another. Every version keeps the list and its first element, so that a tab that is too old
 * (or too new) can tell so from garbage.
 */
import * as v from 'valibot';
import { bytesEqual, concatBytes, sha256Sync } from './bytes.ts';
import { decodeCanonical, encodeCanonical } from './codec.ts';
import { type Identity, verifySignature } from './identity.ts';
import { MAX_GOSSIP_BYTES, MAX_MANIFEST_BYTES, PROTOCOL_VERSION } from './limits.ts';
import { type Manifest, ManifestSchema } from './manifest.ts';
import { type Message, MessageSchema } from './messages.ts';
import { Key, Signature, uint } from './schema.ts';

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

const VersionedSchema = v.looseTuple([uint(0xffffffff)]);
const EnvelopeSchema = v.strictTuple([v.literal(PROTOCOL_VERSION), Key, Signature, v.instance(Uint8Array)]);

/** Bytes around a body: list head, version, key and signature with their heads, head of the body. */
const OVERHEAD_BYTES = 128;

/** The bytes that a signature of `kind` covers. */
export function signedBytes(kind: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatBytes(new TextEncoder().encode(`tabswarm/${PROTOCOL_VERSION}/${kind}\0`), body);
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
  if (bytes.byteLength > MAX_GOSSIP_BYTES) {
    throw new RangeError(`a ${message.kind} of ${bytes.byteLength} bytes exceeds ${MAX_GOSSIP_BYTES}`);
  }
  return bytes;
}

/** Checks size, version, form and signature, in that order. Never throws, whatever the bytes. */
export async function open(bytes: Uint8Array): Promise<Opened> {
  const outer = unwrap(bytes, MAX_GOSSIP_BYTES);
  if (!outer.ok) return outer;
  const body = decodeCanonical(outer.body, MAX_GOSSIP_BYTES);
  if (!body.ok) return malformed(body.detail);
  const message = v.safeParse(MessageSchema, body.value);
  if (!message.success) return malformed(issueText(message.issues[0]));
  const signed = signedBytes(message.output.kind, outer.body);
  if (!(await verifySignature(outer.sender, signed, outer.signature)))
    return badSignature(message.output.kind);
  return { ok: true, sender: outer.sender, message: message.output };
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

type Unwrapped = {
  readonly ok: true;
  readonly sender: Uint8Array;
  readonly signature: Uint8Array;
  readonly body: Uint8Array;
};

function unwrap(bytes: Uint8Array, maxBytes: number): Unwrapped | OpenFailure {
  if (bytes.byteLength > maxBytes) {
    return { ok: false, reason: 'too-large', detail: `${bytes.byteLength} bytes, limit ${maxBytes}` };
  }
  const outer = decodeCanonical(bytes, maxBytes);
  if (!outer.ok) return malformed(outer.detail);
  const versioned = v.safeParse(VersionedSchema, outer.value);
  if (versioned.success && versioned.output[0] !== PROTOCOL_VERSION) {
    const [theirs] = versioned.output;
    return {
      ok: false,
      reason: 'version',
      detail: `protocol version ${theirs}, this is ${PROTOCOL_VERSION}`,
    };
  }
  const envelope = v.safeParse(EnvelopeSchema, outer.value);
  if (!envelope.success) return malformed(issueText(envelope.issues[0]));
  const [, sender, signature, body] = envelope.output;
  return { ok: true, sender, signature, body };
}

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
