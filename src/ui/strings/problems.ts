/**
 * What stands in the way, in words: for each problem a title and advice, and what is known about this one case. Complete by
 * type: a problem without words does not compile.
 */
import type { Problem } from '../../app/state.ts';
import type { NotKept } from '../../peer/platform.ts';
import type { Trouble } from '../../peer/reasons.ts';
import type { Explained } from './explained.ts';
import { iceText } from './ice.ts';
import { failureText } from './validator-events.ts';

/** Title and what a person can do. {@link problemText} says what is known beside it. */
export const problems: Readonly<Record<Problem['code'], Explained>> = {
  'no-webgpu': {
    title: 'This browser has no WebGPU',
    text: 'Training needs it: Chrome or Edge 113 or newer on a computer, Chrome 121 or newer on Android, Safari 26 or newer, Firefox 141 or newer on Windows. Here you can still watch.',
  },
  'insecure-page': {
    title: 'This address is not secure',
    text: 'Browsers allow WebGPU only on https:// pages and on localhost. Open the https:// address of this run, or ask the organizer for it.',
  },
  framed: {
    title: 'This page is inside another site',
    text: 'Only you may start Tabswarm, so it starts nothing inside a page that somebody else made. Open this run’s own address in a tab.',
  },
  'no-adapter': {
    title: 'No graphics card was offered',
    text: 'Turn on hardware acceleration in the browser’s settings, update the graphics driver, then reload. Chrome on Linux, or without a graphics card, needs chrome://flags/#enable-unsafe-webgpu turned on. Until then you can watch.',
  },
  'adapter-too-small': {
    title: 'This graphics card is too small for the run',
    text: 'You can watch, or take part from another computer.',
  },
  'device-lost': {
    title: 'The graphics card was taken away',
    text: 'That happens when the driver restarts or the computer sleeps. Only the current round’s work is lost.',
  },
  'host-unreachable': {
    title: 'The organizer’s server cannot be reached',
    text: 'Check your connection, or ask the organizer. Certified work and credits are safe.',
  },
  'socket-refused': {
    title: 'The way into the swarm is blocked',
    text: 'Your line works: the organizer’s server answers. A company network, a proxy or an extension may block WebSockets: try another network or browser. If nothing helps, tell the organizer, as the server may name a wrong address.',
  },
  'other-run': {
    title: 'Another run is at this address now',
    text: 'Work for the earlier one would be for nobody, so this tab has stopped. Reload the page to see the run that is here.',
  },
  'host-changed': {
    title: 'The organizer’s server came back changed',
    text: 'Your tab joins again and reads everything anew from the server. Keep it open.',
  },
  'gpu-withdrawn': {
    title: 'The browser took the graphics card from this page',
    text: 'Reload the page, which usually gives it back, and press Start again. Certified work and credits are safe.',
  },
  'key-not-kept': {
    title: 'Your key will not be kept',
    text: 'You can take part, but the key and its credits end with this tab. To keep them, allow this address to store site data and reload before you start.',
  },
  'blob-missing': {
    title: 'Part of the model or the text is missing',
    text: 'Check your connection, or ask the organizer. Certified work and credits are safe.',
  },
  'bad-manifest': {
    title: 'The description of this run is broken',
    text: 'It does not match its own fingerprint, so nothing was started. Reload; if it stays, tell the organizer.',
  },
  'protocol-version': {
    title: 'This page is from another version',
    text: 'The swarm speaks a newer or older protocol than this tab. Reload to get the matching page.',
  },
  'corrupt-data': {
    title: 'Some downloaded data was damaged',
    text: 'Its fingerprint was wrong, so it was thrown away and is fetched from somewhere else.',
  },
  'ice-skipped': {
    title: 'Some servers for direct links cannot be used',
    text: 'This tab works without them. Behind strict networks it may then reach others only through the organizer’s server. Tell the organizer: the entry stands in --ice or in the iceServers of --config.',
  },
  'no-validator': {
    title: 'Waiting for the validator',
    text: 'Nobody judges the rounds at the moment: none is certified, nobody new is admitted, and nothing is credited. You may start and wait; your tab goes on by itself when the organizer’s validator is back.',
  },
  'clock-jumped': {
    title: 'A clock jumped',
    text: 'The time is measured again, and work goes on with this round or the next. Certified work and credits are safe.',
  },
  'not-begun': {
    title: 'This run has not begun',
    text: 'Its first round lies in the future. You may start and wait. If that is long, ask the organizer: the run was probably made while the clock of that computer was wrong.',
  },
  'chain-ahead': {
    title: 'The last certified round lies in the future',
    text: 'It was certified while the organizer’s clock was wrong, so nothing can be certified until that round has passed. The organizer can let the run go on at once: ask. Certified work and credits are safe.',
  },
  'round-unjudged': {
    title: 'The organizer’s computer is in trouble',
    text: 'Your work and your connection are fine, and nothing is counted against you. This tab goes on, and rounds count again as soon as they are judged. You may tell the organizer.',
  },
  'out-of-sync': {
    title: 'This tab’s model differs from the swarm’s',
    text: 'It is replaced by the certified one before work goes on.',
  },
  internal: {
    title: 'Something went wrong in this tab',
    text: 'Certified work and credits are safe. If it does not pass, reload the page.',
  },
};

