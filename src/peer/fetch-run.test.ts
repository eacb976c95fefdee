/** The run that a host serves: opened when it is ours to open, and a typed error when it is not. */
import { expect, test } from 'vitest';
import { testChain } from '../chain/testing.ts';
import { PROTOCOL_VERSION } from '../protocol/limits.ts';
import { testIdentity } from '../protocol/testing.ts';
import { fetchRun } from './fetch-run.ts';
import type { RunAnswer } from './host.ts';

const { run } = await testChain(await testIdentity('ada'), { rounds: 0 });
const answer: RunAnswer = {
  protocol: PROTOCOL_VERSION,
  manifest: run.manifestBytes,
  relays: ['/dns4/host'],
  iceServers: [],
};
const asking = (change: Partial<RunAnswer> = {}) => fetchRun({ run: async () => ({ ...answer, ...change }) });

test('a good one is opened, with what the host says beside it', async () => {
  const served = await asking();
  expect(served.run.name).toBe(run.name);
  expect(served.run.manifest).toEqual(run.manifest);
  expect(served.answer).toEqual(answer);
});

test.each([PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1])(
  'of version %i is told before its manifest is read',
  async (protocol) => {
    await expect(asking({ protocol, manifest: new Uint8Array() })).rejects.toMatchObject({
      name: 'RunError',
      code: 'protocol-version',
      facts: { ours: PROTOCOL_VERSION, theirs: protocol },
    });
  },
);

test('a manifest that is damaged, or none, is told', async () => {
  const damaged = run.manifestBytes.map((byte, i) => (i === 300 ? byte ^ 1 : byte));
  for (const manifest of [damaged, new Uint8Array(), Uint8Array.of(1, 2, 3)])
    await expect(asking({ manifest })).rejects.toMatchObject({ name: 'RunError', code: 'bad-manifest' });
});
