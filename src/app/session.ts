/**
 * The volunteer's session: owns the store, the connection to the swarm and the trainer, and does what the buttons say.
 *
 * Nothing runs before `start()` or `watch()`: until then only the run's description is fetched, so that the page can
 * say what it would do. Every failure ends up as a {@link Problem} with words a person can act on.
 */
import { toHex } from '../protocol/bytes.ts';
import { seal } from '../protocol/envelope.ts';
import { createTabSwarm } from '../swarm/tab-node.ts';
import { pause } from '../swarm/pause.ts';
import { RateLimit } from '../swarm/rate-limit.ts';
import type { Swarm } from '../swarm/types.ts';
import { startChat } from '../worker/chat-client.ts';
import { startTrainer, type TrainerClient } from '../worker/client.ts';
import { BlobShelf, type BlobSources } from './blobs.ts';
import { ChatModel } from './chat.ts';
import { type ChatSource, chatSource } from './chat-source.ts';
import { RunClock } from './clock.ts';
import { Contributor, type ContributorOptions } from './contributor.ts';
import { Follower, OutOfSyncError } from './follower.ts';
import { Governor } from './governor/governor.ts';
import type { Decision } from './governor/rules.ts';
import { HostClient } from './host-client.ts';
import { type ContributionDraft, Contributions } from './contributions.ts';
import { type ClaimedIdentity, claimIdentity } from './identities.ts';
import { Inbox } from '../swarm/inbox.ts';
import { presenceOf, runInfo } from './describe.ts';
import { foreseeable, foreseeAdapter, isFramed, toProblem } from './problems.ts';
import { Recorder } from './recorder.ts';
import { fetchRun, type Run } from './run.ts';
import { Samples } from './samples.ts';
import type { Settings } from './settings.ts';
import type { Activity, SessionActions } from './state.ts';
import { type AppStore, clear, createAppStore, raise } from './store.ts';
import { Submissions } from '../swarm/submissions.ts';
import { SwarmPicture } from './swarm-picture.ts';

/** Sign of life to the swarm, and fresh clock samples. */
const PRESENCE_MS = 4000;
/** Only every so many presences list links: they are a third of its bytes, and a picture may lag. */
const LINKS_EVERY = 3;
const CLOCK_MS = 60_000;
/** How often a host without a seat is asked whether a tab validates. */
const SEAT_MS = 10_000;
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

