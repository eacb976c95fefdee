/** A host as it is started, and a contributor over a real connection: joined, committed, revealed, certified, on disk. */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { bodyHash } from '../chain/certificate.ts';
import { createNodeSwarm } from '../platform/node/swarm.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { open } from '../protocol/envelope.ts';
import type { Message } from '../protocol/messages.ts';
import { pause, until } from '../protocol/timer.ts';
import { PretendedContributor, PretendedLosses } from '../sim/pretended.ts';
import { hostMultiaddr } from '../swarm/addresses.ts';
import type { GossipVerdict } from '../swarm/types.ts';
import type { HostEvent } from './events.ts';
import { type HostOptions, startHost } from './run.ts';
import { smallRun, temporaryFolder, writeCorpus } from './testing/fixtures.ts';

const folder = temporaryFolder();
const stops: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
  folder.remove();
});

test('a contributor’s work is certified, kept with the opinion on it, and there after a restart', async () => {
  const events: HostEvent[] = [];
  const options: HostOptions = {
    ...smallRun(writeCorpus(folder.dir)),
    startMs: Date.now(),
    roundMs: 5000,
    dataDir: join(folder.dir, 'data'),
    appDir: null,
    port: 0,
    lossMeter: new PretendedLosses(),
    report: (event) => events.push(event),
  };
  const host = await startHost(options);
  const { chain, clock, swarm: hostSwarm } = host.view;
  const { run } = chain;
  const relay = hostMultiaddr(`http://127.0.0.1:${host.port}`, hostSwarm.peerId);
  const { swarm } = await createNodeSwarm({ relays: [relay], topic: run.name }, () =>
    Promise.reject(new Error('no WebRTC is needed to reach a host')),
  );
  stops.push(
    () => host.stop(),
    () => swarm.stop(),
  );
  const heard: Message[] = [];
  swarm.onMessage(async (bytes): Promise<GossipVerdict> => {
    const opened = await open(bytes);
    if (opened.ok) heard.push(opened.message);
    return 'accept';
  });
  const one = await PretendedContributor.create(1, run, await chain.theta(), swarm.peerId);
  // Gossip needs a moment to find the host; a join over the same certificate may be said again.
  while (chain.members.size === 0) {
    await swarm.publish(await one.join(chain.head));
    await pause(clock, 300);
  }
  // A busy machine may miss a round or more.
  const isCertified = () => chain.last?.certificate.body.accepted.length === 1;
  while (!isCertified()) {
    const round = run.rounds.round(clock.now()) + 1;
    await until(clock, run.rounds.start(round) + 50);
    const work = await one.work(round);
    await swarm.publish(work.commit);
    await until(clock, run.rounds.deadlines(round).commit + 50);
    swarm.serve(work.submission.hash, work.bytes);
    await swarm.publish(work.reveal);
    const end = run.rounds.start(round + 1);
    while (!isCertified() && clock.now() < end) await pause(clock, 50);
  }

  const { head, last } = chain;
  expect(last?.certificate.body.accepted).toMatchObject([{ contributor: one.identity.publicKey }]);
  expect(last?.opinions).toHaveLength(1);
  expect(head.root).not.toEqual(run.manifest.genesis.root);
  // Published when it was on disk. Rounds after it, with nothing in them, have opinions too.
  const opinionAt = () => heard.findIndex((m) => m.kind === 'opinion' && m.round === head.round);
  const certificateAt = () =>
    heard.findIndex((m) => m.kind === 'certificate' && bytesEqual(bodyHash(m.body), head.hash));
  while (opinionAt() < 0 || certificateAt() < 0) await pause(clock, 50);
  expect(heard[opinionAt()]).toMatchObject({ height: 1, heldOutLoss: 6 });
  expect(events.filter(({ is }) => is === 'certified')).toHaveLength(2);

  await host.stop();
  const again = await startHost(options);
  stops.push(() => again.stop());
  expect(again.view.chain.head).toEqual(head);
  const status = await (await fetch(`${again.url}api/status`)).json();
  expect(status).toMatchObject({ height: 2, root: toHex(head.root), accepted: 1, heldOutLoss: 6 });
});
