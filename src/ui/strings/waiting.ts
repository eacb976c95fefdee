/** Why a tab computes nothing right now, in words. Complete by type. */
import type { Waiting } from '../../peer/reasons.ts';
import { stepText, troubleText } from './problems.ts';

/** A length of time, "3 min". */
const spanText = (ms: number): string => stepText(Math.max(0, ms)).slice(1);

export function waitingText(waiting: Waiting): string {
  switch (waiting.why) {
    case 'connecting':
      return 'This tab connects to the host.';
    case 'model':
      return 'This tab fetches the current model.';
    case 'text':
      return 'This tab fetches training text.';
    case 'admission': {
      const { inMs } = waiting;
      const when = inMs === null ? 'in a few seconds' : `in about ${Math.ceil(inMs / 1000)} s`;
      return `This tab joins. The next certificate, ${when}, decides which text it trains on. Training starts then.`;
    }
    case 'not-begun':
      return `The run begins in about ${spanText(waiting.inMs)}; this tab waits for its first round.`;
    case 'chain-ahead':
      return `The last certified round is ${waiting.rounds} rounds ahead of the clock. This tab waits about ${spanText(waiting.inMs)} for the next one, or until the organizer lets the run go on.`;
    case 'last-round':
      return 'The round before is not certified yet; this tab waits for its certificate.';
    case 'no-step':
      return 'No inner step fitted this round; this tab waits for the next.';
    case 'announced':
      return 'This tab’s work is announced. The round goes on when the time for announcing is over.';
    case 'verdict':
      return 'The validators judge this round; this tab waits for the certificate.';
    case 'audit':
      return 'This tab stays a moment: a validator may ask to see the last round’s work.';
    case 'alone':
      return 'For three rounds neither the organizer’s server nor a validator was heard of. Nothing is computed meanwhile, as nobody could count it. This tab goes on when the server is back.';
    case 'trouble':
      return troubleText(waiting.trouble);
  }
}
