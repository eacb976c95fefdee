/**
 * Works around a race of libdatachannel (npm's node-datachannel 0.33.4). On the side that made the offer it hands the
 * answer to ICE first and stores the answer's fingerprint afterwards. When the other side's connectivity checks have
 * come before, the DTLS handshake may run in between; without a fingerprint it fails, and the connection with it (4 of
 * 34 links between two peers of one busy machine).
 *
 * So the offering side tells its candidates only after it has taken the answer: nobody can send it checks before.
 */
const patched = new WeakSet<object>();
/** Candidates found before the answer; null once it has been taken. */
const held = new WeakMap<RTCPeerConnection, Event[] | null>();

/** Patches libdatachannel's RTCPeerConnection once. */
export function holdCandidates({ prototype }: { readonly prototype: RTCPeerConnection }): void {
  if (patched.has(prototype)) return;
  patched.add(prototype);
  const dispatch: EventTarget['dispatchEvent'] = Reflect.get(prototype, 'dispatchEvent');
  const take: (description: RTCSessionDescriptionInit) => Promise<void> = Reflect.get(
    prototype,
    'setRemoteDescription',
  );

  prototype.dispatchEvent = function (this: RTCPeerConnection, event) {
    const waiting = held.get(this);
    if (event.type !== 'icecandidate' || waiting === null) return dispatch.call(this, event);
    if (waiting === undefined) held.set(this, [event]);
    else waiting.push(event);
    return true;
  };

  prototype.setRemoteDescription = async function (
    this: RTCPeerConnection,
    description: RTCSessionDescriptionInit,
  ) {
    await take.call(this, description);
    const waiting = held.get(this) ?? [];
    held.set(this, null);
    for (const event of waiting) dispatch.call(this, event);
  };
}
