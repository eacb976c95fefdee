/**
 * Cuts a text into pieces of about equal size, at the best boundary near each cut: a line end, else the end of a
 * sentence, a word or a character as Unicode defines them (UAX #29), in any script. A text without line ends, or in a
 * script without spaces, is cut as well as any other.
 *
 * The tables behind words and sentences (ICU) differ a little between versions of Node, so another version may cut
 * elsewhere. Nobody has to cut alike: the host cuts once, and shards are known by their hashes.
 */

/** How far from its ideal place a cut may be, as a share of a piece. */
const REACH = 1 / 4;
/** Characters on each side of a cut in which the rules of Unicode look for a boundary: sentences are shorter. */
const SEGMENTED = 2048;
/** More on each side, so that a boundary does not depend on where the excerpt begins. */
const CONTEXT = 256;

const LINE_END = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/g;
const SEGMENTERS = (['sentence', 'word', 'grapheme'] as const).map(
  (granularity) => new Intl.Segmenter('und', { granularity }),
);

/**
 * `count` pieces that together are the text; each between half and one and a half of an equal share. Fewer when the
 * text has less than two characters a piece.
 */
export function cutText(text: string, count: number): string[] {
  const pieces = Math.max(1, Math.min(count, text.length >> 1));
  const size = text.length / pieces;
  const cuts = Array.from({ length: pieces - 1 }, (_, i) =>
    boundaryNear(text, Math.round((i + 1) * size), Math.floor(size * REACH)),
  );
  const places = [0, ...cuts, text.length];
  return places.slice(1).map((end, i) => text.slice(places[i], end));
}

/** The boundary nearest to `at`, among the best kind of boundary that there is within `reach` of it. */
function boundaryNear(text: string, at: number, reach: number): number {
  const lines = nearest(lineEnds(text.slice(at - reach, at + reach + 1), at - reach), at, reach);
  if (lines !== null) return lines;
  const near = Math.min(reach, SEGMENTED);
  const from = Math.max(0, at - near - CONTEXT);
  const excerpt = text.slice(from, at + near + CONTEXT);
  for (const segmenter of SEGMENTERS) {
    const found = nearest(segmentStarts(segmenter, excerpt, from), at, near);
    if (found !== null) return found;
  }
  // One character longer than that, as a pile of accents can be; still no half of a code point.
  return isLowSurrogate(text.charCodeAt(at)) ? at + 1 : at;
}

function* lineEnds(text: string, offset: number): Iterable<number> {
  for (const { index, 0: end } of text.matchAll(LINE_END)) yield offset + index + end.length;
}

function* segmentStarts(segmenter: Intl.Segmenter, text: string, offset: number): Iterable<number> {
  for (const { index } of segmenter.segment(text)) yield offset + index;
}

/** Which of ascending places within `reach` of `at` is nearest to it. */
function nearest(places: Iterable<number>, at: number, reach: number): number | null {
  let best: number | null = null;
  for (const place of places) {
    if (place > at + reach) break;
    if (place < at - reach) continue;
    if (best === null || Math.abs(place - at) < Math.abs(best - at)) best = place;
  }
  return best;
}

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;
