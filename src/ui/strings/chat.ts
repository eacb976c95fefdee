/** What the page says about the model in use: the chat box and the texts it writes as it learns. */
import type { ChatProblem } from '../../app/chat-problem.ts';
import type { ChatBackend } from '../../worker/chat-api.ts';
import { troubleText } from './problems.ts';

const backends: Readonly<Record<ChatBackend, string>> = { wasm: 'Processor', webgpu: 'Graphics card' };

/** Why the model cannot be used, in words. */
export function chatProblemText(problem: ChatProblem): string {
  switch (problem.code) {
    case 'run-unknown':
      return 'The run is not known yet; try again in a moment.';
    case 'no-runtime': {
      const where = problem.backend === 'webgpu' ? 'the graphics card' : 'the processor';
      return `The model could not be opened on ${where}: ${problem.error}`;
    }
    case 'uncertified':
      return `This state has the fingerprint ${problem.root.slice(0, 12)}, which no certificate vouches for.`;
    case 'not-finite':
      return 'The model gives numbers that are no numbers.';
    case 'trouble':
      return troubleText(problem.trouble, false);
  }
}

export const chatStrings = {
  heading: 'Try the model',
  /** `tokens`: null when nothing was certified yet. */
  honest: (tokens: string | null) =>
    tokens === null
      ? 'It continues your text. It is no assistant, and so far it has read nothing: expect letters at random.'
      : `It continues your text. It is no assistant: it answers nothing and knows only the style of the ${tokens} tokens of text that the swarm has trained it on.`,
  where: 'Run it on the',
  backends,
  costs: (backend: ChatBackend, state: string | null) =>
    `Loading fetches about ${backend === 'wasm' ? '3' : '6'} MB of onnxruntime-web once${state === null ? '' : `, and the model itself: ${state}`}. `,
  effect: {
    wasm: 'Writing uses a few processor cores for some seconds; training on the graphics card goes on.',
    webgpu: 'Writing uses the graphics card, so training in this tab is slower meanwhile.',
  } satisfies Record<ChatBackend, string>,
  load: 'Load the model',
  loading: 'Fetching the model and checking its fingerprint…',
  cancel: 'Cancel',
  fellBack: 'The graphics card could not run it, so the processor does.',
  state: 'Model',
  round: (height: string) => `after ${height === '1' ? '1 certified round' : `${height} certified rounds`}`,
  threads: (n: number) => (n === 1 ? '1 thread' : `${n} threads`),
  newer: (height: string) => `Take the model after ${height} rounds`,
  unload: 'Unload',
  prompt: 'Your text',
  promptHint: 'Leave it empty and the model begins a text of its own.',
  choice: 'Choose words',
  greedy: 'the most likely each time',
  sampled: 'at random, likely ones more often',
  temperature: 'Temperature',
  topP: 'Top-p',
  length: 'Length',
  tokens: (n: number) => `${n} tokens`,
  write: 'Continue the text',
  stop: 'Stop writing',
  texts: 'Texts, newest first',
  nothing: '(it ended the text at once)',
  ended: {
    end: 'the model ended the text',
    length: 'length reached',
    stopped: 'stopped',
  },
  writing: 'writing…',
  speed: (tokens: number, speed: string) =>
    `${tokens === 1 ? '1 token' : `${tokens} tokens`}, ${speed} a second`,
  how: (temperature: number, topP: number) =>
    temperature === 0 ? 'most likely words' : `temperature ${temperature}, top-p ${topP}`,
} as const;

export const samplesStrings = {
  heading: 'What it writes as it learns',
  hint: (prompt: string) =>
    `The same beginning, “${prompt}”, continued after 1, 2, 4, 8, 16 rounds, then every 32.`,
  enable: 'Write such samples in this tab',
  costs: (state: string | null) =>
    `Uses the processor for a few seconds each time and fetches about 3 MB of onnxruntime-web once${state === null ? '' : `, and for each sample the model: ${state}`}. Samples stay in this browser.`,
  empty: 'The first sample comes with the next of these rounds.',
  off: 'No sample was written yet.',
  writing: 'Writing a sample…',
  rounds: (height: string) => (height === '1' ? '1 round' : `${height} rounds`),
  loss: (loss: string) => `held-out loss ${loss}`,
  problem: (message: string) => `Samples were switched off: ${message}`,
} as const;