/** Title and advice of one case: some codes have words of their own while they are tried again, or by their reason. */
export function problemAdvice(problem: Problem): Explained {
  if (problem.code === 'no-adapter' && problem.recovering)
    return {
      title: 'No graphics card is offered yet',
      text: 'Browsers need a moment at times, so it is asked for about a minute long.',
    };
  if (problem.code === 'host-unreachable' && problem.why !== 'unreachable' && problem.why !== 'broken-off')
    return problem.status === 503
      ? {
          title: 'The organizer’s server is not ready yet',
          text: 'Your connection works. The run is being prepared or the server is busy; wait a moment.',
        }
      : {
          title: 'The organizer’s server does not answer as it should',
          text: 'Something answers at this address. Reload the page; if that changes nothing, tell the organizer.',
        };
  if (problem.code === 'key-not-kept' && problem.why === 'too-many-tabs')
    return {
      title: problems['key-not-kept'].title,
      text: 'You can take part, but the key and its credits end with this tab. Close other tabs of this page and start again to use a key that is kept.',
    };
  return problems[problem.code];
}

const NOT_KEPT: Readonly<Record<NotKept, string>> = {
  blocked: 'This browser blocks all site data of this address.',
  failed: 'This browser’s storage does not work here: a private window, a full disk or a damaged profile.',
  'too-many-tabs': 'Every key that this browser keeps for this page is in use by another of its tabs.',
};

