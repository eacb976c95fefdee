/**
 * What the model writes as it learns: at set heights a short text from one fixed prompt and seed, kept with height, root
 * and held-out loss. Off until the volunteer asks for it, because it costs a download and some processor time.
 */
import * as v from 'valibot';
import { createStore, type StoreApi } from 'zustand/vanilla';
import { chatProblem, type ChatProblem } from './chat-problem.ts';
import type { ChatModel } from './chat.ts';
import type { AppStore } from './store.ts';

/** The same at every height, so that texts can be compared. Common words: any English text can go on from here. */
export const SAMPLE_PROMPT = 'The people';
const SAMPLE = {
  prompt: SAMPLE_PROMPT,
  sampling: { temperature: 0.8, topP: 0.95 },
  maxTokens: 40,
  seed: 'tabswarm sample',
} as const;
/** The oldest give way, but the first stays: it shows where the run began. */
const MAX_SAMPLES = 40;
const PREFERENCE = 'tabswarm.samples';

const Sample = v.object({
  height: v.number(),
  root: v.string(),
  /** Held-out loss by the certificate, nats per token; null at height 0. */
  loss: v.nullable(v.number()),
  text: v.pipe(v.string(), v.maxLength(4000)),
  /** Epoch ms. */
  at: v.number(),
});
export type Sample = v.InferOutput<typeof Sample>;

export interface SamplesView {
  readonly enabled: boolean;
  readonly writing: boolean;
  readonly problem: ChatProblem | null;
  /** Oldest first. */
  readonly samples: readonly Sample[];
}

/** Heights 1, 2, 4, … 32, then every 32: often while much changes, rarely afterwards. */
export const isSampleHeight = (height: number): boolean =>
  height > 0 && (height % 32 === 0 || (height < 32 && (height & (height - 1)) === 0));

/** Whether a sample height lies after the newest sample, up to `height`. */
export function sampleDue(samples: readonly Sample[], height: number): boolean {
  const newest = samples.at(-1)?.height ?? 0;
  for (let h = height; h > newest && h > height - 32; h--) if (isSampleHeight(h)) return true;
  return false;
}

export class Samples {
  readonly store: StoreApi<SamplesView>;
  readonly #session: AppStore;
  readonly #chat: ChatModel;
  #run: string | null = null;

  constructor(session: AppStore, chat: ChatModel) {
    this.#session = session;
    this.#chat = chat;
    this.store = createStore<SamplesView>(() => ({
      enabled: read(PREFERENCE) === 'on',
      writing: false,
      problem: null,
      samples: [],
    }));
    session.subscribe(() => this.#look());
    this.#look();
  }

  setEnabled(enabled: boolean): void {
    write(PREFERENCE, enabled ? 'on' : 'off');
    this.store.setState({ enabled, problem: null });
    this.#look();
  }

  /** Reads what was kept of this run, and writes a sample where one is due and nothing speaks against it. */
  #look(): void {
    const { run, intent, activity, height, control } = this.#session.getState();
    if (run !== null && run.id !== this.#run) {
      this.#run = run.id;
      this.store.setState({ samples: stored(run.id) });
    }
    const { enabled, writing, samples } = this.store.getState();
    if (run === null || !enabled || writing || !sampleDue(samples, height)) return;
    // Paused means that nothing is computed, and a tab that still syncs has no state yet.
    if (intent !== 'running' && intent !== 'watching') return;
    // The volunteer's rules (battery, hours, metered line) hold for samples too.
    if (control.holds.length > 0) return;
    if (activity === 'failed' || activity === 'connecting' || activity === 'syncing') return;
    if (this.#chat.store.getState().status === 'writing') return;
    void this.#write(run.id);
  }

  async #write(run: string): Promise<void> {
    this.store.setState({ writing: true });
    try {
      const { text, state } = await this.#chat.sample(SAMPLE);
      const round = this.#session.getState().rounds.find((r) => r.root === state.root);
      const loss = round?.heldOutLoss ?? null;
      const { samples } = this.store.getState();
      const others = samples.filter((s) => s.height !== state.height);
      const kept = [...others, { ...state, loss, text, at: Date.now() }].sort((a, b) => a.height - b.height);
      if (kept.length > MAX_SAMPLES) kept.splice(1, kept.length - MAX_SAMPLES);
      write(key(run), JSON.stringify(kept));
      this.store.setState({ samples: kept, writing: false, problem: null });
    } catch (error) {
      // Stop and Unload are no failures. Otherwise rest until asked again: the next try would most likely fail alike.
      const stopped = error instanceof DOMException && error.name === 'AbortError';
      this.store.setState(
        stopped ? { writing: false } : { writing: false, enabled: false, problem: chatProblem(error) },
      );
    }
  }
}

const key = (run: string): string => `tabswarm.samples.${run.slice(0, 16)}`;

function stored(run: string): readonly Sample[] {
  try {
    const result = v.safeParse(v.array(Sample), JSON.parse(read(key(run)) ?? '[]'));
    return result.success ? result.output.slice(-MAX_SAMPLES) : [];
  } catch {
    return [];
  }
}

function read(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Storage is off or full: it lasts as long as the tab.
  }
}
