/** The words of `tabswarm join`: what a contributor without a browser is told. */
import type { Run } from '../chain/run.ts';
import type { Trouble } from '../peer/reasons.ts';
import type { GpuRemedy, PlatformError } from '../platform/node/errors.ts';
import type { DirectSupport } from '../platform/node/swarm.ts';
import type { NodeDevice } from '../platform/node/trainer.ts';
import { iceText } from '../ui/strings/ice.ts';
import { noteText } from '../ui/strings/notes.ts';
import { dateText, misfitText, stepText } from '../ui/strings/problems.ts';
import type { RoundReport } from './round-log.ts';

const span = (ms: number): string => {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
};

export const JOIN = {
  device: ({ kind, adapter }: NodeDevice, share: number) =>
    [
      `  Device     ${adapter.description}`,
      kind === 'cpu' ? ' (the processor)' : '',
      share === 100 ? '' : `, ${share} % of its time`,
    ].join(''),
  run: ({ manifest, name, layout }: Run, url: string) => {
    const { organizer, schedule } = manifest;
    const by = organizer.name === '' ? '' : `, by ${organizer.name}`;
    return [
      `  Host       ${url}`,
      `  Run        ${manifest.name} (${name.slice(0, 12)})${by}`,
      `  Model      ${(layout.elements / 1e6).toFixed(2)} M parameters, rounds of ${schedule.roundMs / 1000} s`,
    ];
  },
  key: (path: string, created: boolean) =>
    `  Key        ${path}${created ? ', made now: keep it, the credits belong to it' : ''}`,
  keyExposed: (path: string) =>
    `tabswarm: other users of this machine can read ${path}, and with it use your credits: chmod 600 it.`,
  links: (direct: DirectSupport) =>
    direct.available
      ? '  Links      direct ones to other contributors (WebRTC), and to the host'
      : `  Links      through the host only: WebRTC does not load here (${direct.cause})`,
  syncing: 'fetching the model',
  training: 'training',
  admission: (inMs: number | null) =>
    `asked to be admitted: ${inMs === null ? 'in a few seconds' : `with the round's end, in about ${span(inMs)}`}`,
  over: 'That trouble is over.',
  finishing: (round: number, ms: number) =>
    `Finishing round ${round}, which takes ${span(ms)} at most. Ctrl-C again stops at once, without its work.`,
  stopped: {
    idle: 'Stopping: no round is in hand.',
    impatient: 'Stopping at once: work that was not handed in is lost.',
  },
  ended: (rounds: number, credits: number, idle: number | null) =>
    `Done: ${rounds} accepted ${rounds === 1 ? 'round' : 'rounds'} since the start, ${credits.toFixed(2)} credits in all.${idle === null ? '' : ` The device was idle for ${(100 * idle).toFixed(1)} % of the time.`}`,
} as const;

/** A round in one line. */
export function roundText(report: RoundReport): string {
  const { round, outcome, reason, note, height, heldOutLoss, contributors } = report;
  const why = reason === null ? '' : ` (${note === null ? reason : `${reason}: ${noteText(note)}`})`;
  return [
    `round ${round}`,
    outcome === 'absent'
      ? report.admitted
        ? 'admitted: works from the next round on'
        : 'without this contributor'
      : outcome === 'lost'
        ? 'lost: no certificate came'
        : `${outcome}${why}`,
    ...(height === null ? ['no certificate'] : [`height ${height}`, `${contributors} accepted`]),
    ...(heldOutLoss === null ? [] : [`held-out ${heldOutLoss.toFixed(4)} before it`]),
    ...(report.innerSteps === 0
      ? []
      : [
          `${report.tokens} tokens in ${report.innerSteps} steps`,
          `${Math.round(report.tokensPerSecond)} tokens/s`,
        ]),
    ...(report.outcome === 'accepted'
      ? [`+${report.credits.toFixed(2)} credits (${report.totalCredits.toFixed(2)})`]
      : []),
    `${report.directLinks} direct ${report.directLinks === 1 ? 'link' : 'links'}`,
  ].join(' · ');
}

/** What went wrong and what to do; for one that passes, that it goes on by itself. */
export function troubleText(trouble: Trouble): string {
  const text = troubleItself(trouble);
  if (trouble.code === 'ice-skipped') return `${text} Links go on without them.`;
  return trouble.recovering ? `${text} It is tried again by itself.` : text;
}

