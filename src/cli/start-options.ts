/** The command line of `tabswarm start` as a host's options: every flag and every setting, checked before any work. */
import { CLOCK_CHOICES } from '../host/run-time.ts';
import { EVALUATORS } from '../host/losses.ts';
import { type HostOptions, newRun } from '../host/run.ts';
import { type Config, problemOfRun, readConfig } from '../host/settings.ts';
import { SEAT_PLACES } from '../host/view.ts';
import { PRESET_NAMES, type PresetName, type RunParts } from '../model/presets.ts';
import { messageOf } from '../protocol/errors.ts';
import { type IceServer, iceFault } from '../protocol/ice.ts';
import { MAX_AUDITS } from '../protocol/limits.ts';
import {
  listenOption,
  numberOption,
  parseCommand,
  publicUrlOption,
  trustedProxiesOption,
  UsageError,
} from './arguments.ts';
import { readSmallFile, readText, textOf } from './read-file.ts';
import { complaints } from './say.ts';
import { readTls } from './tls-files.ts';

/**
 * Throws {@link UsageError}. Nothing is made or listened on. `given`: bytes in the place of the file that `--config`
 * names, for tests.
 */
export function hostOptions(args: readonly string[], given?: Uint8Array): HostOptions {
  const { values } = parseCommand('start', args);
  const preset = values.preset ?? '1m';
  if (!(PRESET_NAMES as readonly string[]).includes(preset))
    throw new UsageError(complaints.noPreset(preset, PRESET_NAMES));
  if ((values.cert === undefined) !== (values.key === undefined))
    throw new UsageError('--cert and --key go together.');
  const port = numberOption('port', values.port, 0, 65_535);
  const clock = CLOCK_CHOICES.find((one) => one === values.clock);
  if (values.clock !== undefined && clock === undefined)
    throw new UsageError(`--clock is ${CLOCK_CHOICES.join(' or ')}, not "${values.clock}".`);
  const evaluator = EVALUATORS.find((name) => name === (values.evaluator ?? 'auto'));
  if (evaluator === undefined)
    throw new UsageError(`--evaluator is ${EVALUATORS.join(', ')}, not "${values.evaluator}".`);
  const validator = SEAT_PLACES.find((place) => place === (values.validator ?? 'host'));
  if (validator === undefined)
    throw new UsageError(`--validator is ${SEAT_PLACES.join(' or ')}, not "${values.validator}".`);
  if (validator === 'tab' && values.evaluator !== undefined)
    throw new UsageError(
      '--evaluator is for a host that validates; with --validator tab the tab measures losses.',
    );
  const audits = numberOption('audits', values.audits, 0, MAX_AUDITS);
  const seconds = numberOption('round-seconds', values['round-seconds'], 5, 86_400);
  const config =
    values.config === undefined
      ? {}
      : configFrom(values.config, given ?? readSmallFile('--config', values.config));
  if (seconds !== undefined && config.schedule !== undefined) throw new UsageError(complaints.twoLengths());
  const ofConfig = config.gauntlet?.auditsPerRound;
  if (audits !== undefined && ofConfig !== undefined && audits !== ofConfig)
    throw new UsageError(complaints.twoAudits());
  const options: HostOptions = {
    dataDir: values.data ?? '.tabswarm',
    preset: preset as PresetName,
    ...settings(config),
    iceServers: [
      ...iceServers(values.ice ?? [], values['ice-user'], values['ice-password-file']),
      ...(config.iceServers ?? []),
    ],
    ...(port === undefined ? {} : { port }),
    ...(values.listen === undefined ? {} : { listen: listenOption(values.listen) }),
    ...(values.corpus === undefined ? {} : { corpus: values.corpus }),
    ...(values.name === undefined ? {} : { name: values.name }),
    validator,
    evaluator,
    clock,
    newRun: values['new-run'] ?? false,
    ...(audits === undefined ? {} : { audits }),
    ...(seconds === undefined ? {} : { roundMs: seconds * 1000 }),
    ...(values['public-url'] === undefined ? {} : { publicUrl: publicUrlOption(values['public-url']) }),
    trustedProxies: trustedProxiesOption(values['trusted-proxy']),
    ...(values.cert === undefined || values.key === undefined
      ? {}
      : { tls: readTls(values.cert, values.key) }),
  };
  const problem = problemOfRun(newRun(options));
  if (problem?.where === 'name') throw new UsageError(complaints.badName(problem));
  if (problem !== null) throw new UsageError(complaints.badSetting(values.config ?? '', problem));
  return options;
}

/** A config's sections where a host wants them. A round's length alone keeps the preset's shares of its phases. */
function settings(config: Config): Pick<HostOptions, 'overrides' | 'model'> & Partial<HostOptions> {
  const { description, organizer, shardTokens, model, schedule, ...sections } = config;
  const { training, sparseloco, gauntlet, admission, credits } = sections;
  const { roundMs, ...phases } = schedule ?? {};
  const lengthOnly = roundMs !== undefined && Object.keys(phases).length === 0;
  // A section has some of the names, and presetManifest puts the preset's values in the place of the others.
  const overrides = {
    training,
    sparseloco,
    gauntlet,
    admission,
    credits,
    schedule: lengthOnly ? undefined : schedule,
  } as RunParts['overrides'];
  return {
    overrides,
    model,
    description,
    organizer,
    shardTokens,
    ...(lengthOnly ? { roundMs } : {}),
  };
}

/** The settings in the bytes of a `--config` file. Throws {@link UsageError}. */
export function configFrom(path: string, bytes: Uint8Array): Config {
  const text = textOf('--config', path, bytes);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(complaints.notJson('--config', path, messageOf(cause)), { cause });
  }
  const read = readConfig(json);
  if (!read.ok) throw new UsageError(complaints.badSetting(path, read.problem));
  return read.config;
}

/** One entry for each `--ice`; TURN servers get the user and the password. */
function iceServers(
  urls: readonly string[],
  username: string | undefined,
  passwordFile: string | undefined,
): IceServer[] {
  if ((username === undefined) !== (passwordFile === undefined))
    throw new UsageError(complaints.iceUserAlone());
  const isTurn = (url: string): boolean => /^turns?:/.test(url);
  if (username !== undefined && !urls.some(isTurn)) throw new UsageError(complaints.iceUserUnused());
  // An editor ends the file with a line end that is no part of the password.
  const credential =
    passwordFile === undefined
      ? undefined
      : readText('--ice-password-file', passwordFile).replace(/\r?\n$/, '');
  return urls.map((url) => {
    const withUser = isTurn(url) && username !== undefined && credential !== undefined;
    const server: IceServer = withUser ? { urls: url, username, credential } : { urls: url };
    const fault = iceFault(server);
    if (fault?.rule === 'credentials' && withUser) throw new UsageError(complaints.badIceUser());
    if (fault !== null) throw new UsageError(complaints.badIce(fault));
    return server;
  });
}
