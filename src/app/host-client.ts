/**
 * The organizer's HTTP interface as a tab uses it: run description, time, head of the chain, certificates, blobs.
 *
 * Everything that comes back is checked by its signature or hash by the caller; nothing here is trusted.
 * docs/protocol.md lists the endpoints.
 */
import * as v from 'valibot';
import type { ClockSample } from '../protocol/clock.ts';

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
  /** Latest certificate message, base64; null at height 0. */
  certificate: v.nullable(v.string()),
  checkpoint: v.object({ hash: v.string(), size: v.number(), height: v.number() }),
});
export type HeadAnswer = v.InferOutput<typeof HeadAnswer>;

const TimeAnswer = v.object({ time: v.number() });

const CertificatesAnswer = v.object({ certificates: v.array(v.string()) });

const REQUEST_TIMEOUT_MS = 15_000;
/** A checkpoint of 124 M parameters is 500 MB; on 20 Mbit/s that takes 200 s. */
const BLOB_TIMEOUT_MS = 600_000;

export class HostClient {
  readonly baseUrl: string;
  /** Response bytes received so far, for the bandwidth display. */
  bytesIn = 0;

  constructor(baseUrl: string) {
    this.baseUrl = baseUrl.replace(/\/$/, '');
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

  /** One sample for the clock: send time, server time, receive time. */
  async time(): Promise<ClockSample> {
    const t0 = Date.now();
    const { time } = await this.#json('/api/time', TimeAnswer);
    return { t0, serverTime: time, t1: Date.now() };
  }

  /** Bytes by content address, not yet checked against it. */
  async blob(hash: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const response = await this.#get(`/api/blob/${hash}`, BLOB_TIMEOUT_MS, signal);
    const bytes = new Uint8Array(await response.arrayBuffer());
    this.bytesIn += bytes.byteLength;
    return bytes;
  }

  async #json<S extends v.GenericSchema>(
    path: string,
    schema: S,
    signal?: AbortSignal,
  ): Promise<v.InferOutput<S>> {
    const response = await this.#get(path, REQUEST_TIMEOUT_MS, signal);
    const text = await response.text();
    this.bytesIn += text.length;
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

  async #get(path: string, timeoutMs: number, signal?: AbortSignal): Promise<Response> {
    const timeout = AbortSignal.timeout(timeoutMs);
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
