/**
 * The volunteer's session: a {@link Participant} in the role of a contributor or a watcher, what the buttons ask of it, what
 * the volunteer's rules allow, and the store that the page shows.
 *
 * Nothing runs before `start()` or `watch()`: until then only the run's description is fetched, so that the page can
 * say what it would do. Every failure ends up as a {@link Problem}.
 */
import type { Run } from '../chain/run.ts';
import type { Contributor } from '../peer/contributor.ts';
import type { Host } from '../peer/host.ts';
import { ADAPTER_ASKS } from '../peer/adapter-patience.ts';
import { Participant, RETRY_GROWTH, RETRY_MIN_MS, type Stay } from '../peer/participant.ts';
import type { Platform } from '../peer/platform.ts';
import type { Activity, Trouble, TroubleCode, Waiting } from '../peer/reasons.ts';
import { contribute, watch } from '../peer/roles.ts';
import { TimeUse } from '../peer/time-use.ts';
import { toTrouble } from '../peer/trouble.ts';
import { toHex } from '../protocol/bytes.ts';
import { pause } from '../protocol/timer.ts';
import type { RateLimit } from '../swarm/rate-limit.ts';
import type { TrainerClient } from '../work/pretrain/trainer-api.ts';
import type { ChatClient } from '../worker/chat-client.ts';
import { ChatModel } from './chat.ts';
import { chatSource } from './chat-source.ts';
import { type ContributionDraft, Contributions } from './contributions.ts';
import { runInfo, selfOf } from './describe.ts';
import { Governor, type GovernorOptions } from './governor/governor.ts';
import type { Decision } from './governor/rules.ts';
import type { KeyStorage, Keeping } from './key-storage.ts';
import { endsWithStay, foreseeable, foreseeAdapter, GPU_CODES, isFramed, problemOf } from './problems.ts';
import { Recorder } from './recorder.ts';
import { Samples } from './samples.ts';
import type { Settings } from './settings.ts';
import type { SessionActions } from './state.ts';
import { type AppStore, clear, createAppStore, raise } from './store.ts';
import { SwarmPicture } from './swarm-picture.ts';

/** Only every so many presences list links: they are a third of its bytes, and a picture may lag. */
const LINKS_EVERY = 3;
/** How often a host without a seat is asked whether a tab validates. */
const SEAT_MS = 10_000;

/** What a session is made of; platform/browser/page.ts gives a browser's parts. */
export interface SessionParts {
  readonly platform: Platform;
  readonly host: Host;
  /** The volunteer's limit on the line, for the swarm's bytes and the page's own downloads together. */
  readonly limit: RateLimit;
  readonly keyStorage: KeyStorage;
  readonly startTrainer: () => TrainerClient;
  readonly startChat: () => ChatClient;
  readonly governor?: Pick<GovernorOptions, 'scope' | 'usage'>;
}

export interface Session {
  readonly store: AppStore;
  readonly actions: SessionActions;
  /** The model in use; nothing of it is loaded before it is asked for. */
  readonly chat: ChatModel;
  readonly samples: Samples;
  /** Ends everything, for tests: a page just goes away. */
  close(): void;
}

/** What cannot be known without the swarm. */
const AWAY = { tokensPerSecond: 0, peers: [], round: 0, phaseEndsAt: 0 } as const;
const NOTHING = { activity: 'waiting', waitingFor: null } as const;
/** Waits that only a host ends. */
const NEEDS_HOST: ReadonlySet<Waiting['why']> = new Set([
  'connecting',
  'model',
  'text',
  'admission',
  'alone',
]);

export function createSession(parts: SessionParts): Session {
  const session = new SessionImpl(parts);
  const { store } = session;
  const source = chatSource({
    host: parts.host,
    cache: parts.platform.cache,
    manifest: () => session.run?.manifest ?? null,
    trainer: () => session.trainer,
  });
  const chat = new ChatModel({ session: store, source, start: parts.startChat });
  session.describe();
  return { store, actions: session, chat, samples: new Samples(store, chat), close: () => session.close() };
}

