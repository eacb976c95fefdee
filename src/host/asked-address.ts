/** Under which address somebody asked this host, as far as a request and trusted proxies say, and which pages are its own. */
import { type AddressedRequest, plainAddress, type TrustedProxies } from '../swarm/address-share.ts';

/** What a host knows of its own address. */
export interface OwnAddress {
  /** What tabs reach it by when a proxy is in front, as a URL whose path ends in a slash; null: what they ask for. */
  readonly publicUrl: URL | null;
  /** Whether it speaks TLS itself. */
  readonly tls: boolean;
  readonly trusted: TrustedProxies;
}

/** Name or address with optional port. Anything else is answered as if it were localhost. */
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;

/** The host and port that were asked for; null when the header is nonsense. A trusted proxy may say what it was asked. */
function askedHost(request: AddressedRequest, own: OwnAddress): string | null {
  const { host } = request.headers;
  const asked = fromProxy(request, own, 'x-forwarded-host') ?? host ?? '';
  return HOST.test(asked) && URL.canParse(`http://${asked}/`) ? asked : null;
}

/** What the nearest proxy wrote, if it is trusted. */
function fromProxy(request: AddressedRequest, own: OwnAddress, name: string): string | null {
  if (!own.trusted.has(plainAddress(request.socket.remoteAddress))) return null;
  const value = request.headers[name];
  const text = (typeof value === 'string' ? value : value?.at(-1))?.split(',').at(-1)?.trim();
  return text === undefined || text === '' ? null : text;
}

/** Whether a trusted proxy says that it was asked over HTTPS. */
export const cameByHttps = (request: AddressedRequest, own: OwnAddress): boolean =>
  fromProxy(request, own, 'x-forwarded-proto')?.toLowerCase() === 'https';

/** Whether pages are asked for over HTTPS: by this host's own word, or by a trusted proxy's. */
export const isSecure = (request: AddressedRequest, own: OwnAddress): boolean =>
  own.tls || own.publicUrl?.protocol === 'https:' || cameByHttps(request, own);

/**
 * WebSocket sources for a policy, because not every browser counts them as 'self'. An IPv6 address is no valid source
 * (CSP level 3, section 2.3.1): its pages go by 'self' alone.
 */
export function socketSources(request: AddressedRequest, own: OwnAddress): string[] {
  const hosts = new Set([
    askedHost(request, own) ?? 'localhost',
    ...(own.publicUrl ? [own.publicUrl.host] : []),
  ]);
  const schemes = isSecure(request, own) ? ['wss'] : ['ws', 'wss']; // a proxy may not say that it speaks TLS
  return [...hosts]
    .filter((host) => !host.startsWith('['))
    .flatMap((host) => schemes.map((scheme) => `${scheme}://${host}`));
}

/**
 * Whether an `Origin` header names a page of this host: the public one, or one under the address that was asked for.
 * Schemes are not compared, since a proxy may add TLS.
 */
export function isOwnOrigin(origin: string, request: AddressedRequest, own: OwnAddress): boolean {
  if (!URL.canParse(origin)) return false; // "null" of a sandboxed page too
  const { protocol, host } = new URL(origin);
  if (protocol !== 'http:' && protocol !== 'https:') return false;
  if (host === own.publicUrl?.host) return true;
  const asked = askedHost(request, own);
  // The origin's scheme says which port is left out.
  return asked !== null && new URL(`${protocol}//${asked}/`).host === host;
}
