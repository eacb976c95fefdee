/**
 * Whose share of the host's bounded things a connection counts on: the address that a request really comes from, and
 * the part of it that one party holds.
 *
 * A proxy's word for an address (`X-Forwarded-For`) counts only where the proxy is trusted by its own address. An IPv6
 * address counts by its /64, since one household owns 2^64 of them; an IPv4 address in IPv6 clothes counts as IPv4.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** What is read of a node:http request. */
export interface AddressedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** Share of what has no address, such as a Unix socket. */
const NO_ADDRESS = 'local';
/** Proxies believed where the organizer names none: those on this machine. */
const LOOPBACK = ['127.0.0.0/8', '::1'];
/** Entries of a header that are looked at: a chain of proxies is short, and a stranger's header may be 16 KiB. */
const MAX_HOPS = 16;

/** Proxies whose `X-Forwarded-*` headers are believed. */
export class TrustedProxies {
  readonly #list = new BlockList();

  /**
   * `entries`: addresses or CIDR blocks; none: no proxy is believed. Default: loopback. Throws RangeError on an entry
   * that is neither, which {@link TrustedProxies.isEntry} tells beforehand.
   */
  constructor(entries: readonly string[] = LOOPBACK) {
    for (const entry of entries) {
      const block = parseBlock(entry);
      if (block === null) throw new RangeError(`no address or CIDR block: "${entry}"`);
      this.#list.addSubnet(block.address, block.bits, block.family);
    }
  }

  /** Whether a text is an address or a CIDR block. */
  static isEntry(text: string): boolean {
    return parseBlock(text) !== null;
  }

  /** `address` as {@link plainAddress} writes it. */
  has(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#list.check(address, version === 4 ? 'ipv4' : 'ipv6');
  }
}

/** `192.0.2.0/24`, `2001:db8::/32` or a single address; null for anything else. */
function parseBlock(text: string) {
  const [written = '', length, ...rest] = text.split('/');
  const address = plainAddress(written);
  const version = isIP(written) === 0 ? 0 : isIP(address);
  if (version === 0 || rest.length > 0 || written.includes('%')) return null;
  const most = version === 4 ? 32 : 128;
  if (length === undefined) return { address, bits: most, family: familyOf(version) };
  // ::ffff:10.0.0.0/104 means 10.0.0.0/8.
  const bits = Number(length) - (version === 4 && written.includes(':') ? 96 : 0);
  if (!/^\d{1,3}$/.test(length) || bits < 0 || bits > most) return null;
  return { address, bits, family: familyOf(version) };
}

const familyOf = (version: number): 'ipv4' | 'ipv6' => (version === 4 ? 'ipv4' : 'ipv6');

/**
 * The address that a request comes from: the socket's, or, behind trusted proxies, the last one in `X-Forwarded-For`
 * that is not itself a trusted proxy. What a stranger writes further left is never reached.
 */
export function clientAddress(request: AddressedRequest, trusted: TrustedProxies): string {
  let address = plainAddress(request.socket.remoteAddress);
  const header = request.headers['x-forwarded-for'];
  const text = typeof header === 'string' ? header : (header?.join(',') ?? '');
  const hops = text.split(',').slice(-MAX_HOPS).reverse();
  for (const hop of hops) {
    if (!trusted.has(address)) break;
    const next = hopAddress(hop.trim());
    if (next === null) break; // no address: its writer is the last one that is known
    address = next;
  }
  return address;
}

/** An entry of `X-Forwarded-For`: an address, which some proxies write with brackets or a port. */
function hopAddress(text: string): string | null {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+(?:\.\d+){3}):\d+$/.exec(text)?.[1] ?? text;
  return isIP(bare) === 0 ? null : plainAddress(bare);
}

/** Whether an address to listen on is reached from this machine only. */
export const isLoopback = (address: string): boolean =>
  address === 'localhost' || new TrustedProxies().has(plainAddress(address));

/** One spelling of an address: without zone, IPv4 in IPv6 as IPv4, IPv6 shortened. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined || address === '') return NO_ADDRESS;
  const bare = address.replace(/%.*$/, '');
  if (isIP(bare) !== 6) return bare;
  const groups = groupsOf(bare);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff)
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 0xff])
      .join('.');
  return new URL(`http://[${bare}]`).hostname.slice(1, -1);
}

/** The share that an address counts on: an IPv4 address itself, the /64 of an IPv6 address. */
export function addressShare(address: string | undefined): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return plain;
  const network = groupsOf(plain)
    .slice(0, 4)
    .map((group) => group.toString(16));
  return `${network.join(':')}::/64`;
}

/** The eight groups of a valid IPv6 address without zone. */
function groupsOf(address: string): number[] {
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [before = '', after] = canonical.split('::');
  const parse = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [left, right] = [parse(before), parse(after ?? '')];
  const zeros = after === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<number>(zeros).fill(0), ...right];
}
