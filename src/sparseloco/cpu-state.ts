/** The agreed state on the CPU as a chain applies work to it: on a copy, so that nothing moves before a link is kept. */
import type { ParameterLayout } from '../model/layout.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { CpuReplica } from './cpu-replica.ts';

export class CpuState {
  readonly atomic = true;
  #replica: CpuReplica;

  constructor(layout: ParameterLayout, settings: SparseLoco) {
    this.#replica = new CpuReplica(layout, settings);
  }

  async load(theta: Int32Array): Promise<Uint8Array> {
    await this.#replica.load(theta);
    return this.#replica.root();
  }

  /** A copy of θ, `[elements]`. */
  theta(): Promise<Int32Array> {
    return this.#replica.read();
  }

  /** Applies weighted submissions to a copy, which replaces the state when it is committed. */
  async stage(work: readonly { readonly bytes: Uint8Array; readonly weight: number }[]) {
    const next = new CpuReplica(this.#replica.layout, this.#replica.settings);
    await next.load(await this.#replica.read());
    const root = await next.apply(work);
    return {
      root,
      theta: () => next.read(),
      commit: () => {
        this.#replica = next;
      },
    };
  }
}
