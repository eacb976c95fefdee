/**
 * The volunteer's session: owns the store, the connection to the swarm and the trainer, and does what the buttons say.
 *
 * Nothing runs before `start()` or `watch()`: until then only the run's description is fetched, so that the page can
 * say what it would do. Every failure ends up as a {@link Problem} with words a person can act on.
 */
import { toHex } from '../protocol/bytes.ts';
import { openManifest, seal } from '../protocol/envelope.ts';
import { PROTOCOL_VERSION } from '../protocol/limits.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { createTabSwarm } from '../swarm/tab-node.ts';
import { pause } from '../swarm/pause.ts';
import type { Swarm } from '../swarm/types.ts';
import { startChat } from '../worker/chat-client.ts';
import { startTrainer, type TrainerClient } from '../worker/client.ts';
import { BlobShelf, type BlobSources } from './blobs.ts';
import { ChatModel } from './chat.ts';
import { type ChatSource, chatSource } from './chat-source.ts';
import { RunClock } from './clock.ts';
import { Contributor } from './contributor.ts';
import { Follower, OutOfSyncError } from './follower.ts';
import { fromBase64, HostClient, type RunAnswer } from './host-client.ts';
import { type ClaimedIdentity, claimIdentity } from './identities.ts';
import { Inbox } from './inbox.ts';
import { presenceOf, runInfo } from './describe.ts';
import { foreseeable, ManifestError, toProblem, VersionError } from './problems.ts';
import { Recorder } from './recorder.ts';
import { loadGpuShare, saveGpuShare } from './settings.ts';
import { Samples } from './samples.ts';
import type { SessionActions } from './state.ts';
import { type AppStore, clear, createAppStore, raise } from './store.ts';
import { Submissions } from './submissions.ts';

/** Sign of life to the swarm, and fresh clock samples. */
const PRESENCE_MS = 4000;
const CLOCK_MS = 60_000;
/** Back-off after a failure that waiting may mend. */
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 30_000;

export interface SessionOptions {
  /** Where the host's HTTP interface is. */
  readonly baseUrl: string;
}

export interface Session {
  readonly store: AppStore;
  readonly actions: SessionActions;
  /** The model in use; nothing of it is loaded before it is asked for. */
  readonly chat: ChatModel;
  readonly samples: Samples;
}

interface Run {
  readonly answer: RunAnswer;
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
}

export function createSession(options: SessionOptions): Session {
  const session = new SessionImpl(options);
  void session.describe().catch(() => {});
  // For tests and the curious: the state can be read from the console, but nothing can be started from there.
  Object.defineProperty(globalThis, 'tabswarm', {
    value: { state: () => session.store.getState() },
    configurable: true,
  });
  const chat = new ChatModel({ session: session.store, source: session.chatSource, start: startChat });
  const samples = new Samples(session.store, chat);
  return { store: session.store, actions: session, chat, samples };
}

class SessionImpl implements SessionActions {
  readonly store: AppStore = createAppStore();
  readonly chatSource: ChatSource;
  readonly #host: HostClient;
  readonly #clock = new RunClock();
  readonly #recorder: Recorder;
  #run: Run | null = null;
  #describing: Promise<void> | null = null;
  /** Ends everything that start() or watch() began. */
  #abort: AbortController | null = null;
  /** Settles when what start() or watch() began has let go of everything: two at once would be two contributors. */
  #living: Promise<void> = Promise.resolve();
  #trainer: TrainerClient | null = null;

  constructor(options: SessionOptions) {
    this.#host = new HostClient(options.baseUrl);
    this.chatSource = chatSource({
      host: this.#host,
      manifest: () => this.#run?.manifest ?? null,
      trainer: () => this.#trainer,
    });
    this.#recorder = new Recorder(this.store, this.#host, this.#clock);
    this.store.setState({ gpuShare: loadGpuShare() });
    const foreseen = foreseeable();
    if (foreseen !== null) raise(this.store, foreseen);
  }

