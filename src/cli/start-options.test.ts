/** What a person writes on a command line and into a settings file: read as it is meant, or refused by its name. */
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../host/testing/fixtures.ts';
import { cert, expired, key } from '../host/testing/localhost-tls.ts';
import { type Command, textOptions } from './arguments.ts';
import { hostOptions } from './start-options.ts';
import { cli } from './testing.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder.dir, name);
  writeFileSync(path, content);
  return path;
}

const refused = async (...argv: string[]): Promise<string> => {
  const { code, out, err } = await cli(...argv);
  expect(code, err).toBe(2);
  expect(out).toBe('');
  return err;
};
const config = (value: unknown): Promise<string> =>
  refused(
    'start',
    '--config',
    file('config.json', typeof value === 'string' ? value : JSON.stringify(value)),
  );

describe('empty texts', () => {
  const words: Readonly<Record<Command, string[]>> = {
    start: [],
    join: ['http://localhost:1'],
    status: [],
    verify: ['file'],
  };
  const each = Object.entries(words).flatMap(([command, given]) =>
    textOptions(command as Command).map((option) => ({ command, option, given })),
  );
  test.each(each)('$command --$option', async ({ command, option, given }) => {
    for (const empty of ['', ' ', '\t']) {
      expect(await refused(command, ...given, `--${option}`, empty)).toContain(`--${option} is empty`);
      expect(await refused(command, ...given, `--${option}=${empty}`)).toContain(`--${option} is empty`);
    }
    // Without a value.
    expect(await refused(command, ...given, `--${option}`)).toContain(`--${option}`);
  });
  test.each(['join', 'verify'])('the word of %s', async (command) => {
    expect(await refused(command, '')).toContain('is empty');
  });
});

test.each(Object.entries({ port: '1', listen: '::', name: 'a', data: 'd', config: 'c' }))(
  '--%s given twice is refused',
  async (option, value) => {
    expect(await refused('start', `--${option}`, value, `--${option}=${value}`)).toContain(
      `--${option} is given twice`,
    );
  },
);

test.each([
  ['--port', '-1', '65536', '80.5', '1e3', '0x50', 'http', ' 80'],
  ['--audits', '-1', '65', 'many'],
  ['--round-seconds', '4', '86401', '7.5', 'Infinity'],
  ['--preset', 'huge', '__proto__', 'constructor'],
  ['--evaluator', 'cuda'],
  ['--validator', 'phone'],
  [
    '--listen',
    '0',
    '00',
    '0x0',
    '127.1',
    '256.1.1.1',
    '[::]',
    '*',
    'a b',
    ':80',
    '127.0.0.1:80',
    '-x',
    '::1%',
  ],
  ['--public-url', 'ftp://a', '//a', 'x'],
  ['--name', 'a\nb', 'a\u202eb', 'x'.repeat(81)],
])('start %s is refused with other values', async (option, ...values) => {
  for (const value of values) expect(await refused('start', `${option}=${value}`), value).toContain(option);
});

test('values that are meant are taken', () => {
  for (const listen of ['127.0.0.1', '0.0.0.0', '::', '::1', 'localhost', 'fe80::1%eth0', 'host-1.example'])
    expect(hostOptions(['--listen', listen]).listen).toBe(listen);
  expect(
    hostOptions(['--port', '0', '--round-seconds', '5', '--audits', '0', '--name', 'Läufe 走']),
  ).toMatchObject({
    port: 0,
    roundMs: 5000,
    audits: 0,
    name: 'Läufe 走',
  });
});

