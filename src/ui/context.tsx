/** How components reach the state and the actions: a context, so that no file keeps a global store. */
import { createContext, useContext } from 'react';
import { useStore } from 'zustand';
import type { ChatModel } from '../app/chat.ts';
import type { Samples } from '../app/samples.ts';
import type { AppState, SessionActions } from '../app/state.ts';
import type { Device } from './shell/device.ts';
import type { ViewStore } from './view-store.ts';

/** The model in use, as far as the page needs it. */
export interface LiveModel {
  readonly chat: Pick<ChatModel, 'store' | 'preferredBackend' | 'load' | 'write' | 'stopWriting' | 'close'>;
  readonly samples: Pick<Samples, 'store' | 'setEnabled'>;
}

interface Session {
  readonly store: ViewStore;
  /** Null until the session's code has been loaded: nothing can be started before. */
  readonly actions: SessionActions | null;
  readonly model: LiveModel | null;
  /** Null in pages that are no app: the gallery's, and a page that could not load. */
  readonly device: Device | null;
}

const SessionContext = createContext<Session | null>(null);
export const SessionProvider = SessionContext.Provider;

function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error('A component of the page was rendered outside SessionProvider.');
  return session;
}

/** Re-renders only when what the selector returns changes (Object.is). */
export const useApp = <T,>(selector: (state: AppState) => T): T => useStore(useSession().store, selector);
export const useActions = (): SessionActions | null => useSession().actions;
export const useDevice = (): Device | null => useSession().device;
export const useModel = (): LiveModel | null => useSession().model;
/** For parts that draw by themselves (canvas, countdown) and must not re-render. */
export const useViewStore = (): ViewStore => useSession().store;
