/** The run that a host serves, opened: its manifest checked, and how to reach its swarm. */
import { openRun, type Run } from '../chain/run.ts';
import { PROTOCOL_VERSION } from '../protocol/limits.ts';
import type { Host, RunAnswer } from './host.ts';

/** The host speaks another version, or its description of the run is not valid. */
export class RunError extends Error {
  static override readonly name = 'RunError';
  override readonly name = 'RunError';
  readonly code: 'protocol-version' | 'bad-manifest';
  readonly facts: { readonly ours: number; readonly theirs: number; readonly detail: string };

  constructor(code: RunError['code'], theirs: number, detail: string) {
    super(`${code}: ${detail}`);
    this.code = code;
    this.facts = { ours: PROTOCOL_VERSION, theirs, detail };
  }
}

/** The address serves another run than the one that was joined. */
export class OtherRunError extends Error {
  static override readonly name = 'OtherRunError';
  override readonly name = 'OtherRunError';
  /** Names of the runs. */
  readonly facts: { readonly ours: string; readonly theirs: string };

  constructor(ours: string, theirs: string) {
    super(`run ${theirs} is served instead of ${ours}`);
    this.facts = { ours, theirs };
  }
}

/** The same run, but its host has another node, or a chain without what it certified before: a stay begins anew. */
export class HostChangedError extends Error {
  static override readonly name = 'HostChangedError';
  override readonly name = 'HostChangedError';
  readonly what: 'address' | 'chain';

  constructor(what: HostChangedError['what']) {
    super(`the host has another ${what}`);
    this.what = what;
  }
}

export interface ServedRun {
  readonly run: Run;
  readonly answer: RunAnswer;
}

/** Rejects with HostError or {@link RunError}. */
export async function fetchRun(host: Pick<Host, 'run'>, signal?: AbortSignal): Promise<ServedRun> {
  const answer = await host.run(signal);
  const { protocol } = answer;
  if (protocol !== PROTOCOL_VERSION)
    throw new RunError('protocol-version', protocol, `host speaks ${protocol}`);
  const opened = await openRun(answer.manifest);
  if (!opened.ok) throw new RunError('bad-manifest', protocol, opened.detail);
  return { run: opened.run, answer };
}
