/**
 * The organizer's HTTP interface: run description, time, head of the chain, certificates, blobs. docs/protocol.md lists the
 * endpoints. The same in a browser and in Node.
 */
import * as v from 'valibot';
import type { SealedLink } from '../chain/follower.ts';
import { MAX_LINK_BYTES } from '../chain/links.ts';
import { toHex } from '../protocol/bytes.ts';
import type { ClockSample } from '../protocol/clock.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { type Clock, withDeadline } from '../protocol/timer.ts';
import { hostMultiaddr } from '../swarm/addresses.ts';
import { RateLimit } from '../swarm/rate-limit.ts';
import { type HeadAnswer, type Host, HostError, type RunAnswer } from './host.ts';
import { BodyTooLarge, readBody, readJson } from './read-body.ts';

const RunSchema = v.object({
  protocol: v.number(),
  /** Signed manifest, base64. */
  manifest: v.string(),
  /** Peer id of the host's swarm node. */
  peer: v.pipe(v.string(), v.regex(/^[1-9A-HJ-NP-Za-km-z]{1,128}$/)),
  iceServers: v.optional(v.array(v.unknown()), []),
});

const HeadSchema = v.object({
  height: v.number(),
  /** Who judges rounds now. */
  validator: v.optional(v.picklist(['host', 'tab', 'none']), 'host'),
  checkpoint: v.object({ hash: v.string(), size: v.number(), height: v.number() }),
});

const StatusAnswer = v.object({
  peers: v.array(v.object({ contributor: v.string(), peer: v.string(), role: v.string() })),
});

const TimeAnswer = v.object({ time: v.number() });

const ProfilesAnswer = v.object({ profiles: v.array(v.string()) });

const LinksAnswer = v.object({
  links: v.array(v.object({ certificate: v.string(), opinions: v.array(v.string()) })),
});

const REQUEST_TIMEOUT_MS = 15_000;
/** An answer in JSON: the largest has the names of thousands of contributors. */
const MAX_JSON_BYTES = 2 << 20;
/** A host sends a megabyte of certificates, or one with its opinions (MAX_LINK_BYTES in chain/links.ts) in base64. */
const MAX_LINKS_BYTES = (1 << 20) + 2 * MAX_LINK_BYTES;
/**
 * Bytes of a blob that are asked for at once, and under a volunteer's own limit: what the system takes in before this
 * program reads it, so that the host has sent it.
 */
const PIECE_BYTES = 4 << 20;
const SLOW_PIECE_BYTES = 256 << 10;
/** Longest silence in a download. A total would be wrong: a volunteer's own limit may make a checkpoint take hours. */
const STALL_MS = 60_000;

export class HostClient implements Host {
  readonly baseUrl: string;
  bytesIn = 0;
  readonly #clock: Clock;
  readonly #limit: RateLimit;

  /** `clock`: this machine's. `limit`: what the volunteer allows of the line. */
  constructor(baseUrl: string, clock: Clock, limit = new RateLimit()) {
    this.baseUrl = baseUrl.replace(/\/$/, '');
    this.#clock = clock;
    this.#limit = limit;
  }

