/** A browser's tab as a participant's platform, and as a seat's. */
import { adapterLine } from '../../kernels/gpu.ts';
import type { Platform } from '../../peer/platform.ts';
import type { SeatPlatform } from '../../peer/validating.ts';
import { machineClock } from '../../protocol/steady-clock.ts';
import { createTabSwarm } from '../../swarm/tab-node.ts';
import { openWorkerReplays, WorkerLossMeter } from '../../worker/validator-client.ts';
import { browserBlobCache } from './blob-cache.ts';
import { identityClaims } from './identities.ts';
import { openSeatMemory } from './seat-memory.ts';
import { tryLock } from './tab-lock.ts';

const TICK_MS = 500;

export const browserPlatform = (): Platform => ({
  clock: machineClock(),
  cache: browserBlobCache(),
  claimIdentity: identityClaims(),
  joinSwarm: createTabSwarm,
});

export const browserSeat = (): SeatPlatform => ({
  lock: tryLock,
  openMemory: openSeatMemory,
  async openMeter(manifest, tick) {
    const meter = new WorkerLossMeter(manifest, 'auto', { ms: TICK_MS, callback: tick });
    const { name, fallback } = await meter.opened();
    return { meter, name, fallback };
  },
  async openReplays(manifest, software) {
    const opened = await openWorkerReplays(manifest, software);
    return 'replays' in opened ? { ...opened, adapter: adapterLine(opened.adapter) } : opened;
  },
});
