/** The swarm in real tabs: direct links between every pair, blobs by hash, nothing but signalling through the host. */
import { expect, type Page, test } from '@playwright/test';
import { sha256, toHex } from '../src/protocol/bytes.ts';
import { RELAY_DATA_LIMIT } from '../src/swarm/limits.ts';
import { blobOf } from './swarm/blob.ts';
import { buildPage, linked, openTab, startHost, type TestHost, type TestTab } from './swarm/harness.ts';

let built: { dir: string; remove: () => void };
test.beforeAll(async () => {
  built = await buildPage();
});
test.afterAll(() => built.remove());

async function expectFullMesh(tabs: TestTab[]): Promise<void> {
  for (const tab of tabs) {
    const others = tabs.filter((other) => other !== tab).map((other) => other.id);
    await expect.poll(() => linked(tab, 'direct')).toEqual(others.toSorted());
  }
}

const traffic = (page: Page) => page.evaluate(() => window.tab.swarm.traffic());

async function closeAll(host: TestHost, tabs: TestTab[]): Promise<void> {
  for (const tab of tabs) await tab.page.context().close();
  await host.stop();
}

test('three tabs link directly, gossip, and exchange blobs past the host', async ({ browser }) => {
  const host = await startHost(built.dir);
  const heard: string[] = [];
  host.swarm.onMessage((message, from) => {
    heard.push(`${toHex(message)} ${from}`);
    return 'accept';
  });
  const tabs = [await openTab(browser, host), await openTab(browser, host), await openTab(browser, host)];
  const [a, b, c] = tabs as [TestTab, TestTab, TestTab];
  await expectFullMesh(tabs);
  for (const tab of tabs) expect(await linked(tab, 'host')).toEqual([host.swarm.peerId]);

  // Gossip: published once everybody is known to the publisher, heard by both tabs and the host, not by itself.
  await expect.poll(() => a.page.evaluate(() => window.tab.swarm.publish(new Uint8Array([1, 2, 3])))).toBe(3);
  for (const tab of [b, c])
    await expect
      .poll(() => tab.page.evaluate(() => window.tab.received))
      .toContainEqual({ message: '010203', from: a.id });
  await expect.poll(() => heard).toContain(`010203 ${a.id}`);
  expect(await a.page.evaluate(() => window.tab.received)).toEqual([]);

  // Blobs: 3 MB from a tab, found without naming it, and by the host over the tab's own WebSocket.
  const size = 3_000_000;
  const { hash, bytes } = await blobOf(1, size);
  await a.page.evaluate((n) => window.tab.serve(1, n), size);
  for (const tab of [b, c])
    expect(await tab.page.evaluate((n) => window.tab.fetch(1, n, [], false), size)).toBe(toHex(hash));
  expect(toHex(await sha256(await host.swarm.fetch(hash, { size, prefer: [a.id] })))).toBe(toHex(hash));
  expect(await b.page.evaluate((n) => window.tab.fetch(2, n, [], true), size)).toMatch(
    /^unavailable: .*missing/,
  );

  // The host as the last source.
  const own = await blobOf(3, 100_000);
  host.swarm.serve(own.hash, own.bytes);
  expect(await c.page.evaluate(() => window.tab.fetch(3, 100_000, [], false))).toMatch(/^unavailable/);
  expect(await c.page.evaluate(() => window.tab.fetch(3, 100_000, [], true))).toBe(toHex(own.hash));

  const sent = await traffic(a.page);
  expect(sent.bytesOut.direct).toBeGreaterThan(2 * bytes.byteLength);
  expect(sent.bytesOut.host).toBeGreaterThan(bytes.byteLength);
  for (const tab of tabs) {
    const { bytesIn, bytesOut } = await traffic(tab.page);
    expect(bytesIn.relayed + bytesOut.relayed).toBe(0);
  }
  expect(host.swarm.blobTraffic().bytesOut.host).toBeGreaterThanOrEqual(100_000);
  expect(host.swarm.blobTraffic().bytesOut.host).toBeLessThan(102_000);
  // Three pairs were signalled through the relay; none may have carried more than one connection's allowance.
  expect(host.swarm.relayedBytes()).toBeGreaterThan(0);
  expect(host.swarm.relayedBytes()).toBeLessThan(RELAY_DATA_LIMIT);
  console.log(`relayed ${host.swarm.relayedBytes()} bytes for 3 links`);

  // A tab that closes is gone from the others' view, and a late one meets everybody who is left.
  await b.page.close();
  await expectFullMesh([a, c]);
  const late = await openTab(browser, host);
  await expectFullMesh([a, c, late]);

  for (const tab of [a, c, late]) {
    expect(tab.errors).toEqual([]);
    expect(await tab.page.evaluate(() => window.unhandled)).toEqual([]);
  }
  await closeAll(host, [a, b, c, late]);
});

test('tabs outlive the host and come back to it', async ({ browser }) => {
  const first = await startHost(built.dir);
  const tabs = [await openTab(browser, first), await openTab(browser, first)];
  const [a, b] = tabs as [TestTab, TestTab];
  await expectFullMesh(tabs);
  await first.stop();
  await expect.poll(() => a.page.evaluate(() => window.tab.swarm.hostState)).toBe('unreachable');
  expect(await linked(a, 'direct')).toEqual([b.id]);
  await expect.poll(() => a.page.evaluate(() => window.tab.swarm.publish(new Uint8Array([9])))).toBe(1);
  await expect
    .poll(() => b.page.evaluate(() => window.tab.received))
    .toContainEqual({ message: '09', from: a.id });

  const second = await startHost(built.dir, first.port);
  for (const tab of tabs)
    await expect.poll(() => tab.page.evaluate(() => window.tab.swarm.hostState)).toBe('connected');
  await expect.poll(() => second.swarm.reservations).toBe(2);
  expect(await a.page.evaluate(() => window.tab.hostStates)).toEqual(
    expect.arrayContaining(['connected', 'unreachable']),
  );
  const late = await openTab(browser, second);
  await expectFullMesh([a, b, late]);
  for (const tab of [a, b, late]) expect(await tab.page.evaluate(() => window.unhandled)).toEqual([]);
  await closeAll(second, [a, b, late]);
});
