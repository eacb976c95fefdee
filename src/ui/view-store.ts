/**
 * The session's store, slowed down to what an eye can follow. The session may change its state hundreds of times a
 * second while training; the page redraws at most every 250 ms, except for what answers a click or is a problem.
 */
import type { StoreApi } from 'zustand/vanilla';
import type { AppState } from '../app/state.ts';

/** What the page needs of a store: it never writes. */
export type ViewStore = Pick<StoreApi<AppState>, 'getState' | 'getInitialState' | 'subscribe'>;

const URGENT = [
  'intent',
  'activity',
  'problems',
  'settings',
  'control',
  'run',
  'phase',
] as const satisfies (keyof AppState)[];

/**
 * A view of `source` that changes at most once every `intervalMs` (leading and trailing edge). It subscribes to the
 * source only while somebody listens.
 */
export function throttle(source: ViewStore, intervalMs = 250): ViewStore {
  type Listener = Parameters<ViewStore['subscribe']>[0];
  const listeners = new Set<Listener>();
  let snapshot = source.getState();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let release: (() => void) | undefined;

  const publish = () => {
    const next = source.getState();
    if (next === snapshot) return;
    const previous = snapshot;
    snapshot = next;
    for (const listener of listeners) listener(next, previous);
  };
  const tick = () => {
    timer = undefined;
    if (source.getState() === snapshot) return;
    publish();
    timer = setTimeout(tick, intervalMs);
  };
  const onChange: Listener = (state) => {
    const urgent = URGENT.some((key) => state[key] !== snapshot[key]);
    if (timer !== undefined && !urgent) return;
    clearTimeout(timer);
    publish();
    timer = setTimeout(tick, intervalMs);
  };

  return {
    getState: () => snapshot,
    getInitialState: source.getInitialState,
    subscribe(listener) {
      listeners.add(listener);
      if (release === undefined) {
        release = source.subscribe(onChange);
        snapshot = source.getState();
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        release?.();
        release = undefined;
        clearTimeout(timer);
        timer = undefined;
      };
    },
  };
}
