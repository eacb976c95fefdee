/**
 * The organizer's HTTP interface: run description, time, head of the chain, certificates, blobs. docs/protocol.md lists the
 * endpoints. The same in a browser and in Node.
 */
import * as v from 'valibot';
import type { SealedLink } from '../chain/follower.ts';
import type { ClockSample } from '../protocol/clock.ts';
import { type Clock, withDeadline } from '../protocol/timer.ts';
import { RateLimit } from '../swarm/rate-limit.ts';
import { type HeadAnswer, type Host, HostError, type RunAnswer } from './host.ts';

const RunSchema = v.object({
  protocol: v.number(),
  /** Signed manifest, base64. */
  manifest: v.string(),
  relays: v.array(v.string()),
  iceServers: v.optional(
    v.array(
      v.object({
        urls: v.union([v.string(), v.array(v.string())]),
        username: v.exactOptional(v.string()),
        credential: v.exactOptional(v.string()),
      }),
    ),
    [],
  ),
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
    const { manifest, ...answer } = await this.#json('/api/run', RunSchema, signal);
    return { ...answer, manifest: this.#bytes(manifest) };
  }

  head(signal?: AbortSignal): Promise<HeadAnswer> {
    return this.#json('/api/head', HeadSchema, signal);
  }

  async links(from: number, signal?: AbortSignal): Promise<SealedLink[]> {
    const { links } = await this.#json(`/api/certificates?from=${from}`, LinksAnswer, signal);
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

  async blob(hash: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const silence = new AbortController();
    const stop = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
    let cancel = (): void => {};
    const listen = (): void => {
      cancel = this.#clock.at(this.#clock.now() + STALL_MS, () => silence.abort());
    };
    listen();
    try {
      const response = await this.#get(`/api/blob/${hash}`, stop, signal);
      const reader = response.body?.getReader();
      const chunks: Uint8Array<ArrayBuffer>[] = [];
      for (;;) {
        const next = await reader?.read();
        if (next === undefined || next.done) break;
        cancel();
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
      throw new HostError('broken-off', true, { url: this.baseUrl }, { cause });
    } finally {
      cancel();
    }
  }

  #json<S extends v.GenericSchema>(path: string, schema: S, signal?: AbortSignal): Promise<v.InferOutput<S>> {
    const until = this.#clock.now() + REQUEST_TIMEOUT_MS;
    return withDeadline(this.#clock, until, signal, async (either) => {
      const url = `${this.baseUrl}${path}`;
      const response = await this.#get(path, either, signal);
      const text = await response.text().catch((cause: unknown) => {
        signal?.throwIfAborted();
        throw new HostError('broken-off', true, { url }, { cause });
      });
      this.bytesIn += text.length;
      this.#limit.spend('in', text.length);
      let json: unknown;
      try {
        json = JSON.parse(text);
      } catch (cause) {
        throw new HostError('no-json', false, { url }, { cause });
      }
      const result = v.safeParse(schema, json);
      if (!result.success)
        throw new HostError('other-form', false, { url }, { cause: result.issues[0].message });
      return result.output;
    });
  }

  /** `signal` ends it, `caller`'s abort is thrown as it is. */
  async #get(path: string, signal: AbortSignal, caller?: AbortSignal): Promise<Response> {
    const url = `${this.baseUrl}${path}`;
    let response: Response;
    try {
      response = await fetch(url, { signal });
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
