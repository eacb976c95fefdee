/** The page redraws at most once an interval, but answers a click at once. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createAppStore } from '../app/store.ts';
import { throttle } from './view-store.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('passes the first change at once and the rest once an interval', () => {
  const source = createAppStore();
  const view = throttle(source, 250);
  const seen: number[] = [];
  view.subscribe((state) => seen.push(state.tokensPerSecond));
  for (let i = 1; i <= 100; i++) {
    source.setState({ tokensPerSecond: i });
    vi.advanceTimersByTime(10);
  }
  vi.advanceTimersByTime(1000);
  expect(seen).toEqual([1, 25, 50, 75, 100]);
  expect(view.getState().tokensPerSecond).toBe(100);
});

it('does not delay the answer to a click', () => {
  const source = createAppStore();
  const view = throttle(source, 250);
  const seen: string[] = [];
  view.subscribe((state) => seen.push(state.intent));
  source.setState({ tokensPerSecond: 1 });
  source.setState({ intent: 'paused' });
  expect(seen).toEqual(['idle', 'paused']);
});

it('leaves nothing behind when nobody listens', () => {
  const source = createAppStore();
  const view = throttle(source, 250);
  const stop = view.subscribe(() => {});
  source.setState({ tokensPerSecond: 5 });
  stop();
  expect(vi.getTimerCount()).toBe(0);
  source.setState({ tokensPerSecond: 6 });
  expect(vi.getTimerCount()).toBe(0);
  view.subscribe(() => {});
  expect(view.getState().tokensPerSecond).toBe(6);
});
