/** Which ICE servers a peer links with: those that its own runtime takes, each tried alone. */
import { expect, test } from 'vitest';
import type { SkippedIce } from '../protocol/ice.ts';
import { iceServersFor } from './ice.ts';

/** A runtime that refuses a server as browsers do, by throwing for the whole configuration. */
const runtime = (refused: string) => {
  const log: string[] = [];
  class Connection {
    constructor({ iceServers = [] }: RTCConfiguration) {
      for (const { urls } of iceServers) {
        log.push(`open ${String(urls)}`);
        if ([urls].flat().includes(refused)) throw new SyntaxError('refused');
      }
    }
    close(): void {
      log.push('close');
    }
  }
  return { Connection, log };
};

test('an entry that breaks the rules, and one that only the runtime refuses, take no other with them', () => {
  const { Connection, log } = runtime('stun:odd');
  const told: (readonly SkippedIce[])[] = [];
  const iceServers = [{ urls: 'stun:odd' }, { urls: 'turn:a' }, { urls: ['stun:b', 'stun:c'] }];
  const usable = iceServersFor({ iceServers, onIceSkipped: (skipped) => told.push(skipped) }, Connection);
  expect(usable).toEqual([{ urls: ['stun:b', 'stun:c'] }]);
  expect(told).toEqual([
    [
      { rule: 'runtime', at: 'stun:odd' },
      { rule: 'credentials', at: 'turn:a' },
    ],
  ]);
  expect(log).toEqual(['open stun:odd', 'open stun:b,stun:c', 'close']);
});

test('nothing is told where nothing is left out, and nothing is tried where nothing is named', () => {
  const { Connection, log } = runtime('');
  const onIceSkipped = () => expect.fail('nothing was skipped');
  expect(iceServersFor({ iceServers: [{ urls: 'stun:a' }], onIceSkipped }, Connection)).toHaveLength(1);
  expect(iceServersFor({ onIceSkipped }, Connection)).toEqual([]);
  expect(log).toHaveLength(2);
});
