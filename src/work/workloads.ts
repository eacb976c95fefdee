/** The kind of work that a run does, by its manifest. The only place that knows all kinds. */
import type { Run } from '../chain/run.ts';
import { pretrain } from './pretrain/workload.ts';
import type { Workload } from './workload.ts';

export function workloadOf(run: Run): Workload {
  switch (run.manifest.task.kind) {
    case 'pretrain':
      return pretrain(run);
  }
}