describe('the settings file', () => {
  test('is decoded as every other text: byte-order mark, UTF-16, Latin-1', async () => {
    const json = '{"organizer": {"name": "Lab"}}';
    expect(hostOptions(['--config', file('bom.json', `\ufeff${json}`)]).organizer).toEqual({ name: 'Lab' });
    for (const bytes of [Buffer.from(`\ufeff${json}`, 'utf16le'), Buffer.from(json, 'utf16le')])
      expect(await refused('start', '--config', file('utf16.json', bytes))).toMatch(/UTF-16.*UTF-8/);
    const latin = Buffer.from('{"organizer": {"name": "Müller"}}', 'latin1');
    expect(await refused('start', '--config', file('latin.json', latin))).toContain('Latin-1');
  });

  test('is a file, small, JSON, and an object', async () => {
    expect(await refused('start', '--config', join(folder.dir, 'absent'))).toContain('does not exist');
    expect(await refused('start', '--config', folder.dir)).toContain('is a folder');
    expect(await refused('start', '--config', file('big.json', ' '.repeat(5 << 20)))).toContain(
      'larger than',
    );
    expect(await refused('start', '--config', '/dev/zero')).toContain('larger than');
    for (const text of ['', '{', '{"a": 1,}', 'name: Lab', '{"a": 1} {"b": 2}', 'NaN'])
      expect(await config(text)).toContain('is not JSON');
    for (const value of [[], null, 7, 'x'])
      expect(await config(JSON.stringify(value))).toMatch(/the file must be an object/);
    expect(await config('['.repeat(100_000))).toContain('is not JSON');
  });

  test.each<[unknown, RegExp]>([
    [{ model: { layers: 100_000 } }, /model\.layers must be at most 256, not 100000\./],
    [{ model: { hiddenSize: 2 ** 20 } }, /model has .* parameters; at most 268 M/],
    [{ model: { hiddenSize: '64' } }, /model\.hiddenSize must be a number, not "64"/],
    [{ model: { heads: 3 } }, /model: hiddenSize must be a multiple of heads/],
    [{ model: { hiddenSize: 65 } }, /model\.hiddenSize must be a multiple of 64/],
    [
      { schedule: { roundMs: 4, trainMs: 1, commitMs: 2, revealMs: 3 } },
      /schedule\.roundMs must be at least 5,000/,
    ],
    [{ schedule: { startMs: 1 } }, /there is no setting "schedule\.startMs"/],
    [{ schedule: { trainMs: 80_000_000 } }, /trainMs < commitMs/],
    [{ schedule: { roundMs: 5000, trainMs: 1, commitMs: 2, revealMs: 3 } }, /shorter than 50 ms/],
    [{ credits: { perRound: 1000, total: 10 } }, /credits: perRound must not be more than total/],
    [{ gauntlet: { selection: 'luck' } }, /gauntlet\.selection must be one of lottery, rating, not "luck"/],
    [{ training: { batch: 4096, sequence: 65_536 } }, /training: .*GiB of graphics memory/],
    [{ organizer: { name: '' } }, /organizer\.name is empty/],
    [{ description: 'a\nb' }, /description has a line end or other hidden characters/],
    [{ iceServers: [{ urls: [] }] }, /iceServers\.0: .*at least one URL/],
    [{ iceServers: [{ urls: 'http://a' }] }, /must begin with stun:/],
    [{ iceServers: [{ urls: 'turn:a' }] }, /username and credential/],
    [{ iceServers: [{ url: 'stun:a' }] }, /no "url"/],
  ])('%j', async (value, sentence) => {
    expect(await config(value)).toMatch(sentence);
  });

  test('a round’s length alone keeps the shares of its phases; two lengths or numbers of audits are refused', async () => {
    const path = file('length.json', '{"schedule": {"roundMs": 60000}}');
    const options = hostOptions(['--config', path]);
    expect(options).toMatchObject({ roundMs: 60_000 });
    expect(options.overrides?.schedule).toBeUndefined();
    expect(await refused('start', '--config', path, '--round-seconds', '60')).toContain(
      'leave one of them out',
    );
    const audits = file('audits.json', '{"gauntlet": {"auditsPerRound": 2}}');
    expect(await refused('start', '--config', audits, '--audits', '3')).toContain('leave one of them out');
    expect(hostOptions(['--config', audits, '--audits', '2']).audits).toBe(2);
  });

  test('nothing is made before a bad setting is told', async () => {
    const data = join(folder.dir, 'never');
    await refused('start', '--data', data, '--config', file('bad.json', '{"model": {"layers": 0}}'));
    expect(readdirSync(folder.dir)).not.toContain('never');
  });
});