  async run(signal?: AbortSignal): Promise<RunAnswer> {
    const { manifest, peer, ...answer } = await this.#json('/api/run', RunSchema, signal);
    // The host's node is where this answer came from: a host behind a proxy cannot know that address.
    return { ...answer, manifest: this.#bytes(manifest), relays: [hostMultiaddr(`${this.baseUrl}/`, peer)] };
  }

  head(signal?: AbortSignal): Promise<HeadAnswer> {
    return this.#json('/api/head', HeadSchema, signal);
  }

  async links(from: number, signal?: AbortSignal): Promise<SealedLink[]> {
    const { links } = await this.#json(
      `/api/certificates?from=${from}`,
      LinksAnswer,
      signal,
      MAX_LINKS_BYTES,
    );
    return links.map(({ certificate, opinions }) => ({
      certificate: this.#bytes(certificate),
      opinions: opinions.map((opinion) => this.#bytes(opinion)),
    }));
  }

  async validators(signal?: AbortSignal): Promise<{ key: string; peer: string }[]> {
    const { peers } = await this.#json('/api/status', StatusAnswer, signal);
    return peers
      .filter(({ role }) => role === 'validator')
      .map(({ contributor, peer }) => ({ key: contributor, peer }));
  }

  async profiles(signal?: AbortSignal): Promise<Uint8Array[]> {
    const { profiles } = await this.#json('/api/profiles', ProfilesAnswer, signal);
    return profiles.map((profile) => this.#bytes(profile));
  }

  async time(): Promise<ClockSample> {
    const t0 = this.#clock.now();
    const { time } = await this.#json('/api/time', TimeAnswer);
    return { t0, serverTime: time, t1: this.#clock.now() };
  }

  /**
   * A piece at a time by ranges: a host ends an answer that is not read on, as a volunteer's own limit may cause. What
   * came is kept when a piece breaks off, as long as each brings something.
   */
  async blob({ hash, size }: BlobRef, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const path = `/api/blob/${toHex(hash)}`;
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    let whole = size === 0;
    while (!whole) {
      const before = length;
      const most = this.#limit.limited('in') ? SLOW_PIECE_BYTES : PIECE_BYTES;
      const part = { before, most: Math.min(most, size - before), size };
      try {
        // Whoever sends everything and ends early has other bytes: the caller looks at them.
        whole = await this.#piece(path, part, signal, (piece) => {
          chunks.push(piece);
          length += piece.byteLength;
        });
      } catch (error) {
        const brokeOff = error instanceof HostError && error.code === 'broken-off';
        if (!brokeOff || length === before) throw error;
      }
      if (length === before && !whole) throw new HostError('broken-off', true, { url: this.baseUrl });
      whole ||= length >= size;
    }
    return new Uint8Array(await new Blob(chunks).arrayBuffer());
  }

  /**
   * Gives `take` the bytes of one answer as they come. Resolves to whether that was everything: so much is asked for, or
   * a host or proxy that knows no ranges sends it.
   */
  async #piece(
    path: string,
    { before, most, size }: { readonly before: number; readonly most: number; readonly size: number },
    signal: AbortSignal | undefined,
    take: (piece: Uint8Array<ArrayBuffer>) => void,
  ): Promise<boolean> {
    const silence = new AbortController();
    const stop = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
    let cancel = (): void => {};
    const listen = (): void => {
      cancel = this.#clock.at(this.#clock.now() + STALL_MS, () => silence.abort());
    };
    listen();
    const url = `${this.baseUrl}${path}`;
    try {
      const headers: Record<string, string> =
        most === size ? {} : { range: `bytes=${before}-${before + most - 1}` };
      const response = await this.#get(path, stop, signal, headers);
      const partial = response.status === 206;
      // Whoever sends everything again begins at its first byte.
      let skip = partial ? 0 : before;
      await readBody(response, partial ? most : size, async (piece) => {
        cancel();
        this.bytesIn += piece.byteLength;
        if (piece.byteLength > skip) take(piece.subarray(skip));
        skip = Math.max(0, skip - piece.byteLength);
        // Not reading on is what slows the sender down.
        await this.#limit.take('in', piece.byteLength, stop);
        listen();
      });
      return !partial;
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof HostError) throw cause;
      if (cause instanceof BodyTooLarge) throw new HostError('too-large', false, { url }, { cause });
      throw new HostError('broken-off', true, { url: this.baseUrl }, { cause });
    } finally {
      cancel();
    }
  }

  #json<S extends v.GenericSchema>(
    path: string,
    schema: S,
    signal?: AbortSignal,
    limit = MAX_JSON_BYTES,
  ): Promise<v.InferOutput<S>> {
    const until = this.#clock.now() + REQUEST_TIMEOUT_MS;
    return withDeadline(this.#clock, until, signal, async (either) => {
      const url = `${this.baseUrl}${path}`;
      const response = await this.#get(path, either, signal);
      let json: unknown;
      try {
        json = await readJson(response, limit, (bytes) => {
          this.bytesIn += bytes;
          this.#limit.spend('in', bytes);
        });
      } catch (cause) {
        signal?.throwIfAborted();
        if (cause instanceof SyntaxError) throw new HostError('no-json', false, { url }, { cause });
        if (cause instanceof BodyTooLarge) throw new HostError('too-large', false, { url }, { cause });
        throw new HostError('broken-off', true, { url }, { cause });
      }
      const result = v.safeParse(schema, json);
      if (!result.success)
        throw new HostError('other-form', false, { url }, { cause: result.issues[0].message });
      return result.output;
    });
  }

  /** `signal` ends it, `caller`'s abort is thrown as it is. */
  async #get(
    path: string,
    signal: AbortSignal,
    caller?: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const url = `${this.baseUrl}${path}`;
    let response: Response;
    try {
      response = await fetch(url, { signal, headers });
    } catch (cause) {
      caller?.throwIfAborted();
      throw new HostError('unreachable', true, { url: this.baseUrl }, { cause });
    }
    if (response.ok) return response;
    const { status } = response;
    throw new HostError('status', status >= 500 || status === 429, { url, status });
  }

  #bytes(base64: string): Uint8Array<ArrayBuffer> {
    try {
      return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    } catch (cause) {
      throw new HostError('no-base64', false, { url: this.baseUrl }, { cause });
    }
  }
}
