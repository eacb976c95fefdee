/** A host's HTTP interface as the command line uses it: errors in plain words. */
import { readJson } from '../peer/read-body.ts';
import { complaints, noAnswerText } from './say.ts';

/** The host cannot be reached or is no Tabswarm host. */
export class HostUnreachableError extends Error {
  static override readonly name = 'HostUnreachableError';
  override readonly name = 'HostUnreachableError';
}

const TIMEOUT_MS = 15_000;
/** As the largest answer to a tab: certificates. */
const MAX_ANSWER_BYTES = 4 << 20;

/** JSON of an endpoint. The caller vouches for `T`: the host is one the user named. */
export async function getJson<T>(base: string, path: string): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`${base}${path}`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (cause) {
    const inner = (cause as Error).cause as NodeJS.ErrnoException | undefined;
    throw new HostUnreachableError(
      noAnswerText(base, inner?.code ?? (cause as Error).name, inner?.message ?? ''),
      {
        cause,
      },
    );
  }
  if (response.status === 503) throw new HostUnreachableError(complaints.stillPreparing(base));
  try {
    if (!response.ok) throw new Error(`status ${response.status}`);
    return (await readJson(response, MAX_ANSWER_BYTES)) as T;
  } catch (cause) {
    throw new HostUnreachableError(complaints.noHost(base, (cause as Error).message), { cause });
  }
}
