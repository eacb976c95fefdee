/** ICE servers by RFC 7064, RFC 7065 and WebRTC's RTCIceServer, and what a peer makes of bad ones. */
import { expect, test } from 'vitest';
import { type IceRule, iceFault, iceUrlRule, MAX_ICE_URLS, usableIceServers } from './ice.ts';

test.each([
  'stun:stun.example.org',
  'stun:stun.example.org:3478',
  'stun:192.0.2.1',
  'stun:[2001:db8::1]:3478',
  'stuns:example.org.:5349',
  'stun:localhost:1',
  'stun:a_b:65535',
  'stun:xn--mnchen-3ya.de',
])('%s is a STUN server', (url) => {
  expect(iceUrlRule(url)).toBeNull();
  expect(iceFault({ urls: url })).toBeNull();
  expect(iceFault({ urls: [url] })).toBeNull();
});

test.each([
  'turn:a',
  'turn:a:3478',
  'turn:a:3478?transport=udp',
  'turns:a:443?transport=tcp',
  'turn:[::1]?transport=udp',
])('%s is a TURN server, with name and password', (url) => {
  expect(iceFault({ urls: url, username: 'u', credential: 'c' })).toBeNull();
  for (const rest of [
    {},
    { username: 'u' },
    { credential: 'c' },
    { username: '', credential: 'c' },
    { username: 'u', credential: '' },
    { username: 'u'.repeat(510), credential: 'c' },
    { username: 'a\nb', credential: 'c' },
  ])
    expect(iceFault({ urls: ['stun:b', url], ...rest })).toEqual({ rule: 'credentials', at: url });
});

test.each<[string, IceRule]>([
  ['', 'scheme'],
  ['example.org:3478', 'scheme'],
  ['http://example.org', 'scheme'],
  ['STUN:example.org', 'scheme'],
  [' stun:example.org', 'scheme'],
  ['stunt:example.org', 'scheme'],
  ['stun', 'scheme'],
  ['stun://example.org', 'slashes'],
  ['turn:u:p@example.org', 'user-in-url'],
  ['stun:', 'host'],
  ['stun::3478', 'host'],
  ['turn:?transport=udp', 'host'],
  ['stun:a b', 'host'],
  ['stun:a..b', 'host'],
  ['stun:-a', 'host'],
  ['stun:münchen.de', 'host'],
  ['stun:256.1.1.1', 'host'],
  ['stun:1.2.3', 'host'],
  ['stun:12345', 'host'],
  ['stun:[::g]', 'host'],
  ['stun:[fe80::1%eth0]', 'host'],
  ['stun:2001:db8::1', 'host'],
  ['stun:example.org/path', 'host'],
  ['stun:a\nb', 'host'],
  [`stun:${'a'.repeat(300)}`, 'host'],
  ['stun:a:', 'port'],
  ['stun:a:0', 'port'],
  ['stun:a:99999', 'port'],
  ['stun:a:65536', 'port'],
  ['stun:a:34x', 'port'],
  ['stun:a:-1', 'port'],
  ['stun:a:3478?transport=udp', 'stun-query'],
  ['stuns:a?', 'stun-query'],
  ['turn:a?transport=', 'turn-query'],
  ['turn:a?transport=sctp', 'turn-query'],
  ['turn:a?transport=UDP', 'turn-query'],
  ['turn:a?', 'turn-query'],
  ['turn:a?transport=udp&x=1', 'turn-query'],
])('"%s" is refused: %s', (url, rule) => {
  expect(iceUrlRule(url)).toBe(rule);
  expect(iceFault({ urls: url, username: 'u', credential: 'c' })?.rule).toBe(rule);
});

test.each<[unknown, IceRule]>([
  [null, 'form'],
  ['stun:a', 'form'],
  [7, 'form'],
  [[], 'form'],
  [{}, 'form'],
  [{ urls: null }, 'form'],
  [{ urls: 7 }, 'form'],
  [{ urls: {} }, 'form'],
  [{ urls: [['stun:a']] }, 'form'],
  [{ urls: ['stun:a', null] }, 'form'],
  [{ urls: 'stun:a', username: 7 }, 'form'],
  [{ urls: 'turn:a', username: 'u', credential: {} }, 'form'],
  [{ urls: [] }, 'no-urls'],
  [{ urls: Array.from({ length: MAX_ICE_URLS + 1 }, () => 'stun:a') }, 'too-many-urls'],
  [{ url: 'stun:a' }, 'unknown-name'],
  [{ urls: 'stun:a', credentialType: 'password' }, 'unknown-name'],
])('%j is no entry', (entry, rule) => {
  expect(iceFault(entry)?.rule).toBe(rule);
});

test('a peer leaves bad entries out and keeps the others in their order', () => {
  const refusedByRuntime = 'stun:odd';
  const { usable, skipped } = usableIceServers(
    [
      { urls: 'stun:a' },
      { urls: 'http://b' },
      { urls: [] },
      'stun:c',
      { urls: refusedByRuntime },
      { urls: 'turn:d', username: 'u', credential: 'c' },
      { urls: 'turn:e' },
    ],
    ({ urls }) => urls[0] !== refusedByRuntime,
  );
  expect(usable).toEqual([{ urls: ['stun:a'] }, { urls: ['turn:d'], username: 'u', credential: 'c' }]);
  expect(skipped).toEqual([
    { rule: 'scheme', at: 'http://b' },
    { rule: 'no-urls', at: '' },
    { rule: 'form', at: '' },
    { rule: 'runtime', at: refusedByRuntime },
    { rule: 'credentials', at: 'turn:e' },
  ]);
});

test('a long list costs a peer no more than a short one', () => {
  const many = Array.from({ length: 10_000 }, (_, i) => ({ urls: `stun:s${i}` }));
  let asked = 0;
  const { usable, skipped } = usableIceServers(many, () => ++asked > 0);
  expect(usable).toHaveLength(MAX_ICE_URLS);
  expect(asked).toBe(MAX_ICE_URLS);
  expect(skipped.length).toBeLessThan(2 * MAX_ICE_URLS);
});

test('a password in a URL is not shown', () => {
  expect(iceFault({ urls: 'turn:alice:secret@a' })?.at).not.toContain('secret');
});
