/** A contributor's process from connecting to leaving: the participant, what it prints, and how it ends. */
import { join as pathOf } from 'node:path';
import type { Run } from '../chain/run.ts';
import type { Contributor } from '../peer/contributor.ts';
import type { Host } from '../peer/host.ts';
import { type OwnProfile, tellProfile } from '../peer/own-profile.ts';
import { Participant, type Self, type Stay } from '../peer/participant.ts';
import type { Platform } from '../peer/platform.ts';
import type { Activity, Waiting } from '../peer/reasons.ts';
import { contribute } from '../peer/roles.ts';
import { idleShare, TimeUse } from '../peer/time-use.ts';
import { cacheFolder, stateFolder } from '../platform/node/folders.ts';
import type { NodePlatformOptions } from '../platform/node/platform.ts';
import type { DeviceKind, NodeDevice } from '../platform/node/trainer.ts';
import { cleanText } from '../protocol/clean-text.ts';
import { MAX_ADAPTER } from '../protocol/messages.ts';
import { type Clock, pause } from '../protocol/timer.ts';
import type { TrainerClient } from '../work/pretrain/trainer-api.ts';
import { Ending } from './ending.ts';
import type { Output } from './output.ts';
import { RoundLog, type RoundReport } from './round-log.ts';
import { JOIN, roundText } from './say-join.ts';
import { TroubleLines } from './trouble-lines.ts';

/** Leaving takes no longer: connections to a host that is gone may hang. */
const LEAVE_MS = 3000;
/** After a round's end its certificate may still be on the way, and a validator may ask to see the work. */
const VERDICT_MS = 1500;
const AUDIT_MS = 17_500;

/** What a contributor is made of; tests put doubles in the place of network, GPU and signals. */
export interface ContributingParts {
  readonly platform: (options: NodePlatformOptions) => Platform;
  readonly host: (url: string, clock: Clock) => Host;
  readonly startTrainer: (kind: DeviceKind) => TrainerClient;
  /** Calls back at each Ctrl-C until the returned function is called. */
  readonly onInterrupt: (callback: () => void) => () => void;
}

export interface ContributingOptions {
  readonly url: string;
  readonly device: NodeDevice;
  /** Percent of the device's time. */
  readonly share: number;
  /** Clean; '' for none. */
  readonly name: string;
  /** Path of the key file. Default: one for each run in the user's state folder. */
  readonly key: string | undefined;
  /** Whether that file was made just now. */
  readonly keyMade: boolean;
  readonly json: boolean;
}

export class Contributing {
  readonly #o: ContributingOptions;
  readonly #parts: ContributingParts;
  readonly #output: Output;
  /** Prints a line for people: not on stdout when that is for scripts. */
  readonly #say: (line: string) => void;
  readonly #platform: Platform;
  readonly #participant: Participant;
  readonly #log: RoundLog;
  readonly #ending: Ending;
  readonly #troubles: TroubleLines;
  #run: Run | null = null;
  #stay: Stay | null = null;
  #contributor: Contributor | null = null;
  #activity: Activity = 'connecting';
  readonly #time: TimeUse;
  #tokensPerSecond = 0;
  /** What the contributor does, as it was last told. */
  #said = '';
  #accepted = 0;
  #credits = 0;

