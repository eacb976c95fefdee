/** Derived descriptions: what the run will cost before Start is pressed, and what this tab shows in its signs of life. */
import type { Run } from '../chain/run.ts';
import { cleanText } from '../protocol/clean-text.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { LINK_TAIL, MAX_ADAPTER, MAX_LINKS_SHOWN, type MessageOf } from '../protocol/messages.ts';
import type { Self } from '../peer/participant.ts';
import { estimateMemory } from '../training/memory.ts';
import { firstTextBytes } from '../work/pretrain/text-ahead.ts';
import { shownText } from './shown-text.ts';
import type { AppState, RunInfo } from './state.ts';

/** Submission bytes per parameter to expect: the budget; the real ones are shown once there are some. */
const WIRE_BYTES_PER_PARAMETER = 0.0185;
/** Other contributors whose submissions a tab fetches each round, for the estimate. */
const EXPECTED_PEERS = 4;

export function runInfo({ name, manifest, layout }: Run): RunInfo {
  const { data, training } = manifest.task;
  const submission = layout.elements * WIRE_BYTES_PER_PARAMETER;
  return {
    id: name,
    name: shownText(manifest.name),
    description: shownText(manifest.description),
    organizer: shownText(manifest.organizer.name),
    parameters: layout.elements,
    dataSource: shownText(data.source),
    dataLicence: shownText(data.licence),
    validators: manifest.validators.length,
    roundMs: manifest.schedule.roundMs,
    phaseMs: phaseLengths(manifest.schedule),
    gpuBytes: estimateMemory(manifest.model, training.batch, training.sequence).total,
    downloadBytes: manifest.genesis.checkpoint.size + firstTextBytes(data.train),
    bytesPerRound: Math.round(submission * (1 + EXPECTED_PEERS)),
  };
}

/** Offsets from the round's start as lengths of its phases. */
function phaseLengths({ trainMs, commitMs, revealMs, roundMs }: Manifest['schedule']): RunInfo['phaseMs'] {
  return {
    train: trainMs,
    commit: commitMs - trainMs,
    reveal: revealMs - commitMs,
    judge: roundMs - revealMs,
  };
}

export const selfOf = (state: AppState, withLinks: boolean): Self => ({
  state: state.activity,
  adapter: cleanText(state.adapter?.description ?? '', MAX_ADAPTER),
  tokensPerSecond: state.tokensPerSecond,
  ...(withLinks && { links: presenceLinks(state.links) }),
});

/** Own links in the few bytes that a presence has for them, the busiest first. */
function presenceLinks(links: AppState['links']): NonNullable<MessageOf<'presence'>['links']> {
  return [...links]
    .sort((a, b) => b.rate - a.rate)
    .slice(0, MAX_LINKS_SHOWN)
    .flatMap(({ to, path, rate }) =>
      path === 'host' ? [] : [[to.slice(-LINK_TAIL), path, Math.round(rate)] as const],
    )
    .map((link) => [...link]);
}
