/**
 * What the figures behind a refusal or an audit mean, in words: for the page and for the command line. Complete by type for
 * the notes of this version; one that a newer validator made is shown as it came.
 */
import type { NoteCode, NoteFigures } from '../../gauntlet/notes.ts';
import type { Note } from '../../protocol/messages.ts';

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const whose = (from: string): string =>
  from === '' ? 'the last certificate' : `an earlier commit (${from})`;

/** How far a replay may be off before an audit fails is the validator's business; these are the figures alone. */
function replayed({ work, moment1, moment2, sent, steps }: NoteFigures['replayed']): string {
  const parts = [
    `work off by ${work.toPrecision(2)}`,
    `first moments by ${moment1.toPrecision(2)}`,
    `second moments by ${moment2.toPrecision(2)}`,
    `what was sent by ${sent.toPrecision(2)}`,
  ];
  return steps === 0 ? parts.join(', ') : `Adam's step count is off by ${steps}, ${parts.join(', ')}`;
}

const NOTES: { readonly [C in NoteCode]: (figures: NoteFigures[C]) => string } = {
  'too-large': ({ bytes, most }) => `${bytes} bytes, the run allows ${most}`,
  'unreadable-claim': () => 'the claim cannot be read',
  'too-many-steps': ({ steps, most }) => `claims ${steps} inner steps, the run allows ${most}`,
  'too-many-tokens': ({ tokens, steps, most }) => `claims ${tokens} tokens, ${steps} steps have ${most}`,
  undecodable: ({ error }) => `cannot be decoded: ${error}`,
  'no-finite-norm': () => 'the update holds no finite norm',
  'no-carry-roots': () => 'this run audits: a claim names the roots of error feedback and moments',
  'other-run': () => 'made for another run',
  'other-round': ({ round, open }) => `made for round ${round}, this is ${open}`,
  'early-commit': ({ ms }) => `committed ${ms} ms before the round began`,
  'late-commit': ({ ms }) => `committed ${ms} ms after the deadline`,
  'late-reveal': ({ ms }) => `revealed ${ms} ms after the deadline`,
  'no-commit': () => 'no commit was seen before the deadline',
  'two-commits': () => 'two different commits in one round; neither counts',
  'not-admitted': () => 'no certificate admits this key; join and wait for the next one',
  'other-state': () => 'computed from another state than the certified one; sync and try again',
  'other-claim': () => 'reveals another claim than was sealed',
  'other-bytes': () => 'the bytes served are not those of the claim',
  'never-revealed': () => 'committed, but nothing was revealed before the deadline',
  'not-served': ({ error }) => `nobody served the bytes: ${error}`,
  'slow-bytes': () => 'the bytes did not arrive in time',
  'many-newcomers': ({ most }) => `${most} newcomers in this round already`,
  'not-fetched': () => 'not fetched in time, or more work than this round could judge',
  'not-drawn': ({ most }) => `${most} others were drawn for this round`,
  'not-measured': () => 'not measured in time',
  'gave-up': () => 'the validator’s machine failed in this round',
  'changes-nothing': () => 'an update that changes nothing',
  'norm-far': ({ norm, median, limit }) =>
    `norm ${norm.toPrecision(4)}, median ${median.toPrecision(4)}, limit ${limit}x`,
  'norm-short': ({ norm, expected, least }) =>
    `norm ${norm.toPrecision(4)}, others' at least ${expected.toPrecision(4)} for as many tokens; needs ${least} of it`,
  'copied-positions': ({ share, limit, from }) =>
    `${percent(share)} of its positions are those of ${whose(from)}, limit ${percent(limit)}`,
  'copied-mosaic': ({ share, limit, from }) =>
    `${percent(share)} of its positions are, chunk by chunk, those of earlier commits, most of ${whose(from)}, limit ${percent(limit)}`,
  'copied-chunks': ({ share, limit, from }) =>
    `${percent(share)} of its chunks are, elsewhere, those of ${whose(from)}, limit ${percent(limit)}`,
  'other-direction': ({ agrees, signs, median }) =>
    `${percent(agrees)} of ${signs} shared signs are those of the others, median ${percent(median)}`,
  'carry-broken': () => 'error feedback and moments are not those of the last commit; start again from zeros',
  'loss-undefined': () => 'the loss is no number after this step',
  'loss-worse': ({ nats, noise }) =>
    `makes the loss worse by ${nats.toPrecision(2)} nats, noise ${noise.toPrecision(2)}`,
  'gain-short': ({ gain, others, noise, least }) =>
    `gains ${gain.toPrecision(2)} nats, others ${others.toPrecision(2)} with its tokens, noise ${noise.toPrecision(2)}; needs ${least} of it`,
  'no-better-on-own': ({ share }) =>
    `better on its own text than on other text in only ${Math.round(100 * share)} % of its rounds`,
  'audit-failed-before': () => 'failed an audit; counts again once one is passed',
  'awaits-audit': ({ audited }) => `not audited yet, and ${audited} others of this round are`,
  replayed,
  silent: ({ asked }) => `asked ${asked} times, it did not answer`,
  withheld: ({ asked }) => `asked ${asked} times, it did not serve what it named`,
  'unreadable-answer': () => 'the answer cannot be read',
  'other-carry-before': () => 'shows another carry before the round than committed',
  'other-carry-after': () => 'shows another carry after the round than committed',
  'other-carry-refused': () => 'shows another carry after a refusal than committed',
};

const isKnown = (code: string): code is NoteCode => Object.hasOwn(NOTES, code);

/** A note in words. Never throws: a validator's figures may be missing or of another version. */
export function noteText({ code, figures }: Note): string {
  const shown = Object.entries(figures).map(([name, figure]) => `${name} ${figure}`);
  const plain = shown.length === 0 ? code : `${code} (${shown.join(', ')})`;
  if (!isKnown(code)) return plain;
  try {
    // What the figures are is decided by the code; that they are those is what a validator says.
    return (NOTES[code] as (given: Note['figures']) => string)(figures);
  } catch {
    return plain;
  }
}
