/** What is held of the host's node, in the Prometheus text format: shares are only worth what can be seen of them. */
import type { HostSwarmFigures } from '../swarm/host-node.ts';
import { Exposition } from './exposition.ts';

export function swarmMetricsText(figures: HostSwarmFigures): string {
  const exposition = new Exposition();
  const metric = exposition.metric.bind(exposition);
  metric('tabswarm_swarm_connections', 'gauge', 'Peers’ connections', figures.connections);
  metric('tabswarm_swarm_handshakes', 'gauge', 'Connections in their handshake', figures.handshakes);
  metric(
    'tabswarm_swarm_largest_address',
    'gauge',
    'Connections of the address with most',
    figures.largestAddress,
  );
  metric(
    'tabswarm_swarm_refused_total',
    'counter',
    'Connections refused or ended for others',
    figures.refused,
  );
  metric(
    'tabswarm_relay_largest_address',
    'gauge',
    'Reservations of the address with most of them',
    figures.largestReservations,
  );
  metric('tabswarm_relay_refused_total', 'counter', 'Relayed links refused or cut off', figures.relayRefused);
  metric('tabswarm_swarm_remembered_peers', 'gauge', 'Peers in libp2p’s book', figures.rememberedPeers);
  metric(
    'tabswarm_swarm_unread_bytes',
    'gauge',
    'Bytes sent to peers that have not read them',
    figures.unreadBytes,
  );
  metric(
    'tabswarm_swarm_blob_bytes_in_flight',
    'gauge',
    'Room taken by blob answers',
    figures.blobBytesInFlight,
  );
  return exposition.text;
}
