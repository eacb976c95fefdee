/** What tests on a simulated swarm look at: the kind of a message on its way, and calls that the shipped code makes. */
import { decodeCanonical } from '../protocol/codec.ts';
import type { Message } from '../protocol/messages.ts';
import type { Settlement } from '../work/workload.ts';
import type { Route } from './memory-network.ts';
import type { TrainerClient } from '../work/pretrain/trainer-api.ts';

/** Kind of the message in a sealed envelope; null for other bytes. */
export function kindOf(envelope: Uint8Array): unknown {
  const outer = decodeCanonical(envelope, envelope.byteLength);
  if (!outer.ok || !Array.isArray(outer.value)) return null;
  const inner = decodeCanonical(outer.value[3] as Uint8Array, envelope.byteLength);
  return inner.ok ? (inner.value as { readonly kind?: unknown }).kind : null;
}

/** Loses messages of these kinds on their way to one peer, or delays them by so many ms. */
export const hinder =
  (to: string, kinds: readonly Message['kind'][], delayMs = Number.POSITIVE_INFINITY): Route =>
  (_from, peer, bytes, at) => {
    if (peer !== to || !kinds.some((kind) => kind === kindOf(bytes))) return [{ at, bytes }];
    return delayMs === Number.POSITIVE_INFINITY ? [] : [{ at: at + delayMs, bytes }];
  };

/** Notes what a trainer is told of its rounds. */
export function noteSettlements(trainer: TrainerClient, told: Settlement[]): void {
  const settle = trainer.settle.bind(trainer);
  trainer.settle = (outcome) => {
    told.push(outcome);
    return settle(outcome);
  };
}
