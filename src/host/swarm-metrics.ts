/** What is held of the host's node, in the Prometheus text format: shares are only worth what can be seen of them. */
import type { HostSwarmFigures } from '../swarm/host-node.ts';

export function swarmMetricsText(figures: HostSwarmFigures): string {
  const lines: string[] = [];
  const metric = (name: string, kind: 'gauge' | 'counter', help: string, value: number): void => {
    lines.push(
      `# HELP tabswarm_${name} ${help}`,
      `# TYPE tabswarm_${name} ${kind}`,
      `tabswarm_${name} ${value}`,
    );
  };
  metric('swarm_connections', 'gauge', 'Peers’ connections', figures.connections);
  metric('swarm_handshakes', 'gauge', 'Connections in their handshake', figures.handshakes);
  metric('swarm_largest_address', 'gauge', 'Connections of the address with most', figures.largestAddress);
  metric('swarm_refused_total', 'counter', 'Connections refused or ended for others', figures.refused);
  metric(
    'relay_largest_address',
    'gauge',
    'Reservations of the address with most of them',
    figures.largestReservations,
  );
  metric('relay_refused_total', 'counter', 'Relayed links refused or cut off', figures.relayRefused);
  metric('swarm_remembered_peers', 'gauge', 'Peers in libp2p’s book', figures.rememberedPeers);
  metric('swarm_unread_bytes', 'gauge', 'Bytes sent to peers that have not read them', figures.unreadBytes);
  metric('swarm_blob_bytes_in_flight', 'gauge', 'Room taken by blob answers', figures.blobBytesInFlight);
  return `${lines.join('\n')}\n`;
}
