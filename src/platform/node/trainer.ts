/**
 * The trainer of a Node peer: the browser's trainer on Dawn, in a process of its own behind the same interface.
 *
 * A process and not a thread: a driver that hangs or crashes must not take the peer with it. Ending a thread in the
 * middle of training aborted the whole process in two of four tries; and a thread has its own copy of the environment,
 * so that the driver for the processor cannot be chosen there.
 */
import { tmpdir } from 'node:os';
import type { AdapterReport } from '../../kernels/gpu.ts';
import { messageOf } from '../../protocol/errors.ts';
import type { TrainerApi } from '../../work/pretrain/trainer-api.ts';
import type { TrainerClient } from '../../work/pretrain/trainer-api.ts';
import { type GpuRemedy, PlatformError } from './errors.ts';
import { CalledProcess } from './process-calls.ts';
import { findSwiftShader } from './swiftshader.ts';
import { TUNING_FOLDER } from './tuning-folder.ts';

/** A graphics card with its own driver, or SwiftShader on the processor. */
export type DeviceKind = 'gpu' | 'cpu';

/** A device that answered, and how to open it again. */
export interface NodeDevice {
  readonly kind: DeviceKind;
  readonly adapter: AdapterReport;
}

/** What one set of drivers offers, as the trainer's process sees it. */
export type Probe =
  | { readonly adapter: AdapterReport }
  | { readonly adapter: null; readonly missing: 'package' | 'adapter'; readonly cause: string };

/** What the process answers. */
export type ProcessApi = TrainerApi & { probe(): Promise<Probe> };

/** A driver that has not answered by then hangs. Opening one takes about half a second. */
const PROBE_TIMEOUT = 60_000;

/**
 * Finds the device to train on: the wanted kind, or by default a real graphics card before the processor. Each is tried
 * in a process that ends afterwards. Throws {@link PlatformError} `no-gpu`.
 */
export async function chooseDevice(
  wanted?: DeviceKind,
  swiftshader: string | null = findSwiftShader(),
): Promise<NodeDevice> {
  const causes: string[] = [];
  let remedy: GpuRemedy = 'driver';
  for (const kind of wanted === undefined ? (['gpu', 'cpu'] as const) : [wanted]) {
    const probe = await probeDevice(kind, swiftshader);
    // On the machine's own drivers too a processor may stand in for the card, and the other way round.
    if (probe.adapter !== null && probe.adapter.software === (kind === 'cpu'))
      return { kind, adapter: probe.adapter };
    if (probe.adapter === null && probe.missing === 'package') remedy = 'webgpu-package';
    else if (kind === 'cpu') remedy = 'chromium';
    const found = probe.adapter === null ? probe.cause : probe.adapter.description;
    causes.push(`${kind}: ${found}`);
  }
  throw new PlatformError('no-gpu', {
    wanted: wanted ?? 'any',
    install: remedy,
    cause: causes.join('; '),
  });
}

async function probeDevice(kind: DeviceKind, swiftshader: string | null): Promise<Probe> {
  const child = startProcess(kind, swiftshader);
  const timer = setTimeout(() => child.kill(), PROBE_TIMEOUT);
  try {
    return await child.call('probe');
  } catch (error) {
    return { adapter: null, missing: 'adapter', cause: messageOf(error) };
  } finally {
    clearTimeout(timer);
    child.kill();
  }
}

/**
 * Starts the trainer's process on a device that {@link chooseDevice} found. With `tunings`, a folder, a graphics card is
 * measured once and not at every start.
 */
export function startTrainer(kind: DeviceKind, tunings?: string): TrainerClient {
  const child = startProcess(kind, findSwiftShader(), tunings);
  return {
    open: (manifest) => child.call('open', manifest),
    load: (theta) => child.call('load', theta),
    train: (assignment, until, onProgress) => child.call('train', assignment, until, onProgress),
    stop: () => child.call('stop'),
    finish: (tag) => child.call('finish', tag),
    apply: (submissions) => child.call('apply', submissions),
    settle: (outcome) => child.call('settle', outcome),
    carry: (round) => child.call('carry', round),
    setGpuShare: (share) => child.call('setGpuShare', share),
    setPaused: (paused) => child.call('setPaused', paused),
    theta: () => child.call('theta'),
    close: () => child.call('close'),
    terminate: () => child.kill(),
  };
}

function startProcess(
  kind: DeviceKind,
  swiftshader: string | null,
  tunings?: string,
): CalledProcess<ProcessApi> {
  return new CalledProcess<ProcessApi>({
    script: new URL('./trainer.process.ts', import.meta.url),
    env: {
      ...driverEnvironment(kind, swiftshader),
      ...(tunings === undefined ? {} : { [TUNING_FOLDER]: tunings }),
    },
    ended: ({ cause, output }) => new PlatformError('trainer-ended', { cause, output }),
  });
}

/** The Vulkan loader reads these when Dawn opens it. VK_DRIVER_FILES is the newer name and would win. */
function driverEnvironment(kind: DeviceKind, swiftshader: string | null): NodeJS.ProcessEnv {
  const env = { ...process.env };
  // The loader complains without one.
  env['XDG_RUNTIME_DIR'] ??= tmpdir();
  if (kind === 'cpu' && swiftshader !== null) {
    env['VK_ICD_FILENAMES'] = swiftshader;
    delete env['VK_DRIVER_FILES'];
  }
  return env;
}
