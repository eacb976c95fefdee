/** A model in use that only pretends: the chat box and the samples in the states they can be in. */
import { createStore } from 'zustand/vanilla';
import type { ChatText, ChatView } from '../../app/chat.ts';
import type { SamplesView } from '../../app/samples.ts';
import type { LiveModel } from '../context.tsx';
import { hex } from './fake-data.ts';

const state = { root: hex(5), height: 42 };
const greedy = { temperature: 0, topP: 1 };

const noHost = {
  code: 'trouble',
  trouble: {
    code: 'host-unreachable',
    recovering: true,
    why: 'unreachable',
    url: 'https://example.org',
    status: null,
  },
} as const;

const text = (id: number, prompt: string, written: string, rest: Partial<ChatText> = {}): ChatText => ({
  id,
  prompt,
  text: written,
  sampling: greedy,
  state,
  result: { ended: 'length', tokens: 40, tokensPerSecond: 31.4 },
  ...rest,
});

const off: ChatView = {
  status: 'off',
  backend: null,
  threads: 0,
  state: null,
  problem: null,
  fellBack: false,
  texts: [],
};
const ready: ChatView = {
  ...off,
  status: 'ready',
  backend: 'wasm',
  threads: 2,
  state: { root: hex(4), height: 40 },
  texts: [
    text(
      2,
      'The state of the Union',
      ' is strong, and the people of the United States have the right to the',
    ),
    text(1, '', 'Mr. Speaker, the Congress of the world is the year of the great and', {
      sampling: { temperature: 0.8, topP: 0.95 },
      result: { ended: 'stopped', tokens: 17, tokensPerSecond: 28.9 },
    }),
  ],
};

const CHATS: Readonly<Record<string, ChatView>> = {
  'chat-loading': { ...off, status: 'loading' },
  'chat-ready': ready,
  'chat-writing': {
    ...ready,
    status: 'writing',
    backend: 'webgpu',
    threads: 0,
    texts: [text(3, 'We will build', ' a new', { result: null }), ...ready.texts],
  },
  'chat-fell-back': { ...ready, fellBack: true, texts: [] },
  'chat-problem': {
    ...off,
    problem: noHost,
    texts: ready.texts,
  },
};

const LEARNED = [
  [1, 7.412, 'q fze the,,o ine  sa the t n.edhe '],
  [2, 7.01, ' the the of the and, the of. of the the and of'],
  [4, 6.33, ' of the the States of the and the to of that the of the country of'],
  [8, 5.871, ' of the world, and the great of the people to the government of that the'],
  [16, 5.214, ' of the United States are the same, and the law of the country has been made'],
  [32, 4.806, ' of the United States have the right to be the first in the world, and we must'],
] as const;

const SAMPLES: Readonly<Record<string, Partial<SamplesView>>> = {
  'chat-ready': {
    enabled: true,
    samples: LEARNED.map(([height, loss, written]) => ({
      height,
      loss,
      text: written,
      root: hex(height),
      at: 0,
    })),
  },
  'chat-loading': { enabled: true, writing: true },
  'chat-problem': { problem: noHost },
};

/** `name` of the gallery's state; unknown ones have everything off. The buttons answer at once. */
export function fakeModel(name: string): LiveModel {
  const chat = createStore<ChatView>(() => CHATS[name] ?? off);
  const samples = createStore<SamplesView>(() => ({
    enabled: false,
    writing: false,
    problem: null,
    samples: [],
    ...SAMPLES[name],
  }));
  return {
    chat: {
      store: chat,
      preferredBackend: async () => 'wasm',
      load: async (backend) => chat.setState({ ...ready, state, backend, texts: [] }),
      write: async ({ prompt, sampling }) =>
        chat.setState((s) => ({
          texts: [text(s.texts.length + 1, prompt, ' and so on', { sampling }), ...s.texts],
        })),
      stopWriting: () => chat.setState({ status: 'ready' }),
      close: () => chat.setState(off),
    },
    samples: { store: samples, setEnabled: (enabled) => samples.setState({ enabled }) },
  };
}
