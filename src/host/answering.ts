/** Answers of the Hono app on a node:http server. Long bodies go to the connection piece by piece ({@link sendBody}). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener, type HttpBindings, RequestError } from '@hono/node-server';
import type { Context, Hono } from 'hono';
import { bodyStream, sendBody, type Source } from './pieces.ts';

/** What a request brings along: its connection, unless it comes from a test; and the body that its answer chose. */
export interface Bindings extends Partial<HttpBindings> {
  source?: Source;
}
export type Env = { Bindings: Bindings };

/** An answer whose body is sent in pieces. */
export function streamed(
  c: Context<Env>,
  status: 200 | 206,
  headers: Record<string, string>,
  source: Source,
): Response {
  const all = { ...headers, 'content-length': String(source.size) };
  if (c.env?.outgoing === undefined) return new Response(bodyStream(source), { status, headers: all });
  c.env.source = source;
  return new Response(null, { status, headers: all });
}

/** Tells the adapter that nothing is left for it to send. */
const SENT = new Error('the body was sent');

/** `app`: null while the run is being prepared. */
export function requestListener(
  app: () => Hono<Env> | null,
): (request: IncomingMessage, response: ServerResponse) => void {
  const answer = async (request: Request, env: HttpBindings): Promise<Response> => {
    const ready = app();
    if (ready === null)
      return new Response('starting: the run is being prepared\n', {
        status: 503,
        headers: { 'retry-after': '2' },
      });
    const bindings: Bindings = { ...env };
    const response = await ready.fetch(request, bindings);
    const { source } = bindings;
    if (source === undefined) return response;
    const { outgoing } = env;
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    await sendBody(outgoing, source);
    throw SENT;
  };
  const errorHandler = (error: unknown): Response | undefined =>
    error === SENT ? undefined : new Response(null, { status: error instanceof RequestError ? 400 : 500 });
  const listener = getRequestListener(answer as Parameters<typeof getRequestListener>[0], {
    errorHandler,
  });
  return (request, response) => void listener(request, response);
}