  /** Fetches what the page must say before anything starts; goes on trying while the host is away. */
  describe(): Promise<void> {
    this.#describing ??= this.#retrying(async () => {
      const answer = await this.#host.run();
      if (answer.protocol !== PROTOCOL_VERSION) {
        throw new VersionError(
          `This page speaks protocol ${PROTOCOL_VERSION}, the host speaks ${answer.protocol}. Reload the page.`,
        );
      }
      const opened = await openManifest(fromBase64(answer.manifest));
      if (!opened.ok) throw new ManifestError(`The host's run description is not valid: ${opened.detail}`);
      this.#run = { answer, manifest: opened.manifest, runId: opened.runId };
      await this.#clock.measure(this.#host);
      this.store.setState({
        run: runInfo(opened.manifest, opened.runId),
        clockOffsetMs: this.#clock.offsetMs,
      });
      clear(this.store, 'host-unreachable', 'bad-manifest', 'protocol-version');
    }, new AbortController().signal);
    return this.#describing;
  }

  start(): void {
    this.#begin('running');
  }

  watch(): void {
    this.#begin('watching');
  }

  pause(): void {
    if (this.store.getState().intent !== 'running') return;
    this.store.setState({ intent: 'paused', activity: 'paused', waitingFor: null, tokensPerSecond: 0 });
    void this.#trainer?.setPaused(true).catch(() => {});
  }

  resume(): void {
    if (this.store.getState().intent !== 'paused') return;
    this.store.setState({ intent: 'running', activity: 'training' });
    void this.#trainer?.setPaused(false).catch(() => {});
  }

  stop(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.store.setState({
      intent: 'idle',
      activity: 'idle',
      waitingFor: null,
      tokensPerSecond: 0,
      peers: [],
    });
  }

  setGpuShare(share: number): void {
    const gpuShare = Math.min(1, Math.max(0.1, share));
    this.store.setState({ gpuShare });
    saveGpuShare(gpuShare);
    void this.#trainer?.setGpuShare(gpuShare).catch(() => {});
  }

  #begin(intent: 'running' | 'watching'): void {
    if (this.#abort !== null) {
      if (this.store.getState().intent === intent) return;
      this.stop();
    }
    const abort = new AbortController();
    this.#abort = abort;
    this.store.setState({ intent, activity: 'connecting', waitingFor: 'Connecting to the host.' });
    // What fails in there is on the page already; it must not keep a later Start from running.
    this.#living = this.#living.then(() => this.#live(intent, abort.signal)).catch(() => {});
  }

  /** Everything from connecting to the end; leaves nothing behind when it returns. */
  async #live(intent: 'running' | 'watching', signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await this.describe();
    const run = this.#run;
    if (run === null || signal.aborted) return;
    let swarm: Swarm | null = null;
    let claimed: ClaimedIdentity | null = null;
    try {
      claimed = await claimIdentity();
      this.store.setState({ identity: toHex(claimed.identity.publicKey) });
      swarm = await createTabSwarm({
        relays: run.answer.relays,
        topic: toHex(run.runId),
        iceServers: run.answer.iceServers,
      });
      if (signal.aborted) return;
      await this.#inSwarm(intent, run, claimed, swarm, signal);
    } catch (error) {
      if (!signal.aborted) {
        raise(this.store, toProblem(error));
        this.store.setState({ activity: 'failed', waitingFor: null });
      }
    } finally {
      await swarm?.stop().catch(() => {});
      claimed?.release();
    }
  }

  async #inSwarm(
    intent: 'running' | 'watching',
    run: Run,
    claimed: ClaimedIdentity,
    swarm: Swarm,
    signal: AbortSignal,
  ): Promise<void> {
    const { manifest, runId } = run;
    const { identity } = claimed;
    const sources: BlobSources = {
      host: this.#host,
      swarm,
      shelf: new BlobShelf(swarm),
      onCorrupt: (source, hash) =>
        raise(this.store, {
          code: 'corrupt-data',
          message: `Bytes from ${source === 'host' ? 'the host' : 'this browser’s cache'} were damaged (${hash.slice(0, 12)}); they are fetched again elsewhere.`,
          recovering: true,
        }),
    };
    this.#recorder.restart();
    const submissions = new Submissions(swarm);
    const follower = new Follower({
      manifest,
      runId,
      sources,
      submissions,
      onHead: (certificate) => this.#recorder.certificate(certificate, identity.publicKey),
    });
    let contributor: Contributor | null = null;
    const inbox = new Inbox({
      manifest,
      runId,
      follower,
      submissions,
      ownKey: identity.publicKey,
      round: () => this.#clock.phase(manifest.schedule).round,
      onGap: () => void follower.catchUp(signal).catch(() => {}),
      onNoCertificate: (message) => {
        const own = message.refused.find((r) => toHex(r.contributor) === toHex(identity.publicKey)) ?? null;
        contributor?.noCertificate(message.round, own);
        this.#recorder.emptyRound(message.round);
      },
      onVersion: () =>
        raise(this.store, {
          code: 'protocol-version',
          message: 'Other tabs speak another version of Tabswarm. Reload the page to get the current one.',
          recovering: false,
        }),
    });
    swarm.onMessage((bytes) => inbox.receive(bytes));
    const stopRecording = this.#recorder.follow(swarm, manifest, inbox);
    const timers = [
      setInterval(() => void this.#clock.measure(this.#host, 1).catch(() => {}), CLOCK_MS),
      setInterval(() => {
        const presence = presenceOf(this.store.getState(), runId, swarm.peerId, follower.head);
        void seal(identity, presence)
          .then((bytes) => swarm.publish(bytes))
          .catch(() => {});
      }, PRESENCE_MS),
    ];
    try {
      await this.#retrying(() => follower.catchUp(signal), signal);
      if (intent === 'watching') {
        await this.#watch(follower, signal);
        return;
      }
      await this.#retrying(async () => {
        const trainer = await this.#openTrainer(run);
        contributor = new Contributor({
          manifest,
          runId,
          identity,
          swarm,
          trainer,
          follower,
          submissions,
          sources,
          clock: this.#clock,
          onActivity: (activity, waitingFor) => {
            const paused = this.store.getState().intent === 'paused';
            this.store.setState(paused ? { activity: 'paused', waitingFor: null } : { activity, waitingFor });
          },
          onProgress: (round, progress) => this.#recorder.progress(round, progress),
          onSubmitted: (own) => this.#recorder.submitted(own),
          onLost: (own, refused) => this.#recorder.lost(own, refused),
        });
        try {
          await contributor.run(signal);
        } finally {
          follower.forgetState();
          this.#closeTrainer();
        }
      }, signal);
    } finally {
      for (const timer of timers) clearInterval(timer);
      stopRecording();
    }
  }

  async #watch(follower: Follower, signal: AbortSignal): Promise<void> {
    this.store.setState({ activity: 'waiting', waitingFor: null });
    while (!signal.aborted) {
      follower.followOnly();
      await follower.waitForNew(signal);
    }
  }

  async #openTrainer(run: Run): Promise<TrainerClient> {
    const trainer = startTrainer();
    this.#trainer = trainer;
    const { gpuShare, intent } = this.store.getState();
    const { adapter } = await trainer.open(run.manifest);
    this.store.setState({ adapter });
    clear(this.store, 'device-lost', 'no-webgpu', 'no-adapter');
    await trainer.setGpuShare(gpuShare);
    await trainer.setPaused(intent === 'paused');
    return trainer;
  }

  #closeTrainer(): void {
    this.#trainer?.terminate();
    this.#trainer = null;
  }

  /**
   * Does `work` again, with growing pauses, as long as its failures are of the kind that waiting or starting over
   * mends (host away, device lost, out of sync). Others are final and thrown.
   */
  async #retrying(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    let wait = RETRY_MIN_MS;
    for (;;) {
      try {
        await work();
        clear(this.store, 'host-unreachable', 'out-of-sync');
        return;
      } catch (error) {
        if (signal.aborted) return;
        const problem = toProblem(error);
        raise(this.store, problem);
        if (!problem.recovering) {
          this.store.setState({ activity: 'failed', waitingFor: problem.message });
          this.#closeTrainer();
          throw error;
        }
        this.store.setState({ activity: 'waiting', waitingFor: problem.message });
        if (error instanceof OutOfSyncError) wait = RETRY_MIN_MS;
      }
      await pause(wait * (0.7 + 0.6 * Math.random()), signal);
      wait = Math.min(RETRY_MAX_MS, wait * 1.7);
      if (signal.aborted) return;
    }
  }
}
