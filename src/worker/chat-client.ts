/** Starts the chat worker and hands out its interface; `terminate` ends it whatever it is doing. */
import { proxy, releaseProxy, type Remote, transfer, wrap } from 'comlink';
import type { ChatAnswer, ChatApi, ChatOpened, ChatOpenRequest, ChatRequest } from './chat-api.ts';

export interface ChatClient {
  open(request: ChatOpenRequest): Promise<ChatOpened>;
  generate(request: ChatRequest, onText: (piece: string) => void): Promise<ChatAnswer>;
  stop(): Promise<void>;
  terminate(): void;
}

export function startChat(): ChatClient {
  const worker = new Worker(new URL('./chat.worker.ts', import.meta.url), { type: 'module', name: 'chat' });
  const remote: Remote<ChatApi> = wrap<ChatApi>(worker);
  return {
    open: (request) => {
      const { state } = request;
      return remote.open(
        transfer(request, [state.kind === 'theta' ? state.theta.buffer : state.bytes.buffer]),
      );
    },
    generate: (request, onText) => remote.generate(request, proxy(onText)),
    stop: () => remote.stop(),
    terminate: () => {
      remote[releaseProxy]();
      worker.terminate();
    },
  };
}
