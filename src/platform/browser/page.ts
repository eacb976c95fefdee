/** Puts the page's sessions together from a browser's parts: the only place that builds them. */
import { createSession, type Session } from '../../app/session.ts';
import { createValidation, type Validation } from '../../app/validation.ts';
import { HostClient } from '../../peer/host-client.ts';
import { RateLimit } from '../../swarm/rate-limit.ts';
import { startChat } from '../../worker/chat-client.ts';
import { startTrainer } from '../../worker/client.ts';
import { browserKeyStorage } from './key-storage.ts';
import { browserPlatform, browserSeat } from './platform.ts';

/** The volunteer's session with the host at `baseUrl`. Starts nothing but asking for the run. */
export function openSession(baseUrl: string): Session {
  const platform = browserPlatform();
  const limit = new RateLimit();
  const host = new HostClient(baseUrl, platform.clock, limit);
  const session = createSession({
    platform,
    host,
    limit,
    keyStorage: browserKeyStorage(),
    startTrainer,
    startChat,
  });
  // For tests and the curious: the state can be read from the console, but nothing can be started from there.
  Object.defineProperty(globalThis, 'tabswarm', {
    value: { state: () => session.store.getState() },
    configurable: true,
  });
  return session;
}

export function openValidation(baseUrl: string): Validation {
  const platform = browserPlatform();
  return createValidation({
    platform,
    seat: browserSeat(),
    host: new HostClient(baseUrl, platform.clock),
    // Every browser has these two, if perhaps no wakeLock: what WakeScope asks for.
    wake: globalThis,
  });
}
