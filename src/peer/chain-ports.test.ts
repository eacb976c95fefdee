/** Where a follower's certificates, states and work come from, and what a host cannot pass off as one. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ChainPorts, OfferedState } from '../chain/follower.ts';
import { encodeCheckpoint } from '../model/checkpoint.ts';
import { sha256Sync, toHex } from '../protocol/bytes.ts';
import { createSimSwarm, simManifest, type SimSwarm } from '../sim/swarm.ts';
import { memoryCache } from '../sim/platform.ts';
import { testHash } from '../protocol/testing.ts';
import { workloadOf } from '../work/workloads.ts';
import type { AcceptedEntry } from '../protocol/messages.ts';
import { chainPorts } from './chain-ports.ts';
import type { Host } from './host.ts';
import { RoundBlobs } from './round-blobs.ts';

const { signal } = new AbortController();
let sim: SimSwarm;
let host: Host;
let ports: ChainPorts;

beforeEach(async () => {
  sim = await createSimSwarm();
  host = sim.host.for(sim.clock);
  const { run, network } = sim;
  const swarm = network.join('me');
  const sources = { host, swarm, cache: memoryCache(), onCorrupt: () => {} };
  ports = chainPorts({ run, workload: workloadOf(run), sources, blobs: new RoundBlobs(swarm) });
});
afterEach(() => sim.stop());

async function states(): Promise<OfferedState[]> {
  const found: OfferedState[] = [];
  for await (const state of ports.states?.(signal) ?? []) found.push(state);
  return found;
}

/** Has the host show a file as its newest checkpoint. */
function show(bytes: Uint8Array<ArrayBuffer>, height: number): void {
  const checkpoint = { hash: toHex(sha256Sync(bytes)), size: bytes.byteLength, height };
  host.head = async () => ({ height, validator: 'host', checkpoint });
  host.blob = async () => bytes.slice();
}

test('the newest checkpoint is the state that is offered, at the height that the host says', async () => {
  const { theta } = await simManifest();
  expect(await states()).toEqual([{ height: 0, theta }]);
});

test('a checkpoint of another run is not offered', async () => {
  const { theta } = await simManifest();
  const { manifest } = sim.run;
  const file = { height: 4, root: testHash('root'), theta, fractionBits: 24 };
  show(encodeCheckpoint({ ...file, runId: sim.run.id }, manifest.model), 4);
  expect(await states()).toMatchObject([{ height: 4 }]);
  show(encodeCheckpoint({ ...file, runId: testHash('another run') }, manifest.model), 4);
  expect(await states()).toEqual([]);
});

test('a file that is no checkpoint, or not the one it was said to be, is an error', async () => {
  show(Uint8Array.of(1, 2, 3), 0);
  await expect(states()).rejects.toThrow();
  host.blob = async () => Uint8Array.of(3, 2, 1);
  const failing = states();
  let over = false;
  const ended = failing.catch((error: unknown) => error);
  void ended.then(() => {
    over = true;
  });
  await sim.clock.run(() => over);
  expect(await ended).toMatchObject({ name: 'BlobError' });
});

test('links come from the height that is asked for', async () => {
  const asked: number[] = [];
  host.links = async (from) => {
    asked.push(from);
    return [];
  };
  expect(await ports.links(17, signal)).toEqual([]);
  expect(asked).toEqual([17]);
});

test('work is fetched by what its claim names; a claim that names nothing is an error', async () => {
  const entry = { contributor: testHash('key'), units: 1, weight: 256 };
  const bad: AcceptedEntry = { ...entry, claim: Uint8Array.of(1) };
  await expect(ports.work?.(bad, signal)).rejects.toThrow('cannot be read');
});