/** What cannot be known without the swarm. */
const AWAY = { tokensPerSecond: 0, peers: [], round: 0, phaseEndsAt: 0 } as const;
const NOTHING = { activity: 'waiting', waitingFor: null } as const;

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
  /** The volunteer's limit on the line, for the swarm's bytes and the page's own downloads together. */
  readonly #limit = new RateLimit();
  readonly #host: HostClient;
  readonly #clock = new RunClock();
  readonly #recorder: Recorder;
  readonly #picture: SwarmPicture;
  #contributions: Contributions | null = null;
  readonly #governor: Governor;
  #run: Run | null = null;
  #describing: Promise<void> | null = null;
  /** Ends everything that start() or watch() began. */
  #abort: AbortController | null = null;
  /** Settles when what start() or watch() began has let go of everything: two at once would be two contributors. */
  #living: Promise<void> = Promise.resolve();
  #trainer: TrainerClient | null = null;
  #contributor: Contributor | null = null;
  /** What the contributor last said it does; shown unless it is at rest. */
  #doing: { readonly activity: Activity; readonly waitingFor: string | null } = NOTHING;
  /** Ends the present stay in the swarm, but not the session: the rules may ask to leave for a while. */
  #stay: AbortController | null = null;

  constructor(options: SessionOptions) {
    this.#host = new HostClient(options.baseUrl, this.#limit);
    this.chatSource = chatSource({
      host: this.#host,
      manifest: () => this.#run?.manifest ?? null,
      trainer: () => this.#trainer,
    });
    this.#recorder = new Recorder(this.store, this.#host, this.#clock);
    this.#picture = new SwarmPicture({ store: this.store, clock: this.#clock, host: this.#host });
    this.#governor = new Governor({
      store: this.store,
      obey: (decision, settings) => this.#obey(decision, settings),
    });
    const foreseen = foreseeable();
    if (foreseen !== null) raise(this.store, foreseen);
  }

  /** Fetches what the page must say before anything starts; goes on trying while the host is away. */
  describe(): Promise<void> {
    this.#describing ??= this.#retrying(async () => {
      const run = await fetchRun(this.#host);
      this.#run = run;
      await this.#clock.measure(this.#host);
      this.store.setState({
        run: runInfo(run.manifest, run.runId),
        clockOffsetMs: this.#clock.offsetMs,
      });
      clear(this.store, 'host-unreachable', 'bad-manifest', 'protocol-version');
      void this.#watchSeat();
      // Whether a graphics card is there, and big enough, is told before anybody presses Start. Not waited for: a
      // browser that never answers is met again when the trainer opens.
      if (foreseeable() === null) {
        void foreseeAdapter(run.manifest).then(
          (problem) => problem !== null && raise(this.store, problem),
          () => {},
        );
      }
    }, new AbortController().signal);
    return this.#describing;
  }

  /** Says so while nobody validates. A host with a seat of its own is asked once. */
  async #watchSeat(): Promise<void> {
    const page = new AbortController().signal;
    for (;;) {
      try {
        const { validator } = await this.#host.head();
        const said = this.store.getState().problems.some(({ code }) => code === 'no-validator');
        if (validator !== 'none') clear(this.store, 'no-validator');
        else if (!said) raise(this.store, { code: 'no-validator', message: '', recovering: true });
        if (validator === 'host') return;
      } catch {
        // That the host is away is said elsewhere; it is asked again.
      }
      await pause(SEAT_MS, page);
    }
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
    this.#governor.setPaused(true);
    void this.#trainer?.setPaused(true).catch(() => {});
  }

  resume(): void {
    if (this.store.getState().intent !== 'paused') return;
    this.store.setState({ intent: 'running', activity: 'waiting' });
    this.#governor.setPaused(false);
    this.#obey(this.#governor.decision, this.store.getState().settings);
  }

  finish(last: boolean): void {
    const { intent, control } = this.store.getState();
    if (intent !== 'running' && intent !== 'paused') return;
    // Nothing is in hand yet, or the tab is away from the swarm: finished already.
    if (last && this.#contributor === null) return this.stop();
    this.store.setState({ control: { ...control, finishing: last } });
    this.#obey(this.#governor.decision, this.store.getState().settings);
  }

  waive(): void {
    this.#governor.waive();
  }

  askPresence(): void {
    void this.#governor.askPresence();
  }

  changeSettings(part: Partial<Settings>): void {
    this.#governor.change(part);
  }

  stop(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.#governor.end();
    this.store.setState({
      intent: 'idle',
      activity: 'idle',
      waitingFor: null,
      tokensPerSecond: 0,
      peers: [],
    });
  }

  /** Does what the rules decide: training or not, how much of the GPU and the line, in the swarm or away from it. */
  #obey(decision: Decision, { downRate, upRate }: Settings): void {
    this.#limit.set({ in: downRate, out: upRate });
    const { intent, control } = this.store.getState();
    if (intent !== 'running' && intent !== 'paused') return;
    const resting = intent === 'paused' || !decision.mayTrain;
    void this.#trainer?.setGpuShare(decision.share).catch(() => {});
    void this.#trainer?.setPaused(resting).catch(() => {});
    const leaving = control.finishing || decision.offline;
    this.#contributor?.setLast(leaving);
    // No further step will be done: what was done is handed in now, not when the window ends.
    if (leaving && resting) void this.#trainer?.stop().catch(() => {});
    if (decision.offline && this.#contributor === null) this.#stay?.abort();
    if (this.#contributor !== null) this.#show(decision);
  }

  /** What the contributor does as the volunteer sees it: at rest when paused by hand or by a rule. */
  #show({ mayTrain }: Decision): void {
    const { activity } = this.#doing;
    const idle = activity === 'training' || activity === 'waiting' || activity === 'syncing';
    if (this.store.getState().intent === 'paused')
      this.store.setState({ activity: 'paused', waitingFor: null });
    else if (!mayTrain && idle)
      this.store.setState({ activity: 'waiting', waitingFor: null, tokensPerSecond: 0 });
    else this.store.setState(this.#doing);
  }

  setProfile(name: string, team: string): void {
    this.#picture.setProfile(name, team);
  }

  async contribution(): Promise<ContributionDraft | null> {
    const { profile, run, identity } = this.store.getState();
    const shown = {
      ...profile,
      runName: run?.name ?? '',
      organizer: run?.organizer ?? '',
      contributor: identity,
    };
    const time = Math.floor(this.#clock.now());
    return this.#contributions?.draft(this.#recorder.account, shown, time) ?? null;
  }

  #begin(intent: 'running' | 'watching'): void {
    if (isFramed()) return;
    if (this.#abort !== null) {
      if (this.store.getState().intent === intent) return;
      this.stop();
    }
    const abort = new AbortController();
    this.#abort = abort;
    this.store.setState({ intent, activity: 'connecting', waitingFor: 'Connecting to the host.' });
    const { run } = this.store.getState();
    this.#governor.begin({
      trains: intent === 'running',
      roundBytes: run?.bytesPerRound ?? 0,
      joinBytes: run?.downloadBytes ?? 0,
    });
    // What fails in there is on the page already; it must not keep a later Start from running.
    this.#living = this.#living.then(() => this.#live(intent, abort.signal)).catch(() => {});
  }

  /** Everything until the end, away from the swarm while a rule wants that. */
  async #live(intent: 'running' | 'watching', signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await this.describe();
    const run = this.#run;
    if (run === null) return;
    while (!signal.aborted) {
      if (this.#governor.decision.offline)
        this.store.setState({ ...AWAY, activity: 'waiting', waitingFor: null });
      await this.#governor.allowed(signal);
      if (signal.aborted) return;
      this.#stay = new AbortController();
      const left = await this.#visit(intent, run, AbortSignal.any([signal, this.#stay.signal]));
      if (signal.aborted) return;
      // A problem that does not pass: nothing needs to be observed or kept awake any more.
      if (!left) return this.#governor.end();
      const { control, rounds } = this.store.getState();
      if (control.finishing) {
        this.stop();
        const finishedRound = rounds.findLast((r) => r.own !== null)?.round ?? null;
        return this.store.setState((s) => ({ control: { ...s.control, finishedRound } }));
      }
    }
  }

  /**
   * One stay in the swarm, from connecting to leaving; leaves nothing behind when it returns. False when it ended by a
   * problem that waiting does not mend.
   */
  async #visit(intent: 'running' | 'watching', run: Run, signal: AbortSignal): Promise<boolean> {
    let swarm: Swarm | null = null;
    let claimed: ClaimedIdentity | null = null;
    try {
      claimed = await claimIdentity();
      this.store.setState({ identity: toHex(claimed.identity.publicKey) });
      swarm = await createTabSwarm({
        relays: run.answer.relays,
        topic: toHex(run.runId),
        iceServers: run.answer.iceServers,
        limit: this.#limit,
      });
      if (!signal.aborted) await this.#inSwarm(intent, run, claimed, swarm, signal);
      return true;
    } catch (error) {
      if (signal.aborted) return true;
      raise(this.store, toProblem(error));
      this.store.setState({ activity: 'failed', waitingFor: null });
      return false;
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
    const contributions = new Contributions({ identity, runId, manifestBytes: run.manifestBytes });
    this.#contributions = contributions;
    const submissions = new Submissions(swarm);
    const follower = new Follower({
      manifest,
      runId,
      sources,
      submissions,
      onHead: (certificate) => {
        this.#recorder.certificate(certificate, identity.publicKey, manifest);
        contributions.add(certificate);
      },
    });
    const inbox = new Inbox({
      manifest,
      runId,
      chain: follower,
      submissions,
      ownKey: identity.publicKey,
      round: () => this.#clock.phase(manifest.schedule).round,
      fetchesFrom: (contributor, round) => follower.isMember(contributor, round),
      onGap: () => void follower.catchUp(signal).catch(() => {}),
      onAudit: (message) => void this.#contributor?.audit(message).catch(() => {}),
      onNoCertificate: (message) => {
        const own = message.refused.find((r) => toHex(r.contributor) === toHex(identity.publicKey)) ?? null;
        this.#contributor?.noCertificate(message.round, own);
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
    const stopPicture = this.#picture.follow({ swarm, identity, runId, inbox });
    let beats = 0;
    const timers = [
      setInterval(() => void this.#clock.measure(this.#host, 1).catch(() => {}), CLOCK_MS),
      setInterval(() => {
        const presence = presenceOf(
          this.store.getState(),
          runId,
          swarm.peerId,
          follower.head,
          beats++ % LINKS_EVERY === 0,
        );
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
        await this.#contribute(run, signal, {
          manifest,
          runId,
          identity,
          swarm,
          follower,
          submissions,
          sources,
          clock: this.#clock,
          onActivity: (activity, waitingFor) => {
            this.#doing = { activity, waitingFor };
            this.#show(this.#governor.decision);
          },
          onProgress: (round, progress) => this.#recorder.progress(round, progress),
          onSubmitted: (own) => this.#recorder.submitted(own),
          onLost: (own, refused) => this.#recorder.lost(own, refused),
        });
      }, signal);
    } finally {
      for (const timer of timers) clearInterval(timer);
      stopRecording();
      stopPicture();
      this.#contributions = null;
    }
  }

  async #watch(follower: Follower, signal: AbortSignal): Promise<void> {
    this.store.setState({ activity: 'waiting', waitingFor: null });
    while (!signal.aborted) {
      follower.followOnly();
      await follower.waitForNew(signal);
    }
  }

  /** Trains until `signal` aborts or the last round is settled; the trainer's worker ends in any case. */
  async #contribute(
    run: Run,
    signal: AbortSignal,
    parts: Omit<ContributorOptions, 'trainer'>,
  ): Promise<void> {
    const trainer = startTrainer();
    // Whatever it is doing then, and be it hanging in the driver: the next Start must not wait for it.
    const end = (): void => trainer.terminate();
    signal.addEventListener('abort', end);
    try {
      this.#trainer = trainer;
      const { adapter } = await trainer.open(run.manifest);
      this.store.setState({ adapter });
      clear(this.store, 'device-lost', 'no-webgpu', 'no-adapter');
      this.#doing = NOTHING;
      this.#contributor = new Contributor({ ...parts, trainer });
      this.#obey(this.#governor.decision, this.store.getState().settings);
      await this.#contributor.run(signal);
    } finally {
      signal.removeEventListener('abort', end);
      this.#contributor = null;
      this.#trainer = null;
      parts.follower.forgetState();
      end();
    }
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
