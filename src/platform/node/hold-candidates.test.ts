/** Two of libdatachannel's connections on the loopback: what the offering side tells, and when. */
import { RTCPeerConnection as Connection } from 'node-datachannel/polyfill';
import { expect, it } from 'vitest';
import { holdCandidates } from './hold-candidates.ts';

holdCandidates(Connection as unknown as { prototype: RTCPeerConnection });

const open = () => new Connection({ iceServers: [], bindAddress: '127.0.0.1' } as RTCConfiguration);

it('tells candidates after the answer, all of them, and the connection comes up', async () => {
  const [offering, answering] = [open(), open()];
  try {
    const gathered = new Promise<void>((resolve) => {
      offering.addEventListener('icegatheringstatechange', () => {
        if (offering.iceGatheringState === 'complete') resolve();
      });
    });
    const connected = new Promise<void>((resolve) => {
      offering.addEventListener('connectionstatechange', () => {
        if (offering.connectionState === 'connected') resolve();
      });
    });
    let told = 0;
    offering.onicecandidate = ({ candidate }) => {
      told++;
      void answering.addIceCandidate(candidate);
    };
    offering.createDataChannel('test');
    await offering.setLocalDescription(await offering.createOffer());
    await gathered;
    await answering.setRemoteDescription(await offering.createOffer());
    const answer = await answering.createAnswer();
    expect(offering.ext_localCandidates.length).toBeGreaterThan(0);
    expect(told).toBe(0);

    await offering.setRemoteDescription(answer);
    expect(told).toBe(offering.ext_localCandidates.length);
    await connected;
  } finally {
    offering.close();
    answering.close();
  }
});
