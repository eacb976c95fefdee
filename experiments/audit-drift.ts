/**
 * `node --import ./scripts/register.mjs experiments/audit-drift.ts [--preset tiny] [--rounds 4] [--steps 10]`: rounds
 * trained on Dawn's driver, honest and not, replayed on it and on Deno's (lavapipe). The bounds of an audit
 * (src/gauntlet/replay.ts) come from its figures. One JSON object a line.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleModule } from '../bench/lib/bundle.ts';
import { lavapipeIcd } from '../scripts/browsers.ts';
import { nodeGpuEntry } from '../src/kernels/node-gpu.ts';
import { genesisTheta } from '../src/model/init.ts';
import { preset } from '../src/model/presets.ts';
import { toHex } from '../src/protocol/bytes.ts';
import type { Manifest } from '../src/protocol/manifest.ts';
import { testHash, testManifest } from '../src/protocol/testing.ts';
import { type Carry, partBytes } from '../src/training/carry.ts';
import { Trainer } from '../src/work/pretrain/trainer.ts';
import type { Assignment } from '../src/work/pretrain/trainer-api.ts';
import { type AuditCase, type AuditJob, type CarryFiles, runAudits } from './lib/audit-job.ts';
import { readCorpus } from './lib/texts.ts';

const { values } = parseArgs({
  options: {
    preset: { type: 'string', default: 'tiny' },
    rounds: { type: 'string', default: '4' },
    steps: { type: 'string', default: '10' },
  },
});
const base = preset(values.preset);
const rounds = Number(values.rounds);
const steps = Number(values.steps);
const shard = Uint16Array.from(readCorpus('sotu').train.subarray(0, 200_000));
const run = testManifest(new Uint8Array(32), []);
const manifest: Manifest = {
  ...run,
  model: base.model,
  task: {
    kind: 'pretrain',
    data: {
      ...run.task.data,
      train: [{ hash: new Uint8Array(32), size: 2 * shard.length, tokens: shard.length }],
    },
    training: { ...base.training, maxInnerSteps: steps },
  },
  sparseloco: base.sparseloco,
  gauntlet: { ...run.gauntlet, auditsPerRound: 1 },
};
const folder = mkdtempSync(join(tmpdir(), 'audit-drift-'));
const cases: AuditCase[] = [];

function save(name: string, bytes: Uint8Array): string {
  writeFileSync(join(folder, name), bytes);
  return name;
}
const saveCarry = (name: string, carry: Carry): CarryFiles => ({
  error: save(`${name}-e`, partBytes(carry.error)),
  moment1: save(`${name}-m`, partBytes(carry.moment1)),
  moment2: save(`${name}-v`, partBytes(carry.moment2)),
  step: carry.step,
});

/** A contributor of its own, so that a lie in one round does not change the next. */
async function contribute(
  name: string,
  lie: (round: number, honest: Assignment) => { steps: number; as: Assignment },
) {
  const trainer = new Trainer(await nodeGpuEntry());
  await trainer.open(manifest);
  await trainer.load(genesisTheta(base.model, 'audit drift', base.sparseloco.fractionBits));
  for (let round = 1; round <= rounds; round++) {
    const honest: Assignment = {
      seed: testHash(`assignment ${round}`),
      height: round,
      shards: new Map([[0, shard]]),
    };
    // Every contributor is honest up to the last round: what came before is the same for all.
    const { steps: done, as } = round === rounds ? lie(round, honest) : { steps, as: honest };
    const theta = await trainer.theta();
    await trainer.train(as, Date.now() + 3_600_000, (p) => p.innerSteps === done && trainer.stop());
    const work = await trainer.finish({ run: new Uint8Array(32), round, contributor: new Uint8Array(32) });
    const carry = await trainer.carry(round);
    if (work === null || carry === null) throw new Error('no work');
    if (round === rounds || (name === 'honest' && round === 1)) {
      const id = `${name}-${round}`;
      const after = { ...carry.after, step: carry.after.step + steps - done };
      cases.push({
        name,
        round,
        theta: save(
          `${id}-theta`,
          new Uint8Array(theta.buffer as ArrayBuffer, theta.byteOffset, theta.byteLength),
        ),
        before: carry.before === null ? null : saveCarry(`${id}-before`, carry.before),
        after: saveCarry(`${id}-after`, after),
        submission: save(`${id}-submission`, work.submission),
        innerSteps: steps,
        seed: toHex(honest.seed),
        height: honest.height,
      });
    }
    await trainer.apply([{ bytes: work.submission, weight: 1024 }]);
  }
  await trainer.close();
}

try {
  await contribute('honest', (_, as) => ({ steps, as }));
  await contribute('one-step-short', (_, as) => ({ steps: steps - 1, as }));
  await contribute('lazy-quarter-short', (_, as) => ({ steps: Math.ceil(0.75 * steps), as }));
  await contribute('lazy-half', (_, as) => ({ steps: steps >> 1, as }));
  await contribute('other-data', (round, as) => ({ steps, as: { ...as, seed: testHash(`other ${round}`) } }));
  const job: AuditJob = { manifest, shard: save('shard', new Uint8Array(shard.buffer)), cases };
  writeFileSync(
    join(folder, 'job.json'),
    JSON.stringify(job, (_, value) => value),
  );
  const read = async (name: string) => new Uint8Array(readFileSync(join(folder, name)));
  await runAudits(job, { gpu: await nodeGpuEntry(), read, print: (line) => console.log(line) });
  const icd = lavapipeIcd();
  if (icd === null) console.error('no lavapipe: the figures of another driver are missing');
  else {
    const module = join(folder, 'audit.mjs');
    writeFileSync(module, await bundleModule(join(import.meta.dirname, 'audit-deno.ts')));
    const deno = join(import.meta.dirname, '../node_modules/.bin/deno');
    const args = [
      'run',
      '--quiet',
      '--no-config',
      '--no-remote',
      '--unstable-webgpu',
      '--allow-read',
      module,
      folder,
    ];
    const env = { ...process.env, VK_ICD_FILENAMES: icd, LP_NUM_THREADS: '1', DENO_NO_UPDATE_CHECK: '1' };
    const { status } = spawnSync(deno, args, { stdio: 'inherit', env });
    if (status !== 0) throw new Error(`Deno ended with ${status}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