function troubleItself(trouble: Trouble): string {
  switch (trouble.code) {
    case 'host-unreachable':
      return hostText(trouble);
    case 'socket-refused':
      return `The host answers, but its WebSocket (${trouble.addresses}) cannot be opened: a proxy between refuses it, or the host names an address that is not reachable from here.`;
    case 'other-run':
      return `The address serves another run by now (${trouble.theirs.slice(0, 12)} instead of ${trouble.ours.slice(0, 12)}). Start again to join that one.`;
    case 'host-changed':
      return trouble.what === 'address'
        ? 'The host has another node key by now, and is joined anew.'
        : 'The host lacks certified rounds that this program has seen, as after a restored copy. Its chain is read anew.';
    case 'blob-missing':
      return `Data of the run is nowhere to be had (${trouble.reasons}).`;
    case 'protocol-version':
      return trouble.theirs === null
        ? `Somebody in the swarm speaks another version of the protocol than ${trouble.ours}: if it is newer, update this program.`
        : `The host speaks version ${trouble.theirs} of the protocol, this program ${trouble.ours}: ${trouble.theirs > trouble.ours ? 'update this program' : 'use a program as old as the host'}.`;
    case 'bad-manifest':
      return `The run's description cannot be used (${trouble.detail}): tell its organizer.`;
    case 'out-of-sync':
      return trouble.why === 'root-differs'
        ? `The own state differs from the certified one of height ${trouble.height}. A new copy is fetched.`
        : `Nobody offers the certified state of height ${trouble.height} now.`;
    case 'corrupt-data':
      return trouble.source === 'cache'
        ? `Kept data was damaged on this disk (${trouble.hash.slice(0, 12)}) and is fetched again.`
        : `The host sent damaged data (${trouble.hash.slice(0, 12)}).`;
    case 'ice-skipped':
      return `The host names STUN or TURN servers that cannot be used: ${trouble.skipped.map(iceText).join('; ')}.`;
    case 'gpu-unavailable':
      return 'The graphics device cannot be opened. Is its driver installed? With --device cpu the processor trains.';
    case 'gpu-withdrawn':
      return 'The graphics device was lost and is not offered any more.';
    case 'adapter-too-small':
      return misfitText(trouble);
    case 'device-lost':
      return `The graphics device was lost (${trouble.detail}). It is opened anew.`;
    case 'no-validator':
      return 'Nobody validates this run now: no round is certified.';
    case 'clock-jumped':
      return `${trouble.whose === 'own' ? "This computer's clock" : "The host's clock"} jumped by ${stepText(trouble.byMs)}. The time is measured again.`;
    case 'not-begun':
      return `The run begins in the future: ${dateText(trouble.beginsAt)} (UTC). If that is far away, tell its organizer: the clock was wrong when the run was made.`;
    case 'chain-ahead':
      return `The last certified round is ${trouble.rounds} rounds ahead of the clock: nothing is certified until it has passed, or until the organizer starts the host with --clock run.`;
    case 'internal':
      return `Something failed: ${trouble.detail}.`;
  }
}

function hostText({ why, url, status }: Extract<Trouble, { code: 'host-unreachable' }>): string {
  switch (why) {
    case 'unreachable':
      return url === ''
        ? 'The connection to the host is lost.'
        : `No host answers at ${url}. Is it running, and is the address right?`;
    case 'broken-off':
      return `A download from ${url} broke off.`;
    case 'status':
      return status === 503
        ? `The host at ${url} is still preparing its run.`
        : `The host answers ${url} with status ${status}: it is no Tabswarm host, or the path is wrong.`;
    case 'no-json':
    case 'other-form':
    case 'no-base64':
    case 'too-large':
      return `What answers at ${url} is no Tabswarm host of this version.`;
  }
}

const REMEDIES: Readonly<Record<GpuRemedy, string>> = {
  driver: 'Install the graphics driver with its Vulkan part, or use --device cpu.',
  chromium:
    'The processor trains with SwiftShader, which comes with Chromium: install it ("apt-get install chromium" or "npx playwright install chromium").',
  'webgpu-package': 'The package "webgpu" is missing or has no binary for this machine: run "npm ci" again.',
};

/** A fault of this machine. */
export function platformText({ code, facts }: PlatformError): string {
  const { path = '', cause = '' } = facts;
  switch (code) {
    case 'key-unreadable':
      return `The key file ${path} cannot be read (${cause}).`;
    case 'key-empty':
      return `The key file ${path} is empty. Restore it from a backup, or name another with --key.`;
    case 'key-malformed':
      return `${path} holds no key (64 hex digits). Restore it from a backup, or name another with --key.`;
    case 'key-unwritable':
      return `The key file ${path} cannot be made (${cause}). Name another with --key.`;
    case 'key-in-use':
      return `Another process (${facts['pid']}) contributes with the key ${path}. Stop it, or name another file with --key.`;
    case 'no-gpu': {
      const wanted =
        facts['wanted'] === 'any' ? 'No device to train on' : `No device of kind ${facts['wanted']}`;
      return `${wanted} (${cause}). ${REMEDIES[facts['install'] as GpuRemedy]}`;
    }
    case 'trainer-ended':
      return `The trainer's process ended (${cause}).`;
  }
}