const MIB = 2 ** 20;
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(bytes < 100 * MIB ? 1 : 0)} MiB`;

type MisfitFacts = Trouble & { readonly code: 'adapter-too-small' };

const MISFITS: Readonly<
  Record<MisfitFacts['misfit']['of'], (name: string, bytes: string, most: string) => string>
> = {
  buffer: (name, bytes, most) =>
    `its buffer “${name}” takes ${bytes} and this device allows ${most} a buffer`,
  binding: (name, bytes, most) =>
    `its buffer “${name}” takes ${bytes} and shaders of this device reach ${most}; a smaller batch or sequence needs less`,
  matrix: (_, bytes, most) => `one of its matrices takes ${bytes} and shaders of this device reach ${most}`,
  budget: (_, bytes, most) => `it takes ${bytes} and ${most} are granted`,
  memory: (_, bytes) => `the graphics card has no ${bytes} left for it; other programs may be using it`,
};

/** Why a model does not fit a device, with the numbers. */
export function misfitText({
  misfit: { of, name, bytes, most },
  batch,
  sequence,
  largest,
}: MisfitFacts): string {
  const reason = MISFITS[of](name, mib(bytes), most === null ? '' : mib(most));
  const advice = largest === null ? '' : ` The largest preset that fits is “${largest}”.`;
  return `The model (batch ${batch}, sequence ${sequence}) does not fit: ${reason}.${advice}`;
}

function hostText({ why, url, status }: Trouble & { readonly code: 'host-unreachable' }): string {
  switch (why) {
    case 'unreachable':
      return url === ''
        ? 'The connection to the host is lost. Tabs that are connected go on.'
        : `The host at ${url} cannot be reached.`;
    case 'broken-off':
      return `The download from ${url} broke off.`;
    case 'status':
      return `The host answered ${status ?? 'with an error'} for ${url}.`;
    case 'no-json':
      return `The answer of ${url} is no JSON. The address may not be a Tabswarm host.`;
    case 'other-form':
      return `The answer of ${url} has another form than this page expects. The page may be older than the host.`;
    case 'too-large':
      return `The answer of ${url} is larger than it may be. The address may not be a Tabswarm host.`;
    case 'no-base64':
      return `The host at ${url} sent bytes that are not base64. Reload the page.`;
  }
}

/** "+1 h", "-10 min", "+2 s". */
export function stepText(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000);
  const [n, unit] =
    seconds < 120
      ? [seconds, 's']
      : seconds < 7200
        ? [Math.round(seconds / 60), 'min']
        : seconds < 172_800
          ? [Math.round(seconds / 3600), 'h']
          : [Math.round(seconds / 86_400), 'days'];
  return `${ms < 0 ? '-' : '+'}${n} ${unit}`;
}

/** "2027-01-15 08:00"; what no calendar holds is "a time that no calendar holds". */
export function dateText(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime())
    ? 'a time that no calendar holds'
    : date.toISOString().slice(0, 16).replace('T', ' ');
}

/** A text in the middle of a sentence: without its own full stop. */
const inner = (text: string): string => text.replace(/\.$/, '');

/** What is known about one case of a trouble, as sentences. `again`: whether it is tried again without being asked. */
export function troubleText(trouble: Trouble, again = trouble.recovering): string {
  switch (trouble.code) {
    case 'host-unreachable':
      return `${hostText(trouble)}${again ? ' This tab tries again.' : ''}`;
    case 'socket-refused':
      return `No WebSocket can be opened to ${trouble.addresses}.${again ? ' This tab tries again.' : ''}`;
    case 'other-run':
      return `This page belongs to run ${trouble.ours.slice(0, 12)}; the server serves run ${trouble.theirs.slice(0, 12)}.`;
    case 'host-changed':
      return trouble.what === 'address'
        ? 'It is the same run, but the server has a new address in the swarm.'
        : 'It lacks rounds that this tab has seen certified, as after a restored copy. Credits of those rounds are gone.';
    case 'blob-missing': {
      const which = trouble.hash === '' ? '' : ` (${trouble.hash.slice(0, 12)})`;
      return `This tab cannot get a part of the model or the training text${which}: ${inner(trouble.reasons)}.${again ? ' It tries again.' : ''}`;
    }
    case 'protocol-version':
      return trouble.theirs === null
        ? 'Other tabs speak another version of Tabswarm.'
        : `This page speaks protocol ${trouble.ours}, the host speaks ${trouble.theirs}.`;
    case 'bad-manifest':
      return `The host’s run description is not valid: ${inner(trouble.detail)}.`;
    case 'out-of-sync':
      return trouble.why === 'root-differs'
        ? `At height ${trouble.height} this tab’s state root is not the certificate’s.`
        : `The host offers no state that the certificates up to height ${trouble.height} cover.${again ? ' This tab asks again.' : ''}`;
    case 'corrupt-data': {
      const source = trouble.source === 'host' ? 'the host' : 'this browser’s cache';
      return `Bytes from ${source} were damaged (${trouble.hash.slice(0, 12)}).`;
    }
    case 'ice-skipped':
      return `The organizer’s list of STUN and TURN servers has bad entries: ${trouble.skipped.map(iceText).join('; ')}.`;
    case 'gpu-unavailable':
      return `${problems[trouble.lack].title}.`;
    case 'adapter-too-small':
      return misfitText(trouble);
    case 'device-lost':
      return `The browser reports: ${inner(trouble.detail)}.${again ? ' This tab opens the graphics card again and starts from the certified model.' : ''}`;
    case 'gpu-withdrawn':
      return `It was lost, and none was offered for a minute.${again ? ' This tab asks again every half minute.' : ''}`;
    case 'no-validator':
      return problems['no-validator'].text;
    case 'clock-jumped':
      return `${trouble.whose === 'own' ? 'This computer’s clock' : 'The host’s clock'} jumped by ${stepText(trouble.byMs)}.`;
    case 'not-begun':
      return `Its first round begins on ${dateText(trouble.beginsAt)} (UTC).`;
    case 'chain-ahead':
      return `It is ${trouble.rounds} ${trouble.rounds === 1 ? 'round' : 'rounds'} ahead of the clock.`;
    case 'internal':
      return `Something unexpected went wrong: ${inner(trouble.detail)}.${again ? ' This tab tries again.' : ''}`;
  }
}

/** The same for what the page shows as a problem, beside its title and advice; '' when these say it all. */
export function problemText(problem: Problem): string {
  switch (problem.code) {
    case 'no-webgpu':
    case 'insecure-page':
    case 'no-adapter':
    case 'framed':
    case 'no-validator':
      return '';
    case 'round-unjudged':
      return `Round ${problem.round} was lost: ${failureText(problem.failure)}.`;
    case 'key-not-kept':
      return NOT_KEPT[problem.why];
    default:
      return troubleText(problem);
  }
}
