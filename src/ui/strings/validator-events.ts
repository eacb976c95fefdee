/**
 * A validator's log in words, one line an event: for the page of a validator's tab and for a host's command line. Complete
 * by type.
 */
import type { ValidatorEvent } from '../../gauntlet/events.ts';
import { toHex } from '../../protocol/bytes.ts';
import type { MessageOf, Note, RefusedEntry, RoundFailure } from '../../protocol/messages.ts';
import type { HandoverCode } from '../../swarm/handover.ts';
import { noteText } from './notes.ts';

const FAILURES: Readonly<Record<RoundFailure, string>> = {
  'disk-full': 'the disk of the validator’s machine is full',
  disk: 'the validator’s machine could not write or read its disk',
  memory: 'the validator’s machine ran out of memory',
  measuring: 'losses could not be measured, or not in time',
  other: 'the validator’s machine failed',
};

/** What a validator's machine failed at, as a clause. */
export const failureText = (failure: RoundFailure): string => FAILURES[failure];

const HANDOVERS: Readonly<Record<HandoverCode, string>> = {
  'not-connected': 'there is no connection to the host',
  'no-answer': 'the host did not answer in time',
  'too-many': 'certificates came faster than the host takes them',
  starting: 'the host is starting',
  stopping: 'the host is stopping',
  'has-seat': 'the host has a validator of its own',
  'no-link': 'the bytes are no certificate',
  'bad-certificate': 'it does not pass the checks of the chain',
  fork: 'another certificate of that height is stored',
  gap: 'certificates before it are missing at the host',
  'work-missing': 'the submissions in it could not be had',
  'root-differs': 'its submissions give another state',
  'not-written': 'the host could not write it down',
};

/** Why a host did not store a certificate, as the end of a sentence. */
export const handoverText = (code: HandoverCode): string => HANDOVERS[code];

/** "4 refused (copy, 3 x late; first: committed 12 ms after the deadline)" or "0 refused". */
function refusalSummary(refused: readonly RefusedEntry[], opinion: MessageOf<'opinion'> | null): string {
  if (refused.length === 0) return '0 refused';
  const counts = new Map<string, number>();
  for (const { reason } of refused) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const parts = [...counts].map(([reason, n]) => (n === 1 ? reason : `${n} x ${reason}`));
  const notes = new Map<string, Note>(
    opinion?.refused.map(({ contributor, note }) => [toHex(contributor), note]),
  );
  const note = notes.get(toHex(refused[0].contributor));
  const first = note === undefined ? '' : `; first: ${noteText(note)}`;
  return `${refused.length} refused (${parts.join(', ')}${first})`;
}

/** A certified round; the wire size is what the codec's budget is held against. */
function roundLine(event: ValidatorEvent & { readonly is: 'certified' }): string {
  const { body, opinion, bytesPerParameter } = event;
  const loss = opinion?.heldOutLoss ?? null;
  return [
    `round ${body.round}`,
    `height ${body.height}`,
    `${body.accepted.length} accepted, ${refusalSummary(body.refused, opinion)}`,
    ...(body.joined.length === 0 ? [] : [`${body.joined.length} joined`]),
    ...(loss === null ? [] : [`held-out ${loss.toFixed(4)} before it`]),
    ...(bytesPerParameter === null ? [] : [`${bytesPerParameter.toFixed(4)} B/parameter`]),
    `root ${toHex(body.root).slice(0, 12)}`,
  ].join(' · ');
}

/** A line of a validator's log. */
export function validatorLine(event: ValidatorEvent): string {
  switch (event.is) {
    case 'certified':
      return roundLine(event);
    case 'nothing-certified':
      return `round ${event.round} · no certificate · 0 accepted, ${refusalSummary(event.refused, event.opinion)}`;
    case 'round-missed':
      return `round ${event.round} was lost: this machine slept or was too busy to judge it in time`;
    case 'clock-ahead':
      return `round ${event.round} is not certified: the clock jumped ${event.ahead} rounds ahead of the time that passed. If the clock is right now, start the validator again`;
    case 'chain-ahead':
      return `round ${event.round} is lost: the chain is ${event.certified - event.round} rounds ahead of this clock, its last round is ${event.certified}`;
    case 'round-failed':
      return `round ${event.round} was lost: ${FAILURES[event.failure]} (${event.error})`;
    case 'not-published':
      return `round ${event.round} is decided, but could not be told at once: ${event.error}`;
    case 'note-failed':
      return `the ${event.what} of contributors could not be written down: ${event.error}`;
    case 'losses-slow':
      return `round ${event.round}: measuring losses takes too long on this machine; use longer rounds or fewer evaluationSequences`;
    case 'loss-failed':
      return `round ${event.round}: the loss of ${event.contributor} could not be measured: ${event.error}`;
    case 'held-out-failed':
      return `the held-out loss could not be measured: ${event.error}`;
    case 'presence-failed':
      return `the validator's sign of life failed: ${event.error}`;
    case 'audit-not-asked':
      return `an audit could not be asked for: ${event.error}`;
    case 'audit-ended':
      return `audit of ${event.contributor} in round ${event.round}: ${event.outcome} (${noteText(event.note)})`;
    case 'audit-given-up':
      return `audit of ${event.contributor} in round ${event.round} was given up: ${event.error ?? 'this machine came too late to ask twice and listen'}`;
  }
}
