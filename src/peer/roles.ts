/** The two roles without a seat: a watcher, which only follows the chain, and a contributor, which works in it. */
import type { AdapterReport } from '../kernels/gpu.ts';
import type { PretrainClaim } from '../work/pretrain/claim.ts';
import { PretrainPerforming, type PretrainPerformingOptions } from '../work/pretrain/performing.ts';
import type { RoundWork, TrainerClient, TrainProgress } from '../work/pretrain/trainer-api.ts';
import { AdapterPatience } from './adapter-patience.ts';
import { fetchKept } from './blobs.ts';
import { Contributor, type ContributorEvents } from './contributor.ts';
import type { Participant, Self, Stay } from './participant.ts';

/** Checks and counts every certificate until `signal` aborts; holds no state. */
export async function watch(
  participant: Participant,
  hooks: { readonly show: () => Self; readonly entered: (stay: Stay) => () => void },
  signal: AbortSignal,
): Promise<void> {
  const self = { role: 'watcher', show: hooks.show } as const;
  const live = async (stay: Stay, staying: AbortSignal): Promise<void> => {
    const left = hooks.entered(stay);
    try {
      const { follower } = stay;
      await participant.retrying(staying, () => follower.catchUp(staying));
      while (!staying.aborted) {
        follower.followOnly();
        await follower.waitForNew(staying);
      }
    } finally {
      left();
    }
  };
  // A stay that cannot begin, or ends by what passes, begins anew.
  await participant.retrying(signal, () => participant.stay({ self }, live, signal));
}

/** What is told of a contributor at its work. */
export interface WorkHooks extends ContributorEvents {
  /** The contributor is at work with an open trainer, or (null) no longer. */
  working(at: { readonly contributor: Contributor; readonly trainer: TrainerClient } | null): void;
  progress(round: number, progress: TrainProgress): void;
  work(round: number, claim: PretrainClaim, work: RoundWork): void;
}

export interface ContributeHooks extends WorkHooks {
  show(): Self;
  /** The stay began; what is returned is called when it ends. */
  entered(stay: Stay): () => void;
  startTrainer(): TrainerClient;
  adapter(adapter: AdapterReport): void;
}

/** Works in the run until `signal` aborts or the last round is settled. */
export async function contribute(
  participant: Participant,
  hooks: ContributeHooks,
  signal: AbortSignal,
): Promise<void> {
  const self = { role: 'contributor', show: () => hooks.show() } as const;
  const patience = new AdapterPatience();
  const live = async (stay: Stay, staying: AbortSignal): Promise<void> => {
    const left = hooks.entered(stay);
    try {
      await participant.retrying(staying, () => stay.follower.catchUp(staying));
      const told: ContributeHooks = {
        ...hooks,
        activity: (activity, waiting) => {
          if (activity === 'training') participant.gotOn();
          hooks.activity(activity, waiting);
        },
      };
      await participant.retrying(staying, () => work(stay, told, patience, staying));
    } finally {
      left();
    }
  };
  await participant.retrying(signal, () => participant.stay({ self }, live, signal));
}

/** The trainer ends in any case, whatever it is doing then, and be it hanging in the driver. */
async function work(
  stay: Stay,
  hooks: ContributeHooks,
  patience: AdapterPatience,
  signal: AbortSignal,
): Promise<void> {
  const trainer = hooks.startTrainer();
  const end = (): void => trainer.terminate();
  signal.addEventListener('abort', end);
  try {
    const { adapter } = await patience.open(() => trainer.open(stay.run.manifest));
    hooks.adapter(adapter);
    await workWith(stay, trainer, hooks, signal);
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

/** A contributor's life with a trainer that is open. `beacon`: {@link PretrainPerformingOptions.beacon}. */
export async function workWith(
  stay: Stay,
  trainer: TrainerClient,
  hooks: WorkHooks,
  signal: AbortSignal,
  beacon?: PretrainPerformingOptions['beacon'],
): Promise<void> {
  const { run, follower, sources, clock, identity, swarm, workload, blobs } = stay;
  const performer = new PretrainPerforming({
    run,
    trainer,
    clock,
    fetch: (ref, until) => fetchKept(ref, sources, until),
    onProgress: (round, progress) => hooks.progress(round, progress),
    onWork: (...done) => hooks.work(...done),
    ...(beacon === undefined ? {} : { beacon }),
  });
  const contributor = new Contributor({
    identity,
    swarm,
    workload,
    performer,
    follower,
    blobs,
    clock,
    events: hooks,
  });
  stay.onAudit = (message) => void contributor.audit(message).catch(() => {});
  hooks.working({ contributor, trainer });
  try {
    await contributor.run(signal);
  } finally {
    stay.onAudit = () => {};
    hooks.working(null);
    follower.forgetState();
  }
}
