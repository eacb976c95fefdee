/** Whose share a connection counts on, and whose word for an address is believed. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressShare, clientAddress, plainAddress, TrustedProxies } from './address-share.ts';

const request = (remoteAddress: string | undefined, forwarded?: string | string[]) => ({
  headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded as string },
  socket: { remoteAddress },
});

describe('a share', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7'],
    ['0:0:0:0:0:ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    [undefined, 'local'],
    ['', 'local'],
  ])('of %s is %s', (address, share) => {
    expect(addressShare(address)).toBe(share);
  });

  test('is one for the 2^64 addresses of a household, and another for its neighbour', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.ipV6(), (a, b) => {
        const [left, right] = [plainAddress(a), plainAddress(b)].map((one) => addressShare(one));
        expect(addressShare(a)).toBe(left);
        expect(addressShare(b)).toBe(right);
        if (left !== undefined && left.endsWith('::/64'))
          expect(addressShare(left.replace('::/64', ':1:2:3:4'))).toBe(left);
      }),
    );
  });
});

describe('the address of a request', () => {
  const loopback = new TrustedProxies();

  test.each([
    ['no header', '198.51.100.1', undefined, '198.51.100.1'],
    ['a header from a stranger', '198.51.100.1', '10.0.0.1', '198.51.100.1'],
    ['a header from a proxy on this machine', '127.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['the same in IPv6 clothes', '::ffff:127.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['the same by IPv6', '::1', '2001:db8::5', '2001:db8::5'],
    [
      'what the client made up before the proxy added its own',
      '127.0.0.1',
      '1.1.1.1, 198.51.100.1',
      '198.51.100.1',
    ],
    ['an address with a port', '127.0.0.1', '198.51.100.1:4711', '198.51.100.1'],
    ['an IPv6 address with a port', '127.0.0.1', '[2001:db8::5]:4711', '2001:db8::5'],
    ['no address at all', '127.0.0.1', 'unknown', '127.0.0.1'],
    ['nothing', '127.0.0.1', '', '127.0.0.1'],
    ['only proxies', '127.0.0.1', '127.0.0.2, 127.0.0.3', '127.0.0.2'],
    ['no socket address', undefined, '198.51.100.1', 'local'],
  ])('with %s', (_, remote, forwarded, expected) => {
    expect(clientAddress(request(remote, forwarded), loopback)).toBe(expected);
  });

  test('with several headers of the name', () => {
    expect(clientAddress(request('127.0.0.1', ['1.1.1.1', '198.51.100.1']), loopback)).toBe('198.51.100.1');
  });

  test('through a chain of trusted proxies', () => {
    const chain = new TrustedProxies(['10.0.0.0/8', '2001:db8:ffff::/48']);
    const hops = '9.9.9.9, 198.51.100.1, 2001:db8:ffff::7';
    expect(clientAddress(request('10.1.2.3', hops), chain)).toBe('198.51.100.1');
    expect(clientAddress(request('127.0.0.1', hops), chain)).toBe('127.0.0.1'); // named ones replace the default
  });

  test('with nobody trusted is the socket’s', () => {
    expect(clientAddress(request('127.0.0.1', '1.1.1.1'), new TrustedProxies([]))).toBe('127.0.0.1');
  });

  test('is never further left than the last address that no trusted proxy has', () => {
    const made = fc.array(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), { maxLength: 40 });
    fc.assert(
      fc.property(made, (entries) => {
        const forwarded = [...entries, '198.51.100.1'].join(', ');
        expect(clientAddress(request('127.0.0.1', forwarded), loopback)).toBe('198.51.100.1');
        expect(clientAddress(request('198.51.100.2', entries.join(',')), loopback)).toBe('198.51.100.2');
      }),
    );
  });
});

test.each([
  ['10.0.0.1', true],
  ['10.0.0.0/8', true],
  ['::1', true],
  ['2001:db8::/32', true],
  ['::ffff:10.0.0.0/104', true],
  ['', false],
  ['loopback', false],
  ['10.0.0.0/33', false],
  ['10.0.0.0/', false],
  ['10.0.0.0/8/8', false],
  ['10.0.0', false],
  ['::/129', false],
  ['::ffff:10.0.0.0/8', false],
  ['fe80::1%eth0', false],
  ['example.org', false],
])('%s as an entry of trusted proxies: %s', (text, good) => {
  expect(TrustedProxies.isEntry(text)).toBe(good);
  if (good) expect(() => new TrustedProxies([text])).not.toThrow();
  else expect(() => new TrustedProxies([text])).toThrow(RangeError);
});

test('IPv4 blocks cover addresses in IPv6 clothes', () => {
  expect(new TrustedProxies(['::ffff:10.0.0.0/104']).has(plainAddress('::ffff:10.9.9.9'))).toBe(true);
  expect(new TrustedProxies(['10.0.0.0/8']).has(plainAddress('::ffff:10.9.9.9'))).toBe(true);
  expect(new TrustedProxies(['10.0.0.0/8']).has('11.0.0.1')).toBe(false);
});
