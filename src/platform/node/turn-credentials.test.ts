/** What libdatachannel sends to a TURN server: a user name and a password with every character that a URL gives a meaning. */
import { createHash, createHmac } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { RTCPeerConnection as Connection } from 'node-datachannel/polyfill';
import { expect, it } from 'vitest';
import { encodedCredentials } from './swarm.ts';

/** An attribute of a STUN message (RFC 8489, section 14); undefined: it has none of this type. */
function attribute(
  message: Buffer,
  type: number,
): { readonly at: number; readonly value: Buffer } | undefined {
  for (let at = 20; at + 4 <= message.length; ) {
    const length = message.readUInt16BE(at + 2);
    if (message.readUInt16BE(at) === type) return { at, value: message.subarray(at + 4, at + 4 + length) };
    at += 4 + length + ((4 - (length % 4)) % 4);
  }
  return undefined;
}

it('a TURN server gets user name and password as they were given, whatever is in them', async () => {
  const username = '1700000000:alice@lab';
  const credential = 'p:a@s/s+%=?#';
  const [USERNAME, INTEGRITY] = [0x0006, 0x0008];
  const turn = createSocket('udp4');
  const seen = new Promise<Buffer>((resolve) =>
    turn.on('message', (message, from) => {
      if (attribute(message, USERNAME) !== undefined) return resolve(Buffer.from(message));
      // 401 with realm "lab" and nonce "once": log in and ask again (RFC 8656, section 7.2).
      const body = Buffer.from('\0\t\0\x04\0\0\x04\x01\0\x14\0\x03lab\0\0\x15\0\x04once', 'latin1');
      const head = Buffer.from(message.subarray(0, 20));
      head.writeUInt16BE(0x0113, 0);
      head.writeUInt16BE(body.length, 2);
      turn.send(Buffer.concat([head, body]), from.port, from.address);
    }),
  );
  await new Promise<void>((resolve) => turn.bind(0, '127.0.0.1', resolve));
  const { port } = turn.address();
  const server = { urls: `turn:127.0.0.1:${port}?transport=udp`, username, credential };
  const asking = new Connection({
    iceServers: [encodedCredentials(server)],
    bindAddress: '127.0.0.1',
  } as RTCConfiguration);
  asking.createDataChannel('test');
  await asking.setLocalDescription(await asking.createOffer());
  const message = await seen;
  expect(attribute(message, USERNAME)?.value.toString()).toBe(username);
  const integrity = attribute(message, INTEGRITY);
  const covered = Buffer.from(message.subarray(0, integrity?.at));
  covered.writeUInt16BE((integrity?.at ?? 0) + 24 - 20, 2);
  const key = createHash('md5').update(`${username}:lab:${credential}`).digest();
  expect(integrity?.value).toEqual(createHmac('sha1', key).update(covered).digest());
  asking.close();
  turn.close();
});
