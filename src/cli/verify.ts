/**
 * `tabswarm verify`: recomputes the Merkle root of a checkpoint from its values, and with --url holds it against the
 * certificate that the run's validators signed. The root that the file claims proves nothing by itself. With --manifest
 * the run is the one that somebody trusts already, whatever the host says.
 */
import { readFileSync, statSync } from 'node:fs';
import * as v from 'valibot';
import { type Checkpoint, CheckpointError, claimsRun, decodeCheckpoint } from '../model/checkpoint.ts';
import type { ModelConfig } from '../model/config.ts';
import { parameterLayout } from '../model/layout.ts';
import { PRESET_NAMES, preset } from '../model/presets.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { checkAnchor } from '../chain/certificate.ts';
import { openRun, type Run } from '../chain/run.ts';
import { open } from '../protocol/envelope.ts';
import { stateRoot } from '../sparseloco/state.ts';
import { hostUrl, parseCommand, UsageError } from './arguments.ts';
import { getJson } from './host-api.ts';
import type { Output } from './output.ts';
import { complaints } from './say.ts';

export async function verify(args: readonly string[], { out }: Output): Promise<number> {
  const { values, positionals } = parseCommand('verify', args);
  const [path = ''] = positionals;
  const base = values.url === undefined ? null : hostUrl('--url', values.url);
  const bytes = readFile(path);
  const own = values.manifest === undefined ? null : await readRun(values.manifest);
  const hosted = base === null ? null : await fetchRun(base);
  if (own !== null && hosted !== null && !bytesEqual(own.id, hosted.id))
    throw new Error(complaints.otherRun());
  const run = own ?? hosted;
  const { checkpoint, model } = decode(bytes, path, run);
  const root = await stateRoot(checkpoint.theta, parameterLayout(model));
  const claimed = bytesEqual(root, checkpoint.root);
  const certified = run === null ? null : await compare(base, run, checkpoint, root);
  const ok = claimed && certified !== false;
  if (values.json === true) {
    out(
      JSON.stringify({
        ok,
        height: checkpoint.height,
        parameters: checkpoint.theta.length,
        root: toHex(root),
        claimedRoot: toHex(checkpoint.root),
        certified,
      }),
    );
    return ok ? 0 : 1;
  }
  out(`height      ${checkpoint.height}, ${checkpoint.theta.length} parameters`);
  out(`root        ${toHex(root)} (recomputed)`);
  out(
    `the file    ${claimed ? 'claims the same' : `claims ${toHex(checkpoint.root)}: it was changed or damaged`}`,
  );
  if (certified === null) out('certified   not compared; add --url HOST to hold it against the certificates');
  else if (certified) out(`certified   yes, by the validators of run ${(run as Run).name.slice(0, 12)}`);
  else out('certified   NO: the validators signed another state for this height');
  return ok ? 0 : 1;
}

/** The file says only the hash of its model's configuration, so the configuration is sought where it can be. */
function decode(
  bytes: Uint8Array,
  path: string,
  run: Run | null,
): { checkpoint: Checkpoint; model: ModelConfig } {
  const models = [...(run === null ? [] : [run.manifest.model]), ...PRESET_NAMES.map((n) => preset(n).model)];
  let problem = '';
  for (const model of models) {
    try {
      return { checkpoint: decodeCheckpoint(bytes, model), model };
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      problem ||= error.message;
    }
  }
  const hint = run === null ? ` ${complaints.whichModel()}` : '';
  throw new Error(`${complaints.noCheckpoint(path, problem)}${hint}`);
}

/** A checkpoint of the largest model that a run may have is below 2 GiB, Node's own limit for a file. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

function readFile(path: string): Uint8Array {
  try {
    // A folder, a device or a film has no place in memory.
    const stat = statSync(path);
    if (!stat.isFile() || stat.size > MAX_FILE_BYTES)
      throw Object.assign(new Error('size'), { code: 'EFBIG' });
    return readFileSync(path);
  } catch (cause) {
    throw new UsageError(complaints.unreadableFile(path, (cause as NodeJS.ErrnoException).code ?? '?'), {
      cause,
    });
  }
}

/** What a host answers under /api/run, as far as it is needed here. */
const RunAnswer = v.object({ manifest: v.string() });

async function fetchRun(base: string): Promise<Run> {
  const answer = v.safeParse(RunAnswer, await getJson<unknown>(base, '/api/run'));
  if (!answer.success) throw new Error(complaints.noHost(base, null));
  const opened = await openRun(Buffer.from(answer.output.manifest, 'base64'));
  if (!opened.ok) throw new Error(complaints.hostManifest(opened.detail));
  return opened.run;
}

async function readRun(path: string): Promise<Run> {
  const text = Buffer.from(readFile(path)).toString('utf8');
  let json: unknown = null;
  try {
    json = JSON.parse(text);
  } catch {
    // said below
  }
  const answer = v.safeParse(RunAnswer, json);
  if (!answer.success)
    throw new UsageError(`--manifest "${path}" is not what a host answers under /api/run; save that.`);
  const opened = await openRun(Buffer.from(answer.output.manifest, 'base64'));
  if (!opened.ok) throw new Error(complaints.fileManifest(path, opened.detail));
  return opened.run;
}

/**
 * Whether the recomputed root is the certified one, or at height 0 the manifest's; null without a host to ask. Throws
 * when the host has no certificate of that height.
 */
async function compare(
  base: string | null,
  run: Run,
  checkpoint: Checkpoint,
  root: Uint8Array,
): Promise<boolean | null> {
  if (!claimsRun(checkpoint, run.id)) throw new Error(complaints.otherCheckpoint(run.name.slice(0, 12)));
  if (checkpoint.height === 0) return bytesEqual(root, run.manifest.genesis.root);
  if (base === null) return null;
  const { links } = await getJson<{ links: { certificate: string }[] }>(
    base,
    `/api/certificates?from=${checkpoint.height}`,
  );
  const [first] = links;
  if (first === undefined) throw new Error(complaints.noCertificate(checkpoint.height));
  const opened = await open(Buffer.from(first.certificate, 'base64'));
  if (!opened.ok || opened.message.kind !== 'certificate') throw new Error(complaints.notACertificate());
  const checked = await checkAnchor(opened.message, run);
  if (!checked.ok) throw new Error(complaints.badCertificate(checked.reason, checked.detail));
  if (checked.certificate.body.height !== checkpoint.height)
    throw new Error(complaints.noCertificate(checkpoint.height));
  return bytesEqual(root, checked.certificate.body.root);
}
