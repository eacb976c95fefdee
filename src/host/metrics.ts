/** What a host's run, disk, port and process come to, as metrics. */
import { ROUND_FAILURES } from '../protocol/messages.ts';
import type { DoorFigures } from './doorman.ts';
import { Exposition } from './exposition.ts';
import { TROUBLES } from './troubles.ts';
import type { StatusView } from './view.ts';

export interface ProcessFigures {
  readonly residentBytes: number;
  readonly uptimeSeconds: number;
  readonly httpRequests: ReadonlyMap<number, number>;
  /** Null: nothing counts them. */
  readonly door: DoorFigures | null;
}

export function metricsText(status: StatusView, figures: ProcessFigures): string {
  const exposition = new Exposition();
  const metric = exposition.metric.bind(exposition);
  metric('tabswarm_round', 'gauge', 'Round by the wall clock', status.round);
  metric('tabswarm_height', 'gauge', 'Certified rounds', status.height);
  metric('tabswarm_rounds_lost_total', 'counter', 'Rounds lost by this host since start', status.roundsLost);
  metric(
    'tabswarm_validator_present',
    'gauge',
    '1 while somebody judges rounds',
    status.validator === 'none' ? 0 : 1,
  );
  exposition.labelled(
    'tabswarm_trouble',
    'gauge',
    '1 while the validator’s machine fails at this',
    'cause',
    ROUND_FAILURES.map((cause) => [cause, status.trouble?.cause === cause ? 1 : 0]),
  );
  metric('tabswarm_peers', 'gauge', 'Peers that lately showed a sign of life', status.peerCount);
  metric('tabswarm_relay_reservations', 'gauge', 'Reservations that the relay holds', status.reservations);
  metric('tabswarm_held_out_loss', 'gauge', 'Newest held-out loss in nats per token', status.heldOutLoss);
  metric(
    'tabswarm_submission_bytes_per_parameter',
    'gauge',
    'Mean wire size in the newest certificate',
    status.bytesPerParameter,
  );
  const { accounts, accepted, refused, tokens } = status.totals;
  metric('tabswarm_accounts', 'gauge', 'Accounts of the ledger', accounts);
  metric('tabswarm_members', 'gauge', 'Keys that may commit', status.members);
  metric('tabswarm_join_bits', 'gauge', 'Leading zero bits that a join needs', status.joinBits);
  metric('tabswarm_submissions_accepted_total', 'counter', 'Accepted submissions', accepted);
  // An account without anything accepted is forgotten when its membership ends.
  metric('tabswarm_submissions_refused', 'gauge', 'Refused submissions of present accounts', refused);
  metric(
    'tabswarm_refusals_uncertified_total',
    'counter',
    'Refusals since start in rounds without a certificate',
    status.refusedUncertified,
  );
  metric('tabswarm_tokens_total', 'counter', 'Tokens of accepted work', tokens);
  metric('tabswarm_micro_credits_issued_total', 'counter', 'Micro-credits issued', status.issued);
  exposition.labelled(
    'tabswarm_host_trouble',
    'gauge',
    '1 while it lasts',
    'code',
    TROUBLES.map((code) => [code, status.troubles.some((one) => one.code === code) ? 1 : 0]),
  );
  metric(
    'tabswarm_disk_free_bytes',
    'gauge',
    'Bytes that may still be written beside the run',
    status.diskFreeBytes,
  );
  metric('tabswarm_relayed_bytes_total', 'counter', 'Bytes through the relay', status.relayedBytes);
  metric('tabswarm_blob_sent_bytes_total', 'counter', 'Blob bytes sent over libp2p', status.blobBytesOut);
  metric('tabswarm_blob_received_bytes_total', 'counter', 'Blob bytes got over libp2p', status.blobBytesIn);
  exposition.labelled(
    'tabswarm_http_responses_total',
    'counter',
    'HTTP answers by status',
    'code',
    figures.httpRequests,
  );
  const { door } = figures;
  if (door !== null) {
    metric('tabswarm_http_sockets', 'gauge', 'Connections to the port', door.sockets);
    metric('tabswarm_http_websockets', 'gauge', 'Those that are WebSockets', door.upgrades);
    metric('tabswarm_http_answers', 'gauge', 'Answers in progress', door.answers);
    metric('tabswarm_http_waiting', 'gauge', 'Requests that wait for an answer to end', door.waiting);
    metric('tabswarm_http_unsent_bytes', 'gauge', 'Bytes of answers that were made and not sent', door.bytes);
    exposition.labelled(
      'tabswarm_http_refused_total',
      'counter',
      'Turned away or cut off, by what there was too much of',
      'of',
      door.refused,
    );
  }
  metric('process_resident_memory_bytes', 'gauge', 'Resident memory', figures.residentBytes);
  metric('process_uptime_seconds', 'gauge', 'Seconds since start', figures.uptimeSeconds);
  return exposition.text;
}
