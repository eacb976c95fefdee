/**
 * Text that somebody else wrote, inside the page's own sentences: a run's description, what peers say of themselves. Hidden
 * characters do not get this far (protocol/clean-text.ts). Text of a right-to-left script is kept to itself, so that it does not turn
 * the sentence that it stands in.
 */

/** Any letter whose script runs from right to left. */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
/** Unicode's first strong isolate, and its end. */
const ISOLATE = ['\u2068', '\u2069'] as const;

export const shownText = (text: string): string => (RIGHT_TO_LEFT.test(text) ? ISOLATE.join(text) : text);
