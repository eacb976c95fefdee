/** Bodies that are made as they are read: of a long answer only one piece at a time is in memory. */
import type { ServerResponse } from 'node:http';
import { PIECE_BYTES } from './door-limits.ts';

/** Where a body comes from. */
export interface Source {
  readonly size: number;
  /** The bytes from `at` on, at least one and at most {@link PIECE_BYTES}. They may change with the next call. */
  read(at: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Called once, at the end, at an error and when nobody reads on. */
  close(): Promise<void> | void;
}

/** Bytes that are in memory anyway. In pieces too, since TLS would copy them whole. */
export const bytesSource = (bytes: Uint8Array<ArrayBuffer>): Source => ({
  size: bytes.byteLength,
  read: async (at) => bytes.subarray(at, at + PIECE_BYTES),
  close: () => {},
});

/**
 * Sends a body, the next piece when the system has taken the last, from one buffer: new ones for what the system takes
 * in at once would be garbage by the megabyte. A source that fails ends the connection: the answer promised its length.
 */
export async function sendBody(outgoing: ServerResponse, source: Source): Promise<void> {
  let end = (): void => {};
  const ended = new Promise<'ended'>((resolve) => {
    end = () => resolve('ended');
  });
  outgoing.once('close', end);
  try {
    for (let at = 0; at < source.size && !outgoing.destroyed; ) {
      const piece = await source.read(at);
      if (piece.byteLength === 0) throw new Error(`a body ended ${source.size - at} bytes early`);
      at += piece.byteLength;
      const taken = new Promise<void>((resolve) => outgoing.write(piece, () => resolve()));
      if ((await Promise.race([taken, ended])) === 'ended') return;
    }
    outgoing.end();
  } catch {
    outgoing.destroy();
  } finally {
    outgoing.off('close', end);
    await source.close();
  }
}

/** The same as a stream, for whoever has no connection. */
export function bodyStream(source: Source): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream(
    {
      async pull(controller) {
        const piece = at < source.size ? await source.read(at) : new Uint8Array();
        at += piece.byteLength;
        if (piece.byteLength > 0) controller.enqueue(piece.slice());
        if (at < source.size && piece.byteLength > 0) return;
        await source.close();
        if (at < source.size) throw new Error('a body ended early');
        controller.close();
      },
      cancel: () => source.close(),
    },
    { highWaterMark: 0 },
  );
}
