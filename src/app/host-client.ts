/**
 * The organizer's HTTP interface as a tab uses it: run description, time, head of the chain, certificates, blobs.
 *
 * Everything that comes back is checked by its signature or hash by the caller; nothing here is trusted.
 * docs/protocol.md lists the endpoints.
 */
import * as v from 'valibot';
import type { ClockSample } from '../protocol/clock.ts';
import { RateLimit } from '../swarm/rate-limit.ts';

/** The host cannot be reached, or answers with something that is not ours. `retry` says whether waiting may help. */
export class HostError extends Error {
  static override readonly name = 'HostError';
  override readonly name = 'HostError';
  readonly retry: boolean;
  constructor(message: string, retry: boolean, options?: ErrorOptions) {
    super(message, options);
    this.retry = retry;
  }
}

const RunAnswer = v.object({
  protocol: v.number(),
  /** Signed manifest, base64. */
  manifest: v.string(),
  relays: v.array(v.string()),
  time: v.number(),
  iceServers: v.optional(
    v.array(
      v.object({
        urls: v.union([v.string(), v.array(v.string())]),
        username: v.optional(v.string()),
        credential: v.optional(v.string()),
      }),
    ),
    [],
  ),
});
export type RunAnswer = v.InferOutput<typeof RunAnswer>;

const HeadAnswer = v.object({
  height: v.number(),
  /** Who judges rounds now. */
  validator: v.optional(v.picklist(['host', 'tab', 'none']), 'host'),
  /** Latest certificate message, base64; null at height 0. */
  certificate: v.nullable(v.string()),
  checkpoint: v.object({ hash: v.string(), size: v.number(), height: v.number() }),
});
export type HeadAnswer = v.InferOutput<typeof HeadAnswer>;

const StatusAnswer = v.object({
  peers: v.array(v.object({ contributor: v.string(), peer: v.string(), role: v.string() })),
});

const TimeAnswer = v.object({ time: v.number() });

const ProfilesAnswer = v.object({ profiles: v.array(v.string()) });

const CertificatesAnswer = v.object({ certificates: v.array(v.string()) });

const REQUEST_TIMEOUT_MS = 15_000;
/** Longest silence in a download. A total would be wrong: a volunteer's own limit may make a checkpoint take hours. */
const STALL_MS = 60_000;

export class HostClient {
  readonly baseUrl: string;
  /** Response bytes received so far, for the bandwidth display. */
  bytesIn = 0;
  readonly #limit: RateLimit;

  /** `limit`: what the volunteer allows of the line. */
  constructor(baseUrl: string, limit = new RateLimit()) {
    this.baseUrl = baseUrl.replace(/\/$/, '');
    this.#limit = limit;
  }

  run(signal?: AbortSignal): Promise<RunAnswer> {
    return this.#json('/api/run', RunAnswer, signal);
  }

  head(signal?: AbortSignal): Promise<HeadAnswer> {
    return this.#json('/api/head', HeadAnswer, signal);
  }

  /** Certificates of heights from..., oldest first; the host may send fewer than exist: ask again. */
  async certificates(from: number, signal?: AbortSignal): Promise<Uint8Array[]> {
    const answer = await this.#json(`/api/certificates?from=${from}`, CertificatesAnswer, signal);
    return answer.certificates.map(fromBase64);
  }

  /** Keys (hex) and peer ids of those who validate now, by their last signs of life. */
  async validators(signal?: AbortSignal): Promise<{ key: string; peer: string }[]> {
    const { peers } = await this.#json('/api/status', StatusAnswer, signal);
    return peers
      .filter(({ role }) => role === 'validator')
      .map(({ contributor, peer }) => ({ key: contributor, peer }));
  }

  /** Sealed profiles of contributors, to be opened by the caller. */
  async profiles(signal?: AbortSignal): Promise<Uint8Array[]> {
    const answer = await this.#json('/api/profiles', ProfilesAnswer, signal);
    return answer.profiles.map(fromBase64);
  }

  /** One sample for the clock: send time, server time, receive time. */
  async time(): Promise<ClockSample> {
    const t0 = Date.now();
    const { time } = await this.#json('/api/time', TimeAnswer);
    return { t0, serverTime: time, t1: Date.now() };
  }

  /** Bytes by content address, not yet checked against it. */
  async blob(hash: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const silence = new AbortController();
    const stop = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const listen = (): void => {
      timer = setTimeout(() => silence.abort(), STALL_MS);
    };
    listen();
    try {
      const response = await this.#get(`/api/blob/${hash}`, silence.signal, signal);
      const reader = response.body?.getReader();
      const chunks: Uint8Array<ArrayBuffer>[] = [];
      for (;;) {
        const next = await reader?.read();
        if (next === undefined || next.done) break;
        clearTimeout(timer);
        chunks.push(next.value);
        this.bytesIn += next.value.byteLength;
        // Not reading on is what slows the sender down.
        await this.#limit.take('in', next.value.byteLength, stop);
        listen();
      }
      return new Uint8Array(await new Blob(chunks).arrayBuffer());
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof HostError) throw cause;
      throw new HostError(`The download from ${this.baseUrl} broke off.`, true, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  async #json<S extends v.GenericSchema>(
    path: string,
    schema: S,
    signal?: AbortSignal,
  ): Promise<v.InferOutput<S>> {
    const response = await this.#get(path, AbortSignal.timeout(REQUEST_TIMEOUT_MS), signal);
    const text = await response.text();
    this.bytesIn += text.length;
    this.#limit.spend('in', text.length);
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (cause) {
      throw new HostError(
        `${this.baseUrl}${path} did not answer with JSON. Is this address a Tabswarm host?`,
        false,
        { cause },
      );
    }
    const result = v.safeParse(schema, json);
    if (!result.success) {
      throw new HostError(
        `${this.baseUrl}${path} answered in an unknown form: ${result.issues[0].message}. Reload the page.`,
        false,
      );
    }
    return result.output;
  }

  async #get(path: string, timeout: AbortSignal, signal?: AbortSignal): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`${this.baseUrl}${path}`, {
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new HostError(`The host at ${this.baseUrl} cannot be reached.`, true, { cause });
    }
    if (!response.ok) {
      throw new HostError(
        `The host answered ${response.status} for ${path}.`,
        response.status >= 500 || response.status === 429,
      );
    }
    return response;
  }
}

/** Bytes of a base64 text. Throws HostError on anything else. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  } catch (cause) {
    throw new HostError('The host sent bytes that are not base64. Reload the page.', false, { cause });
  }
}