  constructor(options: ContributingOptions, parts: ContributingParts, output: Output) {
    this.#o = options;
    this.#parts = parts;
    this.#output = output;
    this.#say = options.json ? output.err : output.out;
    this.#troubles = new TroubleLines(output.err);
    this.#log = new RoundLog(
      (report) => this.#round(report),
      () => ({
        directLinks: (this.#stay?.swarm.links() ?? []).filter(({ path }) => path === 'direct').length,
        timeUse: this.#time.sum,
        idle: idleShare(this.#time.sum),
      }),
    );
    this.#platform = parts.platform({
      keyFile: () => options.key ?? pathOf(stateFolder(), `${this.#run?.name ?? 'key'}.key`),
      blobs: pathOf(cacheFolder(), 'blobs'),
      onCorrupt: (hash) =>
        this.#troubles.tell({ code: 'corrupt-data', recovering: true, source: 'cache', hash }),
      onKey: ({ path, created, exposed }) => {
        this.#say(JOIN.key(path, created || options.keyMade));
        if (exposed) output.err(JOIN.keyExposed(path));
      },
      onDirect: (direct) => this.#say(JOIN.links(direct)),
    });
    const { clock } = this.#platform;
    this.#time = new TimeUse(() => clock.now());
    this.#ending = new Ending(clock, {
      finishing: () => this.#say(this.#finishing()),
      stopped: (how) => this.#say(JOIN.stopped[how]),
    });
    this.#participant = new Participant({
      platform: this.#platform,
      host: parts.host(options.url, clock),
      events: {
        run: ({ run }) => {
          this.#run = run;
          for (const line of JOIN.run(run, options.url)) this.#say(line);
        },
        trouble: (trouble) => {
          // One that is not tried again is thrown as well, unless it is about a stranger's message.
          const stranger = trouble.code === 'protocol-version' && trouble.theirs === null;
          if (trouble.recovering || stranger || trouble.code === 'ice-skipped') this.#troubles.tell(trouble);
        },
        cleared: (...codes) => this.#troubles.over(codes),
        hostTie: (trouble) => {
          if (trouble === null) this.#troubles.over(['host-unreachable', 'socket-refused']);
          else this.#troubles.tell(trouble);
        },
        head: (link) => {
          if (this.#stay !== null) this.#log.head(link, this.#stay.follower);
        },
        noCertificate: (message) => {
          this.#contributor?.noCertificate(message);
          this.#log.empty(message.round);
        },
        opinion: (opinion) => this.#log.opinion(opinion),
      },
    });
  }

  /** Contributes until Ctrl-C; whether it ended as the first one wants it. Rejects with what waiting does not mend. */
  async run(): Promise<boolean> {
    const { signal } = this.#ending;
    const off = this.#parts.onInterrupt(() => this.#ending.interrupt());
    this.#time.does('connecting', null);
    try {
      const left = this.#contribute(signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      const patience = new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => void pause(this.#platform.clock, LEAVE_MS).then(resolve));
      });
      await Promise.race([left, patience]);
      await this.#log.settled();
    } finally {
      off();
    }
    this.#say(JOIN.ended(this.#accepted, this.#credits, idleShare(this.#time.sum)));
    return !this.#ending.impatient;
  }

  #contribute(signal: AbortSignal): Promise<void> {
    const { device, share } = this.#o;
    return contribute(
      this.#participant,
      {
        show: () => this.#self(),
        entered: (stay) => this.#entered(stay),
        startTrainer: () => this.#parts.startTrainer(device.kind),
        adapter: () => this.#troubles.over(['device-lost', 'internal']),
        working: (at) => {
          this.#contributor = at?.contributor ?? null;
          this.#ending.working(this.#contributor);
          void at?.trainer.setGpuShare(share / 100).catch(() => {});
        },
        activity: (activity, waiting) => this.#does(activity, waiting),
        progress: (round, { tokensPerSecond, busyMs }) => {
          this.#time.steps(round, busyMs);
          this.#tokensPerSecond = tokensPerSecond;
          this.#log.speed(round, tokensPerSecond);
        },
        work: (round, claim, work) => this.#log.worked(round, claim, work),
        lost: ({ round }, reason) => this.#log.lost(round, reason),
      },
      signal,
    );
  }

  #entered(stay: Stay): () => void {
    const { identity, run } = stay;
    const { clock } = this.#participant;
    this.#stay = stay;
    this.#log.enter(run, identity.publicKey, clock.now());
    const time = Math.max(1, Math.floor(clock.now()));
    const profile: OwnProfile = { name: this.#o.name, team: '', time: this.#o.name === '' ? 0 : time };
    const teller = tellProfile({ ...stay, runId: run.id, profile: () => profile });
    return () => {
      teller.stop();
      this.#stay = null;
    };
  }

  #self(): Self {
    return {
      state: this.#activity,
      adapter: cleanText(this.#o.device.adapter.description, MAX_ADAPTER),
      tokensPerSecond: this.#tokensPerSecond,
    };
  }

  #does(activity: Activity, waiting: Waiting | null): void {
    this.#activity = activity;
    this.#time.does(activity, waiting);
    const line =
      waiting?.why === 'admission'
        ? JOIN.admission(waiting.inMs)
        : waiting?.why === 'model'
          ? JOIN.syncing
          : activity === 'training'
            ? JOIN.training
            : null;
    // Each once, until another comes: what a round does over and over is told by its result.
    if (line === null || line === this.#said) return;
    this.#said = line;
    this.#say(line);
  }

  #round(report: RoundReport): void {
    if (report.outcome === 'accepted') this.#accepted++;
    this.#credits = report.totalCredits;
    if (this.#o.json) this.#output.out(JSON.stringify(report));
    this.#say(roundText(report));
  }

  /** What a first Ctrl-C is answered with. */
  #finishing(): string {
    const run = this.#run;
    const now = this.#participant.clock.now();
    const round = run?.rounds.round(now) ?? 0;
    const end = run?.rounds.deadlines(round).judge ?? now;
    return JOIN.finishing(round, end - now + VERDICT_MS + (run?.rules.audited === true ? AUDIT_MS : 0));
  }
}
