/** A Node process as a participant's platform: blobs in a folder, its key in a file, its node with libdatachannel. */
import { networkInterfaces, uptime } from 'node:os';
import type { Platform } from '../../peer/platform.ts';
import { fromHex } from '../../protocol/bytes.ts';
import { machineClock } from '../../protocol/steady-clock.ts';
import { BlobFolder } from './blob-folder.ts';
import { type KeyFile, openKeyFile } from './key-file.ts';
import { createNodeSwarm, type DirectSupport } from './swarm.ts';

export interface NodePlatformOptions {
  /** Path of the key file; asked for when an identity is claimed. */
  readonly keyFile: () => string;
  /** Folder of kept blobs. */
  readonly blobs: string;
  /** A kept blob had other bytes than its hash says, and is gone. */
  readonly onCorrupt?: (hash: string) => void;
  readonly onKey?: (key: Pick<KeyFile, 'created' | 'exposed'> & { readonly path: string }) => void;
  /** The node is in the swarm, with direct links or without. */
  readonly onDirect?: (direct: DirectSupport) => void;
}

/** `claimIdentity` rejects with PlatformError when the key cannot be had. */
export function nodePlatform({
  keyFile,
  blobs,
  onCorrupt = () => {},
  onKey = () => {},
  onDirect = () => {},
}: NodePlatformOptions): Platform {
  const folder = new BlobFolder(blobs, { onCorrupt });
  return {
    clock: machineClock(() => uptime() * 1000),
    cache: {
      get: (hash) => folder.get(fromHex(hash)),
      put: async (hash, bytes) => void (await folder.put(fromHex(hash), bytes)),
      delete: (hash) => folder.delete(fromHex(hash)),
    },
    async claimIdentity() {
      const path = keyFile();
      const { identity, release, ...found } = await openKeyFile(path);
      onKey({ path, ...found });
      return { identity, notKept: null, release };
    },
    async joinSwarm(options) {
      const { swarm, direct } = await createNodeSwarm({
        ...options,
        ...(isCutOff() ? { bindAddress: '127.0.0.1' } : {}),
      });
      onDirect(direct);
      return swarm;
    },
  };
}

/** No interface but the loopback: whoever is there is on this machine, and libdatachannel must be told to look here. */
const isCutOff = (): boolean =>
  Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .every(({ internal }) => internal);
