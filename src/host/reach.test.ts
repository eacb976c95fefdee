/** What a host says of its addresses, on machines with one family, both, or none. */
import { expect, test } from 'vitest';
import { type Interfaces, localName, otherAddresses } from './reach.ts';

const entry = (address: string, internal = false) => ({
  address,
  internal,
  family: address.includes(':') ? 'IPv6' : 'IPv4',
});
const machine = (...addresses: string[]): Interfaces =>
  ({
    lo: [entry('127.0.0.1', true), entry('::1', true)],
    eth0: addresses.map((a) => entry(a)),
  }) as unknown as Interfaces;
const both = machine('192.0.2.7', '2001:db8::7', 'fe80::7', '169.254.1.2');

test('all networks: both families, IPv6 in brackets, no link-local addresses', () => {
  for (const any of ['::', '0:0:0:0:0:0:0:0', '::0'])
    expect(otherAddresses(any, both), any).toEqual(['192.0.2.7', '[2001:db8::7]']);
  for (const any of ['0.0.0.0', '::ffff:0.0.0.0'])
    expect(otherAddresses(any, both), any).toEqual(['192.0.2.7']);
  expect(otherAddresses('::', machine('2001:db8::7', 'fe80::7'))).toEqual(['[2001:db8::7]']);
  expect(otherAddresses('0.0.0.0', machine('2001:db8::7'))).toEqual([]);
  expect(otherAddresses('::', machine())).toEqual([]);
});

test('one address is itself, and the loopback is nobody else’s', () => {
  expect(otherAddresses('192.0.2.7', both)).toEqual(['192.0.2.7']);
  expect(otherAddresses('2001:db8::7', both)).toEqual(['[2001:db8::7]']);
  for (const own of ['127.0.0.1', '127.1.2.3', '::1', '0:0:0:0:0:0:0:1', 'localhost', '::ffff:127.0.0.1']) {
    expect(otherAddresses(own, both), own).toEqual([]);
    expect(localName(own), own).toBe('localhost');
  }
  expect(localName('::')).toBe('localhost');
  expect(localName('2001:db8::7')).toBe('[2001:db8::7]');
});
