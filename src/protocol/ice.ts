/**
 * STUN and TURN servers as an organizer names them and as a browser takes them: RFC 7064 (stun, stuns), RFC 7065 (turn,
 * turns) and WebRTC's RTCIceServer. A browser refuses all servers because of one bad entry, so each is checked where it
 * is given, and once more by the peer that is about to use it.
 */
import { isClean } from './clean-text.ts';

/** One entry of a list of ICE servers; the members of WebRTC's RTCIceServer. */
export interface IceServer {
  readonly urls: string | readonly string[];
  readonly username?: string;
  readonly credential?: string;
}

/** What is wrong with an entry. */
export type IceRule =
  /** No object, or `urls` that is neither a text nor a list of texts. */
  | 'form'
  /** A member that an entry does not have. */
  | 'unknown-name'
  | 'no-urls'
  | 'too-many-urls'
  /** Another scheme than stun, stuns, turn or turns. */
  | 'scheme'
  /** `//` behind the scheme, as in an http URL. */
  | 'slashes'
  /** A name and password inside the URL, where RFC 7065 has no place for them. */
  | 'user-in-url'
  | 'host'
  /** No port from 1 to 65535. */
  | 'port'
  /** A stun or stuns URL with a query. */
  | 'stun-query'
  /** A turn or turns URL whose query is not `transport=udp` or `transport=tcp`. */
  | 'turn-query'
  /** A turn or turns URL without a user name and a password, or with too long ones. */
  | 'credentials'
  /** Rules hold, and this runtime takes it all the same not. */
  | 'runtime';

export interface IceFault {
  readonly rule: IceRule;
  /** The URL, or the name of the member; '' where the whole entry is wrong. */
  readonly at: string;
}

/** As many URLs as an entry and a whole list may have. Chromium takes 32; every one costs a volunteer a request. */
export const MAX_ICE_URLS = 16;
/** Chromium's limit of a TURN user name, and a generous one of a password. */
const MAX_CREDENTIAL = 509;
const MEMBERS: ReadonlySet<string> = new Set(['urls', 'username', 'credential']);

const URL_FORM = /^(?<scheme>[a-z]+):(?<rest>.*)$/s;
/** host [":" port] ["?" query] */
const AUTHORITY = /^(?<host>\[[^\]]*\]|[^:?[\]]*)(?::(?<port>[^?]*))?(?:\?(?<query>.*))?$/s;

/** What is wrong with an ICE URL; null: nothing. `credentials` is not asked for here. */
export function iceUrlRule(url: string): IceRule | null {
  const { scheme = '', rest = '' } = URL_FORM.exec(url)?.groups ?? {};
  if (scheme !== 'stun' && scheme !== 'stuns' && scheme !== 'turn' && scheme !== 'turns') return 'scheme';
  if (rest.startsWith('/')) return 'slashes';
  if (rest.includes('@')) return 'user-in-url';
  const { host = '', port, query } = AUTHORITY.exec(rest)?.groups ?? {};
  if (!isHost(host)) return 'host';
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535))
    return 'port';
  if (query === undefined) return null;
  if (scheme === 'stun' || scheme === 'stuns') return 'stun-query';
  return query === 'transport=udp' || query === 'transport=tcp' ? null : 'turn-query';
}

/** A name of the DNS in ASCII, an IPv4 address, or an IPv6 address in brackets. */
function isHost(host: string): boolean {
  if (host.startsWith('[')) return /^\[[0-9a-f:.]+\]$/i.test(host) && URL.canParse(`http://${host}/`);
  if (
    !/^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?$/i.test(
      host,
    )
  )
    return false;
  // A name whose last part is a number is an IPv4 address, or nothing.
  const last = host.replace(/\.$/, '').split('.').at(-1) ?? '';
  if (!/^(\d+|0x[0-9a-f]*)$/i.test(last)) return true;
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(host) && host.split('.').every((part) => Number(part) <= 255);
}

/** The first thing that is wrong with an entry; null: it is an {@link IceServer}. Never throws. */
export function iceFault(entry: unknown): IceFault | null {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return { rule: 'form', at: '' };
  for (const name of Object.keys(entry))
    if (!MEMBERS.has(name)) return { rule: 'unknown-name', at: shown(name) };
  const { urls, username, credential } = entry as Record<string, unknown>;
  const list: readonly unknown[] = Array.isArray(urls) ? urls : [urls];
  if (list.length === 0) return { rule: 'no-urls', at: '' };
  if (list.length > MAX_ICE_URLS) return { rule: 'too-many-urls', at: '' };
  for (const name of ['username', 'credential'] as const) {
    const value = name === 'username' ? username : credential;
    if (value !== undefined && typeof value !== 'string') return { rule: 'form', at: name };
  }
  for (const url of list) {
    if (typeof url !== 'string') return { rule: 'form', at: 'urls' };
    const rule = iceUrlRule(url);
    if (rule !== null) return { rule, at: shown(url) };
    if (/^turns?:/.test(url) && !(isCredential(username) && isCredential(credential)))
      return { rule: 'credentials', at: shown(url) };
  }
  return null;
}

const isCredential = (text: unknown): boolean =>
  typeof text === 'string' && text !== '' && text.length <= MAX_CREDENTIAL && isClean(text);

/** Without what would be a password. */
const shown = (url: string): string => url.replace(/:[^:@]*@/, ':…@').slice(0, 200);

/** An entry that a peer leaves out, and why. */
export type SkippedIce = IceFault;

/**
 * The entries that a peer can use, as WebRTC wants them, and those that it leaves out. `takes`: whether the runtime
 * accepts an entry by itself; it has the last word. Never throws.
 */
export function usableIceServers(
  entries: readonly unknown[],
  takes: (server: RTCIceServer) => boolean,
): { readonly usable: readonly RTCIceServer[]; readonly skipped: readonly SkippedIce[] } {
  const usable: RTCIceServer[] = [];
  const skipped: SkippedIce[] = [];
  let urls = 0;
  for (const entry of entries.slice(0, 2 * MAX_ICE_URLS)) {
    const fault = iceFault(entry);
    if (fault !== null) {
      skipped.push(fault);
      continue;
    }
    const { urls: named, ...credentials } = entry as IceServer;
    const list = typeof named === 'string' ? [named] : [...named];
    const server: RTCIceServer = { urls: list, ...credentials };
    const [first = ''] = list;
    if (urls + list.length > MAX_ICE_URLS) skipped.push({ rule: 'too-many-urls', at: first });
    else if (takes(server)) {
      usable.push(server);
      urls += list.length;
    } else skipped.push({ rule: 'runtime', at: first });
  }
  return { usable, skipped };
}
