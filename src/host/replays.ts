/** Replays of audited rounds, done in a process with a GPU of its own, so that the relay never waits for them. */
import type { Run } from '../chain/run.ts';
import type { ReplayFigures } from '../gauntlet/replay.ts';
import { MAX_SOFTWARE_PARAMETERS, type ReplayRequest, type Replays } from '../measure/replays.ts';
import { messageOf } from '../protocol/errors.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { AuditsOff } from './events.ts';
import { WorkerCalls } from './worker-calls.ts';

/** What the process is started with. `software`: a CPU driver will do. */
export interface ReplayWorkerData {
  readonly manifest: Manifest;
  readonly software: boolean;
}

export type ReplayQuestion = { readonly kind: 'open' } | ({ readonly kind: 'replay' } & ReplayRequest);
export type ReplayAnswer =
  | { readonly kind: 'opened'; readonly adapter: string; readonly software: boolean }
  | { readonly kind: 'replayed'; readonly figures: ReplayFigures };

/** A replay could not be done; the contributor is not to blame. */
class ReplayError extends Error {
  static override readonly name = 'ReplayError';
  override readonly name = 'ReplayError';
}

/**
 * Opens this machine's GPU for audits, or says why there are none: audits are no condition for a run to go on.
 * `software`: a CPU driver will do, for small models.
 */
export async function openReplays(
  { manifest, layout }: Pick<Run, 'manifest' | 'layout'>,
  software: boolean,
  signal: AbortSignal,
): Promise<{ readonly replays: Replays; readonly adapter: string } | AuditsOff> {
  const calls = new WorkerCalls<ReplayQuestion, ReplayAnswer>({
    script: new URL('./replays.worker.ts', import.meta.url),
    kind: 'process',
    data: { manifest, software } satisfies ReplayWorkerData,
    failure: (message) => new ReplayError(message),
    first: () => null,
  });
  const close = (): void => void calls.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    const answer = await calls.ask({ kind: 'open' });
    if (answer.kind !== 'opened') throw new ReplayError('the replay worker answered something else');
    const { elements } = layout;
    if (!answer.software || elements <= MAX_SOFTWARE_PARAMETERS)
      return { adapter: answer.adapter, replays: new WorkerReplays(calls) };
    await calls.close();
    return { why: 'software-gpu', adapter: answer.adapter, parameters: elements };
  } catch (error) {
    await calls.close();
    return { why: 'no-gpu', error: messageOf(error) };
  } finally {
    signal.removeEventListener('abort', close);
  }
}

class WorkerReplays implements Replays {
  readonly #calls: WorkerCalls<ReplayQuestion, ReplayAnswer>;

  constructor(calls: WorkerCalls<ReplayQuestion, ReplayAnswer>) {
    this.#calls = calls;
  }

  async replay(request: ReplayRequest): Promise<ReplayFigures> {
    const answer = await this.#calls.ask({ kind: 'replay', ...request });
    if (answer.kind !== 'replayed') throw new ReplayError('the replay worker answered something else');
    return answer.figures;
  }

  close(): Promise<void> {
    return this.#calls.close();
  }
}
