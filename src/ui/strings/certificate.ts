/** What the page says about contribution certificates: making one, and checking one. */
import * as format from '../format.ts';
import type { Falsehood, Unreadable } from '../../peer/verify-contribution.ts';

export const certificateStrings = {
  heading: 'Certificate to show',
  hint: 'A picture of what you gave, signed with your key. Whoever has the file can check it on this site, also without the organizer’s server.',
  none: 'The first accepted submission makes a certificate possible.',
  make: 'Make my certificate',
  again: 'Make a new one',
  making: 'Drawing and signing…',
  stopped: 'this tab is not taking part now; press Start and try again',
  failed: (detail: string) => `The picture could not be made: ${detail}`,
  alt: (credits: string, accepted: string, run: string) =>
    `Certificate: ${credits} credits from ${accepted} accepted submissions in ${run}.`,
  save: 'Save the picture',
  share: 'Share…',
  copy: 'Copy the link',
  copied: 'Link copied.',
  notCopied: 'The browser did not allow copying; the link is shown below.',
  check: 'Check a certificate',
  link: 'Link',
  advice:
    'Send the file itself: chat programs that shrink pictures remove the signature. The link holds the figures without the picture.',
  fileName: (name: string) => `tabswarm-${name}.png`,
  /** Drawn on the picture. */
  picture: {
    title: 'Certificate of contribution',
    to: 'earned by',
    anonymous: 'a volunteer',
    team: (team: string) => `Team ${team}`,
    for: (run: string, organizer: string) => `for training “${run}” with ${organizer}`,
    credits: (pending: string | null) =>
      pending === null ? 'credits' : `credits, ${pending} of them pending`,
    accepted: 'accepted submissions',
    tokens: 'tokens of accepted work',
    rounds: (first: string, last: string) =>
      first === last ? `round ${first}` : `rounds ${first} to ${last}`,
    asOf: (height: string, date: string) => `as of ${height} certified rounds, ${date}`,
    key: (key: string) => `key ${key}`,
    check: (address: string) => `Check this file at ${address}/#verify`,
  },
};

const unreadable: Readonly<Record<Unreadable, string>> = {
  'too-large': 'This file is larger than any certificate: it has more than 16 MB. Choose the picture itself.',
  'no-png': 'This is no PNG file. Use the file as it was saved from Tabswarm.',
  'no-text':
    'This picture carries no signature. Programs that shrink or convert pictures remove it; ask for the original file or the link.',
  damaged: 'The signature inside this picture is damaged.',
  'no-link': 'This is no verify link.',
};

/** Which claim is false, and what is known of it, in words. */
export function falsehoodText(falsehood: Falsehood): string {
  switch (falsehood.is) {
    case 'malformed':
      return `What it carries cannot be read as a certificate. (${falsehood.detail})`;
    case 'signature':
      return `The contributor’s signature does not fit: something was changed after signing. (${falsehood.detail})`;
    case 'version':
      return `It was made by another version of Tabswarm. Ask for a new one. (${falsehood.detail})`;
    case 'evidence':
      return `The proof inside does not hold: it is changed, or of another run. (${falsehood.detail})`;
    case 'no-evidence':
      return 'The proof inside is missing: somebody took it out of the picture.';
    case 'picture':
      return 'The picture was changed after it was signed.';
    case 'other-certificate':
      return `The run’s own record says otherwise. (Its certificate at height ${falsehood.height} is another one.)`;
    case 'no-work':
      return 'The run’s own record says otherwise. (This key has no accepted work in the run.)';
    case 'other-figures': {
      const { credits, accepted } = falsehood.figures;
      return `The run’s own record says otherwise. (Its certificates add up to ${format.credits(credits)} credits from ${format.count(accepted)} accepted submissions.)`;
    }
  }
}

export const verifyStrings = {
  pageTitle: 'Check a certificate · Tabswarm',
  heading: 'Check a contribution certificate',
  lead: 'Everything is checked in this tab: signatures, the picture, and each certificate of the run.',
  home: 'Take part yourself',
  drop: 'Drop the picture here, paste it, or',
  choose: 'choose the file',
  linkLabel: 'Or a verify link',
  checkLink: 'Check',
  checking: 'Checking…',
  progress: (checked: string, of: string) => `Checked ${checked} of ${of} certificates of the run.`,
  unreadable,
  notGenuine: 'Not genuine',
  notReadable: 'Nothing to check',
  otherVersion: 'Another version',
  verdict: {
    all: 'Genuine',
    part: 'Genuine, proven in part',
    none: 'Signed, not proven yet',
  },
  verdictText: {
    all: 'Every figure follows from certificates that the run’s validators signed.',
    part: 'Some rounds are proven by certificates inside the file; for the rest there is only the contributor’s word until the run’s host can be asked.',
    none: 'The signature is good, but nobody could be asked whether the figures are true. Open this page at the run’s own address.',
  },
  figures: {
    contributor: 'Contributor',
    anonymous: 'No name shown',
    key: 'Key',
    team: 'Team',
    run: 'Run',
    runText: (name: string, organizer: string) => `${name}, by ${organizer}`,
    runId: 'Run id',
    credits: 'Credits',
    accepted: 'Accepted submissions',
    tokens: 'Tokens of accepted work',
    rounds: 'Rounds',
    roundsText: (first: string, last: string) => `${first} to ${last}`,
    asOf: 'As of',
    asOfText: (height: string, date: string) => `${height} certified rounds; signed ${date}`,
  },
  checksHeading: 'What was checked',
  state: { yes: 'Holds', no: 'Fails', unknown: 'Not checked' },
  checks: {
    signature: 'The contributor’s key signed this claim.',
    signatureNote: 'The name and team are what the owner of the key calls itself.',
    picture: 'The picture is the one that was signed.',
    pictureAbsent: 'A link carries no picture, so there is none to check.',
    evidence: (certificates: string, rounds: string) =>
      `Validators of the run signed ${certificates} certificates inside the file; ${rounds} of them accepted this contributor’s work.`,
    evidenceComplete: 'They add up to every figure.',
    evidencePart: (credits: string, rounds: string) =>
      `They prove ${credits} credits from ${rounds} submissions. A failed audit could take some back; the run’s host knows.`,
    evidenceNone: 'No proof travels with a link.',
    evidenceUnknown:
      'The run’s description is too big to travel in the file, so its certificates need the host.',
    chain: (heights: string) =>
      `This site’s run has the same record: ${heights} certificates were checked and added up.`,
    chainOtherRun: 'This site hosts another run, so its record says nothing here.',
    chainBehind: 'This site’s run has not come as far as the certificate says.',
    chainUnreachable: 'This site’s host could not be asked.',
  },
  trust:
    'A certificate proves what happened inside one run. Anybody can start a run: compare the run id with one you trust.',
};
