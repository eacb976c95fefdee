/** By which addresses a host is reached: what it listens on, put into URLs. */
import type { NetworkInterfaceInfo } from 'node:os';

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

/** The spelling of an IPv6 address that all its spellings share. */
const plain = (address: string): string =>
  URL.canParse(`http://[${address}]/`) ? new URL(`http://[${address}]/`).hostname.slice(1, -1) : address;

/** IPv4 written as IPv6, as Node accepts it to listen on. */
const ANY_V4 = plain('::ffff:0.0.0.0');

const isLoopback = (address: string): boolean =>
  /^127\.|^localhost$/i.test(address) || plain(address) === '::1' || plain(address).startsWith('::ffff:7f');

const inUrl = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/** What a browser on this machine opens. */
export function localName(address: string): string {
  const isAny = address === '0.0.0.0' || plain(address) === '::' || plain(address) === ANY_V4;
  return isAny || isLoopback(address) ? 'localhost' : inUrl(address);
}

/**
 * What others on this machine's networks can try, IPv4 first. Link-local addresses are left out: they need the name of
 * an interface, which a URL has no place for.
 */
export function otherAddresses(address: string, interfaces: Interfaces): string[] {
  if (isLoopback(address)) return [];
  const both = plain(address) === '::';
  if (!both && address !== '0.0.0.0' && plain(address) !== ANY_V4) return [inUrl(address)];
  const found = Object.values(interfaces)
    .flatMap((entries) => entries ?? [])
    .filter(
      ({ internal, address: own }) =>
        !internal && !/^fe[89ab][0-9a-f]:/i.test(own) && !own.startsWith('169.254.'),
    );
  const of = (family: string): string[] =>
    found.filter((entry) => entry.family === family).map((entry) => inUrl(entry.address));
  return [...of('IPv4'), ...(both ? of('IPv6') : [])];
}