class SessionImpl implements SessionActions {
  readonly store: AppStore = createAppStore();
  readonly #parts: SessionParts;
  readonly #participant: Participant;
  readonly #recorder: Recorder;
  readonly #picture: SwarmPicture;
  readonly #governor: Governor;
  readonly #time: TimeUse;
  /** The page's life. */
  readonly #page = new AbortController();
  #contributions: Contributions | null = null;
  #stay: Stay | null = null;
  /** Ends everything that start() or watch() began. */
  #abort: AbortController | null = null;
  /** Settles when what start() or watch() began has let go of everything: two at once would be two contributors. */
  #living: Promise<void> = Promise.resolve();
  #contributor: Contributor | null = null;
  /** What the contributor last said it does; shown unless it is at rest. */
  #doing: { readonly activity: Activity; readonly waitingFor: Waiting | null } = NOTHING;
  /** Ends the present stay in the swarm, but not the session: the rules may ask to leave for a while. */
  #leave: AbortController | null = null;
  /** What is the matter with the tie to the host; null: nothing. */
  #tie: Trouble | null = null;
  run: Run | null = null;
  trainer: TrainerClient | null = null;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    const { platform, host, limit, governor } = parts;
    this.#time = new TimeUse(() => platform.clock.now());
    this.#participant = new Participant({
      platform,
      host,
      limit,
      events: {
        run: ({ run }) => {
          this.run = run;
          this.store.setState({ run: runInfo(run), clockOffsetMs: this.#participant.clock.offsetMs });
        },
        trouble: (trouble) => this.#trouble(trouble),
        cleared: (...codes) => this.#cleared(codes),
        hostTie: (trouble) => this.#hostTie(trouble),
        head: (link) => {
          if (this.#stay === null) return;
          const { follower, identity } = this.#stay;
          this.#recorder.head(link, follower, identity.publicKey);
          this.#contributions?.add(link.certificate);
          clear(this.store, 'round-unjudged');
        },
        noCertificate: (message) => {
          this.#contributor?.noCertificate(message);
          this.#recorder.emptyRound(message.round);
          const { round, failure } = message;
          // Judged, and nothing was worth a certificate: the machine works.
          if (failure === null) clear(this.store, 'round-unjudged');
          else raise(this.store, { code: 'round-unjudged', recovering: true, round, failure });
        },
        opinion: (opinion) => this.#recorder.opinion(opinion),
      },
    });
    const { clock } = this.#participant;
    this.#recorder = new Recorder(this.store, host, clock);
    this.#picture = new SwarmPicture({ store: this.store, clock, host });
    this.#governor = new Governor({
      store: this.store,
      obey: (decision, settings) => this.#obey(decision, settings),
      clock: platform.clock,
      ...governor,
    });
    const foreseen = foreseeable();
    if (foreseen !== null) raise(this.store, foreseen);
  }

  /** Fetches what the page must say before anything starts; goes on trying while the host is away. */
  describe(): void {
    const { signal } = this.#page;
    void this.#parts.keyStorage.look().then((keeping) => this.#keeps(keeping));
    this.#participant.describe(signal).then(
      ({ run }) => {
        void this.#watchSeat(signal);
        // Whether a graphics card is there, and big enough, is told before anybody presses Start. Not waited for: a
        // browser that never answers is met again when the trainer opens.
        if (foreseeable() === null) void this.#foreseeAdapter(run, signal).catch(() => {});
      },
      () => {}, // told as a trouble
    );
  }

  #keeps(keeping: Keeping): void {
    this.store.setState({ keeping });
    const { notKept: why } = keeping;
    if (why === null) clear(this.store, 'key-not-kept');
    else raise(this.store, { code: 'key-not-kept', recovering: false, why });
  }

  /** Asks for the adapter again for a minute: a browser may have none in the first moments of its life. */
  async #foreseeAdapter({ manifest }: Run, signal: AbortSignal): Promise<void> {
    let wait = RETRY_MIN_MS;
    for (let asked = 1; !signal.aborted; asked++) {
      const problem = await foreseeAdapter(manifest);
      // A trainer has one meanwhile.
      if (this.store.getState().adapter !== null) return;
      if (problem?.code !== 'no-adapter') clear(this.store, 'no-adapter');
      if (problem === null) return;
      const again = problem.code === 'no-adapter' && asked < ADAPTER_ASKS;
      raise(this.store, again ? { code: 'no-adapter', recovering: true } : problem);
      if (!again) return;
      await pause(this.#parts.platform.clock, wait, signal);
      wait *= RETRY_GROWTH;
    }
  }

  /** Says so while nobody validates. A host with a seat of its own is asked once. */
  async #watchSeat(signal: AbortSignal): Promise<void> {
    const { host, platform } = this.#parts;
    while (!signal.aborted) {
      try {
        const { validator } = await host.head(signal);
        const said = this.store.getState().problems.some(({ code }) => code === 'no-validator');
        if (validator !== 'none') clear(this.store, 'no-validator');
        else if (!said) raise(this.store, { code: 'no-validator', recovering: true });
        if (validator === 'host') return;
      } catch {
        // That the host is away is said elsewhere; it is asked again.
      }
      await pause(platform.clock, SEAT_MS, signal);
    }
  }

  start(): void {
    void this.#parts.keyStorage.askPromise().then((keeping) => {
      // What a stay has found out is more than what storage promises.
      if (this.#stay === null) this.#keeps(keeping);
      else this.store.setState((s) => ({ keeping: { ...keeping, notKept: s.keeping?.notKept ?? null } }));
    });
    this.#begin('running');
  }

  watch(): void {
    this.#begin('watching');
  }

  pause(): void {
    if (this.store.getState().intent !== 'running') return;
    this.store.setState({ intent: 'paused', activity: 'paused', waitingFor: null, tokensPerSecond: 0 });
    this.#governor.setPaused(true);
    void this.trainer?.setPaused(true).catch(() => {});
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
    this.#time.leaves();
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
    this.#forgetStay();
  }

  /** What was told of a stay that is over is true no longer; that the host is away is, while the run is not known. */
  #forgetStay(): void {
    this.#tie = null;
    if (this.run === null) return;
    this.store.setState(({ problems }) => ({ problems: problems.filter((one) => !endsWithStay(one)) }));
  }

  close(): void {
    this.stop();
    this.#page.abort();
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
    const time = Math.floor(this.#participant.clock.now());
    return this.#contributions?.draft(this.#recorder.account, shown, time) ?? null;
  }

  /** Does what the rules decide: training or not, how much of the GPU and the line, in the swarm or away from it. */
  #obey(decision: Decision, { downRate, upRate }: Settings): void {
    this.#parts.limit.set({ in: downRate, out: upRate });
    const { intent, control } = this.store.getState();
    if (intent !== 'running' && intent !== 'paused') return;
    const resting = intent === 'paused' || !decision.mayTrain;
    this.#time.pause(resting);
    void this.trainer?.setGpuShare(decision.share).catch(() => {});
    void this.trainer?.setPaused(resting).catch(() => {});
    const leaving = control.finishing || decision.offline;
    this.#contributor?.setLast(leaving);
    // No further step will be done: what was done is handed in now, not when the window ends.
    if (leaving && resting) void this.trainer?.stop().catch(() => {});
    if (decision.offline && this.#contributor === null) this.#leave?.abort();
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
    else this.store.setState(this.#waitsForHost() ?? this.#doing);
  }

  /** What is waited for does not come while the tie to the host is lost: then that is why it waits. */
  #waitsForHost(): { readonly activity: Activity; readonly waitingFor: Waiting } | null {
    const { waitingFor } = this.#doing;
    if (this.#tie === null || waitingFor === null || !NEEDS_HOST.has(waitingFor.why)) return null;
    return { activity: 'waiting', waitingFor: { why: 'trouble', trouble: this.#tie } };
  }

  #hostTie(trouble: Trouble | null): void {
    this.#tie = trouble;
    clear(this.store, 'host-unreachable', 'socket-refused');
    if (trouble !== null) raise(this.store, problemOf(trouble));
    if (this.#contributor !== null) this.#show(this.#governor.decision);
    else if (this.store.getState().intent === 'watching')
      this.store.setState({
        activity: 'waiting',
        waitingFor: trouble === null ? null : { why: 'trouble', trouble },
      });
  }

  #trouble(trouble: Trouble): void {
    const problem = problemOf(trouble);
    if (GPU_CODES.some((code) => code === problem.code)) clear(this.store, ...GPU_CODES);
    raise(this.store, problem);
    // Nothing waits for these.
    if (this.#abort === null || trouble.code === 'corrupt-data' || trouble.code === 'ice-skipped') return;
    if (trouble.code === 'protocol-version' && trouble.theirs === null) return;
    const activity = trouble.recovering ? 'waiting' : 'failed';
    this.store.setState({ activity, waitingFor: { why: 'trouble', trouble } });
  }

  #cleared(codes: readonly TroubleCode[]): void {
    const over = codes.map((code) => (code === 'gpu-unavailable' ? 'no-adapter' : code));
    clear(this.store, ...over.filter((code) => code !== this.#tie?.code));
  }

  #begin(intent: 'running' | 'watching'): void {
    if (isFramed()) return;
    if (this.#abort !== null) {
      if (this.store.getState().intent === intent) return;
      this.stop();
    }
    const abort = new AbortController();
    this.#abort = abort;
    this.store.setState({ intent, activity: 'connecting', waitingFor: { why: 'connecting' } });
    if (intent === 'running') this.#time.does('connecting', null);
    const { run } = this.store.getState();
    this.#governor.begin({
      trains: intent === 'running',
      roundBytes: run?.bytesPerRound ?? 0,
      joinBytes: run?.downloadBytes ?? 0,
    });
    // A failure is told; it must not keep a later Start from running.
    this.#living = this.#living
      .then(() => this.#live(intent, abort.signal))
      .catch((error: unknown) => {
        if (!abort.signal.aborted) this.#ended(toTrouble(error));
      });
  }

  /** Everything until the end, away from the swarm while a rule wants that. */
  async #live(intent: 'running' | 'watching', signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await this.#participant.describe(this.#page.signal);
    while (!signal.aborted) {
      if (this.#governor.decision.offline)
        this.store.setState({ ...AWAY, activity: 'waiting', waitingFor: null });
      await this.#governor.allowed(signal);
      if (signal.aborted) return;
      this.#leave = new AbortController();
      await this.#visit(intent, AbortSignal.any([signal, this.#leave.signal]));
      if (signal.aborted) return;
      const { control, rounds } = this.store.getState();
      if (control.finishing) {
        this.stop();
        const finishedRound = rounds.findLast((r) => r.own !== null)?.round ?? null;
        return this.store.setState((s) => ({ control: { ...s.control, finishedRound } }));
      }
    }
  }

  /** Nothing tries again after this, so nothing needs to be observed or kept awake any more, and nothing may say so. */
  #ended(trouble: Trouble): void {
    const final = { ...trouble, recovering: false };
    this.#forgetStay();
    raise(this.store, problemOf(final));
    this.store.setState({ activity: 'failed', waitingFor: { why: 'trouble', trouble: final } });
    this.#governor.end();
  }

  /** One stay in the swarm. Rejects with a problem that waiting does not mend. */
  async #visit(intent: 'running' | 'watching', signal: AbortSignal): Promise<void> {
    let beats = 0;
    const show = () => selfOf(this.store.getState(), beats++ % LINKS_EVERY === 0);
    const entered = (stay: Stay) => {
      if (intent === 'watching') this.store.setState({ activity: 'waiting', waitingFor: null });
      return this.#entered(stay);
    };
    try {
      if (intent === 'watching') await watch(this.#participant, { show, entered }, signal);
      else await this.#contribute({ show, entered }, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #contribute(
    hooks: Pick<Parameters<typeof contribute>[1], 'show' | 'entered'>,
    signal: AbortSignal,
  ): Promise<void> {
    return contribute(
      this.#participant,
      {
        ...hooks,
        startTrainer: this.#parts.startTrainer,
        adapter: (adapter) => {
          this.store.setState({ adapter });
          clear(this.store, ...GPU_CODES);
        },
        working: (at) => {
          this.#contributor = at?.contributor ?? null;
          this.trainer = at?.trainer ?? null;
          this.#doing = NOTHING;
          if (at !== null) this.#obey(this.#governor.decision, this.store.getState().settings);
        },
        activity: (activity, waitingFor) => {
          this.#doing = { activity, waitingFor };
          this.#time.does(activity, waitingFor);
          this.#show(this.#governor.decision);
        },
        progress: (round, progress) => {
          this.#time.steps(round, progress.busyMs);
          this.#recorder.progress(round, progress);
        },
        work: (round, { submission, innerSteps, tokens }) => {
          const own = { round, hash: toHex(submission.hash), bytes: submission.size };
          this.#recorder.submitted({ ...own, innerSteps, tokens });
        },
        lost: (own, reason) => this.#recorder.lost(own, reason),
      },
      signal,
    );
  }

  #entered(stay: Stay): () => void {
    const { identity, swarm, run, inbox, notKept } = stay;
    this.#stay = stay;
    this.#keeps({ promised: this.store.getState().keeping?.promised ?? null, notKept });
    this.store.setState({ identity: toHex(identity.publicKey) });
    this.#recorder.restart();
    this.#contributions = new Contributions({ identity, run });
    const stopRecording = this.#recorder.follow(swarm, run, inbox, this.#time);
    const stopPicture = this.#picture.follow({ swarm, identity, runId: run.id, inbox });
    return () => {
      stopRecording();
      stopPicture();
      this.#contributions = null;
      this.#stay = null;
    };
  }
}
