/** Reads the body of an HTTP answer up to a limit that is known before the first byte. The same in a browser and in Node. */

/** An answer is longer than what was asked for may be. */
export class BodyTooLarge extends Error {
  static override readonly name = 'BodyTooLarge';
  override readonly name = 'BodyTooLarge';

  constructor(limit: number) {
    super(`more than ${limit} bytes`);
  }
}

/**
 * Gives `onPiece` the bytes of a body, at most `limit`; with more, reading ends at once and {@link BodyTooLarge} is
 * thrown. `onPiece`: told of each piece before the next is read, and waited for; what it keeps is its own.
 */
export async function readBody(
  response: Response,
  limit: number,
  onPiece: (piece: Uint8Array<ArrayBuffer>) => Promise<void> | void,
): Promise<void> {
  const reader = response.body?.getReader();
  let length = 0;
  try {
    for (;;) {
      const next = await reader?.read();
      if (next === undefined || next.done) return;
      length += next.value.byteLength;
      if (length > limit) throw new BodyTooLarge(limit);
      await onPiece(next.value);
    }
  } finally {
    // Ends the download; at its end it does nothing.
    reader?.cancel().catch(() => {});
  }
}

/** JSON of a body of at most `limit` bytes. Throws {@link BodyTooLarge}, or SyntaxError on what is no JSON. */
export async function readJson(
  response: Response,
  limit: number,
  onBytes?: (bytes: number) => void,
): Promise<unknown> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  await readBody(response, limit, (piece) => {
    pieces.push(piece);
    onBytes?.(piece.byteLength);
  });
  return JSON.parse(await new Blob(pieces).text());
}