describe('ICE servers', () => {
  test('TURN takes its user and password beside it', async () => {
    const password = file('password', 'p:a@s s\n');
    const turn = 'turn:turn.example.org:3478?transport=udp';
    const user = ['--ice-user', 'alice', '--ice-password-file', password];
    expect(hostOptions(['--ice', 'stun:stun.example.org', '--ice', turn, ...user]).iceServers).toEqual([
      { urls: 'stun:stun.example.org' },
      { urls: turn, username: 'alice', credential: 'p:a@s s' },
    ]);
    expect(await refused('start', '--ice', turn)).toContain('--ice-user and --ice-password-file');
    expect(await refused('start', '--ice', turn, '--ice-user', 'alice')).toContain('go together');
    expect(await refused('start', '--ice', 'stun:a', ...user)).toContain('no --ice names one');
    for (const text of ['', '\n', 'a\nb', 'x'.repeat(600)]) {
      const args = ['--ice', turn, '--ice-user', 'alice', '--ice-password-file', file('bad', text)];
      expect(await refused('start', ...args)).toContain('1 to 509 characters');
    }
  });
  test('a bad URL is refused, without its password in the words', async () => {
    for (const url of [
      'stun:a?transport=udp',
      'stun:a:99999',
      'http://a',
      'stun:',
      'stun://a',
      'turns',
      'a:3478',
    ])
      expect(await refused('start', '--ice', url)).toContain('--ice');
    const err = await refused('start', '--ice', 'turn:alice:secret@turn.example.org');
    expect(err).toContain('browsers refuse');
    expect(err).not.toContain('secret');
  });
});

test('a certificate and a key that cannot serve are told by their reason', async () => {
  mkdirSync(join(folder.dir, 'tls'));
  const at = (name: string) => join(folder.dir, 'tls', name);
  const secret = createPrivateKey(key);
  const pem = { type: 'pkcs8', format: 'pem' } as const;
  const files = {
    'key.pem': key,
    'cert.pem': cert,
    'old.pem': expired,
    'other.pem': generateKeyPairSync('ed25519').privateKey.export(pem),
    'locked.pem': secret.export({ ...pem, cipher: 'aes-256-cbc', passphrase: 'secret' }),
    'locked-sec1.pem': secret.export({
      type: 'sec1',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'secret',
    }),
    'key.der': secret.export({ type: 'pkcs8', format: 'der' }),
    'cert.der': new X509Certificate(cert).raw,
    'damaged.pem': cert.replace('MII', 'AAA'),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(at(name), content);
  const tls = (certFile: string, keyFile: string) => ['--cert', at(certFile), '--key', at(keyFile)];
  expect(hostOptions(tls('cert.pem', 'key.pem')).tls).toBeDefined();
  expect(await refused('start', ...tls('cert.pem', 'locked.pem'))).toMatch(
    /--key .*passphrase.*openssl pkey/,
  );
  expect(await refused('start', ...tls('cert.pem', 'locked-sec1.pem'))).toContain('passphrase');
  expect(await refused('start', ...tls('damaged.pem', 'key.pem'))).toMatch(/--cert .*is damaged/);
  expect(await refused('start', ...tls('cert.der', 'key.pem'))).toMatch(/--cert .*DER/);
  expect(await refused('start', ...tls('cert.pem', 'key.der'))).toMatch(/--key .*DER/);
  expect(await refused('start', ...tls('key.pem', 'cert.pem'))).toContain('interchanged');
  expect(await refused('start', ...tls('cert.pem', 'other.pem'))).toContain('does not belong');
  expect(await refused('start', ...tls('old.pem', 'key.pem'))).toContain('has expired');
  expect(await refused('start', ...tls('absent', 'key.pem'))).toContain('does not exist');
  expect(await refused('start', '--cert', file('empty', ''), '--key', at('key.pem'))).toContain('is empty');
  expect(await refused('start', '--cert', file('text', 'hello'), '--key', at('key.pem'))).toContain(
    'no certificate',
  );
  expect(await refused('start', '--cert', at('cert.pem'))).toContain('go together');
});
