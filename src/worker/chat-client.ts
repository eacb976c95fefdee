/** Starts the chat worker and hands out its interface; `terminate` ends it and fails what has not answered. */
import { proxy, type Remote, transfer, wrap } from 'comlink';
import type { ChatAnswer, ChatApi, ChatOpened, ChatOpenRequest, ChatRequest } from './chat-api.ts';
import { endable } from './endable.ts';

export interface ChatClient {
  open(request: ChatOpenRequest): Promise<ChatOpened>;
  generate(request: ChatRequest, onText: (piece: string) => void): Promise<ChatAnswer>;
  stop(): Promise<void>;
  terminate(): void;
}

export function startChat(): ChatClient {
  const worker = new Worker(new URL('./chat.worker.ts', import.meta.url), { type: 'module', name: 'chat' });
  const remote: Remote<ChatApi> = wrap<ChatApi>(worker);
  const { ask, end } = endable(worker, remote, 'chat worker');
  return {
    open: (request) => {
      const { state } = request;
      const { buffer } = state.kind === 'theta' ? state.theta : state.bytes;
      return ask(() => remote.open(transfer(request, [buffer])));
    },
    generate: (request, onText) => ask(() => remote.generate(request, proxy(onText))),
    stop: () => ask(() => remote.stop()),
    terminate: () => end(),
  };
}
