/**
 * Works around two waits of @libp2p/webrtc 6.0.33 that never end. A dial opens an `init` data channel, waits for its
 * `open` event, closes it and waits for `close`.
 *
 * The answering side closes `init` as soon as it sees it. When that close reaches a dialler whose event loop is late,
 * its code waits for an `open` event that has already passed; the dial dies at its timeout while the answerer believes
 * it is connected (18 of about 150 dials on a busy machine without this shim, 0 of 48 with it). So once `init` is
 * closed, `open` and `close` are replayed a few times.
 *
 * A connection that fails before `init` is open never opens it, but the dial waits for that until its timeout too, while
 * the other side believes it is connected. So `error` is raised on `init`, which ends the dial at once and lets it be
 * tried again. Links between two Node peers that failed so took 10 s, and with this 4 to 7 s.
 */
const REPLAY_AT = [0, 100, 400, 1500, 4000];
const CLOSE_AFTER_OPEN = 20;

const patched = new WeakSet<object>();

/** Patches a runtime's RTCPeerConnection once. Does nothing where there is none. */
export function shimInitRace(connection: { readonly prototype: RTCPeerConnection } | undefined): void {
  const prototype = connection?.prototype;
  if (prototype === undefined || patched.has(prototype)) return;
  patched.add(prototype);
  const create: RTCPeerConnection['createDataChannel'] = Reflect.get(prototype, 'createDataChannel');
  prototype.createDataChannel = function (this: RTCPeerConnection, label, options) {
    const channel = create.call(this, label, options);
    if (label === 'init') {
      replayClose(channel);
      endFailedDial(this, channel);
    }
    return channel;
  };
}

/** The code that waits may begin to do so only after the event, hence several times. */
function repeatedly(raise: () => void): void {
  for (const delay of REPLAY_AT) setTimeout(raise, delay);
}

function replayClose(init: RTCDataChannel): void {
  const replay = (): void =>
    repeatedly(() => {
      init.dispatchEvent(new Event('open'));
      setTimeout(() => init.dispatchEvent(new Event('close')), CLOSE_AFTER_OPEN);
    });
  init.addEventListener('close', replay, { once: true });
}

function endFailedDial(connection: RTCPeerConnection, init: RTCDataChannel): void {
  const settled = new AbortController();
  const { signal } = settled;
  const settle = (): void => settled.abort();
  init.addEventListener('open', settle, { signal });
  init.addEventListener('close', settle, { signal });
  const onState = (): void => {
    if (connection.connectionState !== 'failed' && connection.connectionState !== 'closed') return;
    settle();
    repeatedly(() => init.dispatchEvent(new Event('error')));
  };
  connection.addEventListener('connectionstatechange', onState, { signal });
}
