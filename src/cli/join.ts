/**
 * `tabswarm join`: a contributor without a browser. The participant that a tab runs, on Dawn and libdatachannel.
 *
 * Keys: one file for each run. Runs cannot tell that two keys are one person's, several runs may go on side by side on
 * one machine, and a lost file costs the credits of one run only.
 */
import { join as pathOf } from 'node:path';
import { HostClient } from '../peer/host-client.ts';
import { toTrouble } from '../peer/trouble.ts';
import { cacheFolder } from '../platform/node/folders.ts';
import { openKeyFile } from '../platform/node/key-file.ts';
import { nodePlatform } from '../platform/node/platform.ts';
import { chooseDevice, type DeviceKind, startTrainer } from '../platform/node/trainer.ts';
import { cleanName } from '../protocol/profile.ts';
import { hostUrl, numberOption, parseCommand, UsageError } from './arguments.ts';
import { Contributing, type ContributingOptions, type ContributingParts } from './contributing.ts';
import type { Output } from './output.ts';
import { JOIN, troubleText } from './say-join.ts';

/** Exit codes beside those of main.ts: 0 ended as asked, 1 by a trouble that waiting does not mend, 130 at once. */
const STOPPED = 130;

export interface JoinParts extends ContributingParts {
  readonly chooseDevice: typeof chooseDevice;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

const nodeParts: JoinParts = {
  platform: nodePlatform,
  host: (url, clock) => new HostClient(url, clock),
  chooseDevice,
  startTrainer: (kind) => startTrainer(kind, pathOf(cacheFolder(), 'tuning')),
  onInterrupt(callback) {
    for (const signal of SIGNALS) process.on(signal, callback);
    return () => {
      for (const signal of SIGNALS) process.removeListener(signal, callback);
    };
  },
};

/** Contributes until Ctrl-C; resolves to the exit code. Throws UsageError and PlatformError. */
export async function join(args: readonly string[], output: Output, parts = nodeParts): Promise<number> {
  const { device: wanted, ...options } = joinOptions(args);
  // A key that cannot be used is told now, and not when the host has answered.
  let keyMade = false;
  if (options.key !== undefined) {
    const { created, release } = await openKeyFile(options.key);
    keyMade = created;
    release();
  }
  const device = await parts.chooseDevice(wanted);
  const say = options.json ? output.err : output.out;
  say(JOIN.device(device, options.share));
  try {
    return (await new Contributing({ ...options, keyMade, device }, parts, output).run()) ? 0 : STOPPED;
  } catch (error) {
    const trouble = toTrouble(error);
    if (trouble.code === 'internal') throw error;
    output.err(`tabswarm: ${troubleText(trouble)}`);
    return 1;
  }
}

interface JoinOptions extends Omit<ContributingOptions, 'device' | 'keyMade'> {
  readonly device: DeviceKind | undefined;
}

function joinOptions(args: readonly string[]): JoinOptions {
  const { values, positionals } = parseCommand('join', args);
  const { device, name = '', key, json = false } = values;
  if (device !== undefined && device !== 'gpu' && device !== 'cpu')
    throw new UsageError(`--device is gpu or cpu, not "${device}".`);
  const shown = cleanName(name);
  if (name !== '' && shown === '') throw new UsageError('--name has nothing that can be shown.');
  const share = numberOption('share', values.share, 10, 100) ?? 100;
  return { url: hostUrl('The address', positionals[0]), device, share, name: shown, key, json };
}
