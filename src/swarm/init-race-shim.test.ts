/** The two waits of a WebRTC dial that would never end, on a connection without a network. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { shimInitRace } from './init-race-shim.ts';

class FakeConnection extends EventTarget {
  connectionState = 'connecting';
  createDataChannel(_label: string): EventTarget {
    return new EventTarget();
  }
  become(state: string): void {
    this.connectionState = state;
    this.dispatchEvent(new Event('connectionstatechange'));
  }
}
shimInitRace(FakeConnection as unknown as { prototype: RTCPeerConnection });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Events that code hears which begins to listen only now, in the order they come. */
function heardFromNow(channel: EventTarget): string[] {
  const heard: string[] = [];
  for (const type of ['open', 'close', 'error']) channel.addEventListener(type, () => heard.push(type));
  vi.runAllTimers();
  return heard;
}

it('repeats open and close for code that comes late', () => {
  const channel = new FakeConnection().createDataChannel('init');
  channel.dispatchEvent(new Event('open'));
  channel.dispatchEvent(new Event('close'));
  vi.advanceTimersByTime(50);
  expect(heardFromNow(channel).slice(0, 2)).toEqual(['open', 'close']);
});

it.each(['failed', 'closed'])(
  'raises an error when the connection is %s before the channel opens',
  (state) => {
    const connection = new FakeConnection();
    const channel = connection.createDataChannel('init');
    connection.become('connected');
    connection.become(state);
    vi.advanceTimersByTime(50);
    expect(new Set(heardFromNow(channel))).toEqual(new Set(['error']));
  },
);

it('raises nothing when a connection ends that was up', () => {
  const connection = new FakeConnection();
  const channel = connection.createDataChannel('init');
  channel.dispatchEvent(new Event('open'));
  connection.become('closed');
  expect(heardFromNow(channel)).toEqual([]);
});

it('leaves other channels alone', () => {
  const connection = new FakeConnection();
  const channel = connection.createDataChannel('data');
  connection.become('failed');
  channel.dispatchEvent(new Event('close'));
  expect(heardFromNow(channel)).toEqual([]);
});
