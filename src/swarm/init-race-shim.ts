/**
 * Works around a dial race in @libp2p/webrtc 6.0.33: the answering side closes the `init` data channel as soon as it
 * sees it. When that close reaches a dialler whose event loop is late, its code waits for an `open` event that has
 * already passed; the dial dies at its timeout while the answerer believes it is connected (18 of about 150 dials on
 * a busy machine without this shim, 0 of 48 with it).
 *
 * Once `init` is closed, `open` and `close` are replayed a few times, so that the waiting code goes on.
 */
const REPLAY_AT = [0, 100, 400, 1500, 4000];
const CLOSE_AFTER_OPEN = 20;

const patched = new WeakSet<object>();

/** Patches RTCPeerConnection once. Does nothing where there is none. */
export function shimInitRace(): void {
  const prototype = globalThis.RTCPeerConnection?.prototype;
  if (prototype === undefined || patched.has(prototype)) return;
  patched.add(prototype);
  const create: RTCPeerConnection['createDataChannel'] = Reflect.get(prototype, 'createDataChannel');
  prototype.createDataChannel = function (this: RTCPeerConnection, label, options) {
    const channel = create.call(this, label, options);
    if (label === 'init') {
      const replay = (): void => {
        for (const delay of REPLAY_AT)
          setTimeout(() => {
            channel.dispatchEvent(new Event('open'));
            setTimeout(() => channel.dispatchEvent(new Event('close')), CLOSE_AFTER_OPEN);
          }, delay);
      };
      channel.addEventListener('close', replay, { once: true });
    }
    return channel;
  };
}
