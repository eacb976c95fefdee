/** `tabswarm status`: how a run is doing, for people or (with --json) for scripts. */
import type { StatusView } from '../host/view.ts';
import { DEFAULT_PORT } from '../host/run.ts';
import { failureText } from '../ui/strings/validator-events.ts';
import { hostUrl, parseCommand } from './arguments.ts';
import { getJson } from './host-api.ts';
import type { Output } from './output.ts';
import { hostTroubleText } from './say.ts';

const MICRO = 1_000_000;
const TOP = 10;
const VALIDATORS: Readonly<Record<StatusView['validator'], string>> = {
  host: 'the host',
  tab: 'a browser tab',
  none: 'none: rounds are not certified until a tab validates',
};

export async function status(args: readonly string[], { out }: Output): Promise<number> {
  const { values } = parseCommand('status', args);
  const base = hostUrl('--url', values.url ?? `http://localhost:${DEFAULT_PORT}`);
  const view = await getJson<StatusView>(base, '/api/status');
  if (values.json === true) out(JSON.stringify(view));
  else for (const line of statusLines(view)) out(line);
  return 0;
}

export function statusLines(view: StatusView): string[] {
  const left = Math.max(0, Math.round((view.phaseEndsAt - view.time) / 1000));
  const begins = view.phase === 'before';
  const lines = [
    `run       ${view.name} (${view.run})`,
    `model     ${(view.parameters / 1e6).toFixed(2)} M parameters`,
    begins
      ? `round     0 begins in ${left} s: the run starts in the future`
      : `round     ${view.round}, ${view.phase} for ${left} s more`,
    `height    ${view.height}, root ${view.root}`,
    `held-out  ${
      view.heldOutLoss === null
        ? 'not measured yet'
        : `${view.heldOutLoss.toFixed(4)} nats per token at height ${view.heldOutHeight}${
            view.initialHeldOutLoss === null ? '' : ` (start: ${view.initialHeldOutLoss.toFixed(4)})`
          }`
    }`,
    `wire      ${view.bytesPerParameter === null ? 'no submission yet' : `${view.bytesPerParameter.toFixed(4)} bytes per parameter`}`,
    `members   ${view.members}, joining takes ${view.joinBits} bits of work`,
    `validator ${VALIDATORS[view.validator]}`,
    ...(view.trouble === null
      ? []
      : [`trouble   round ${view.trouble.round}: ${failureText(view.trouble.cause)}`]),
    `peers     ${view.peerCount}`,
  ];
  for (const trouble of view.troubles) lines.push(`trouble   ${hostTroubleText(trouble)}`);
  for (const peer of view.peers)
    lines.push(
      `  ${peer.contributor.slice(0, 12)}  ${peer.role}, ${peer.state}, ${peer.adapter}, ${Math.round(peer.tokensPerSecond)} tokens/s`,
    );
  if (view.peerCount > view.peers.length) lines.push(`  and ${view.peerCount - view.peers.length} more`);
  lines.push(`accounts  ${view.totals.accounts}`);
  lines.push(`credits   ${(view.issued / MICRO).toFixed(2)} issued`);
  for (const account of view.credits.slice(0, TOP))
    lines.push(
      `  ${account.contributor.slice(0, 12)}  ${(account.credits / MICRO).toFixed(2)}, ${(account.provisional / MICRO).toFixed(2)} of it provisional (${account.accepted} accepted, ${account.refused} refused)`,
    );
  return lines;
}
