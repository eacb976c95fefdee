/**
 * "Goes on by itself" is said of nothing that does not: each problem that may be shown as recovering is brought about, healed, and
 * gone without a hand. Complete by type: a new code does not compile here without its way or the reason why it never recovers.
 */
import { describe, expect, test } from 'vitest';
import { GpuUnavailableError } from '../kernels/gpu.ts';
import { toHex } from '../protocol/bytes.ts';
import { SimMachine } from '../sim/machine.ts';
import type { SimSwarm } from '../sim/swarm.ts';
import { SimTrainer } from '../sim/trainer.ts';
import type { Problem } from './state.ts';
import { accepted, later, type Page, type PageOptions, until, useSessions } from './testing-session.ts';

const { swarmOf, open } = useSessions();

/** Never shown as recovering: a person must do something. */
type Lasting =
  | 'no-webgpu'
  | 'insecure-page'
  | 'framed'
  | 'adapter-too-small'
  | 'bad-manifest'
  | 'protocol-version'
  | 'other-run'
  | 'key-not-kept'
  | 'ice-skipped';

interface Way {
  readonly options?: (s: SimSwarm, broken: () => boolean) => PageOptions;
  /** Whether it is there from the beginning on. */
  readonly early?: true;
  /** Nobody else has what is missing. */
  readonly alone?: true;
  readonly happens?: (s: SimSwarm, page: Page) => void | Promise<void>;
  readonly heals?: (s: SimSwarm) => void;
}

const noAdapter = new GpuUnavailableError('no-adapter');
const brokenTrainer: Way['options'] = (_, broken) => ({
  trainer: (made) => {
    const trainer = new SimTrainer(made);
    if (broken()) trainer.open = () => Promise.reject(noAdapter);
    return trainer;
  },
});

/** Over when the time comes, which src/sim/time.test.ts waits for: there the host's clock can be set. */
type Timely = 'not-begun' | 'chain-ahead';

let machine: SimMachine | null = null;

const WAYS: Readonly<Record<Exclude<Problem['code'], Lasting | Timely>, Way>> = {
  'clock-jumped': {
    options: (s) => {
      const made = new SimMachine(s.clock);
      machine = made;
      return { platform: () => ({ clock: made.clock }) };
    },
    happens: () => machine?.step(3_600_000),
  },
  'host-unreachable': { happens: (s) => s.setHostAway(true), heals: (s) => s.setHostAway(false) },
  'socket-refused': {
    happens: (s) => s.network.setHostState('unreachable', ['page']),
    heals: (s) => s.network.setHostState('connected'),
  },
  'host-changed': {
    happens: async (s) => {
      s.setHostAway(true);
      await later(s, 3000);
      s.host.relays = ['memory://other'];
      s.host.reachable = true;
    },
    heals: (s) => s.network.setHostState('connected'),
  },
  'blob-missing': {
    early: true,
    alone: true,
    options: (s, broken) => {
      const name = toHex(s.run.manifest.task.data.train[0].hash);
      return { blob: (hash, bytes) => (broken() && hash === name ? null : bytes) };
    },
  },
  'corrupt-data': {
    early: true,
    options: (s, broken) => {
      const name = toHex(s.run.manifest.task.data.train[0].hash);
      return { blob: (hash, bytes) => (broken() && hash === name ? bytes.map((byte) => byte ^ 1) : bytes) };
    },
  },
  'no-validator': {
    early: true,
    options: (s) => {
      s.host.validator = 'none';
      return {};
    },
    heals: (s) => {
      s.host.validator = 'host';
    },
  },
  'round-unjudged': {
    happens: (s) => {
      s.host.diskFull = true;
    },
    heals: (s) => {
      s.host.diskFull = false;
    },
  },
  'out-of-sync': {
    happens: (_, page) => {
      const trainer = page.trainers[0];
      const apply = trainer.apply.bind(trainer);
      trainer.apply = (work) => apply(work.slice(1));
    },
  },
  'device-lost': { happens: (_, page) => page.trainers[0].loseDevice() },
  'gpu-withdrawn': { options: brokenTrainer, happens: (_, page) => page.trainers[0].loseDevice() },
  'no-adapter': { early: true, options: brokenTrainer },
  internal: {
    early: true,
    options: (_, broken) => ({
      platform: (base) => ({
        joinSwarm: async (options) => {
          if (broken()) throw new TypeError('no sockets');
          return base.joinSwarm(options);
        },
      }),
    }),
  },
};

describe('what is shown as going on by itself does', () => {
  test.each(Object.entries(WAYS))(
    '%s',
    async (code, { options, early = false, alone = false, happens, heals }) => {
      const s = await swarmOf({ contributors: alone ? 0 : 1 });
      let broken = early;
      const page = await open(s, options?.(s, () => broken) ?? {});
      const shown = () => page.state().problems.filter((problem) => problem.code === code);
      page.session.actions.start();
      if (!early) {
        await accepted(s, page);
        await until(s, () => page.state().activity === 'training');
        broken = true;
        await happens?.(s, page);
      }
      await until(s, () => shown().length > 0);
      expect(shown()).toMatchObject([{ recovering: true }]);
      broken = false;
      heals?.(s);
      const { accepted: before } = page.state().totals;
      await accepted(s, page, before + 2);
      await later(s, 12_000);
      // Nothing is left that says so, and the tab works.
      expect(page.state().problems.filter(({ recovering }) => recovering)).toEqual([]);
      expect(page.state().intent).toBe('running');
    },
  );
});
