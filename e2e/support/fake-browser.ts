/**
 * Replaces, in a page, what a test machine has no control over: battery, kind of connection, idle detector and wake
 * lock. Run it with `addInitScript`; it must use nothing from outside itself.
 */
export interface FakeControls {
  charge(level: number, charging: boolean): void;
  connect(type: string): void;
  idle(userState: 'active' | 'idle'): void;
  /** Wake locks held now. */
  locks(): number;
}

declare global {
  var fakes: FakeControls;
}

export function fakeBrowser(): void {
  const battery = Object.assign(new EventTarget(), { charging: true, level: 0.9 });
  const connection = Object.assign(new EventTarget(), { saveData: false, type: 'wifi' });
  const locks = new Set<EventTarget>();
  let granted = false;
  const detectors = new Set<EventTarget & { userState: string }>();

  const replace = (name: string, value: unknown): void => {
    Object.defineProperty(Navigator.prototype, name, { get: () => value, configurable: true });
  };
  replace('getBattery', async () => battery);
  replace('connection', connection);
  replace('wakeLock', {
    request: async () => {
      const sentinel = Object.assign(new EventTarget(), {
        release: async () => void locks.delete(sentinel),
      });
      locks.add(sentinel);
      return sentinel;
    },
  });
  class FakeIdleDetector extends EventTarget {
    static async requestPermission(): Promise<string> {
      granted = true;
      return 'granted';
    }
    userState = 'active';
    screenState = 'unlocked';
    async start(): Promise<void> {
      if (!granted) throw new DOMException('not allowed', 'NotAllowedError');
      detectors.add(this);
    }
  }
  Object.defineProperty(globalThis, 'IdleDetector', { value: FakeIdleDetector, configurable: true });
  globalThis.fakes = {
    charge: (level, charging) => {
      Object.assign(battery, { level, charging });
      battery.dispatchEvent(new Event('levelchange'));
    },
    connect: (type) => {
      Object.assign(connection, { type });
      connection.dispatchEvent(new Event('change'));
    },
    idle: (userState) => {
      if (detectors.size === 0) throw new Error('the page observes nobody');
      for (const detector of detectors) {
        detector.userState = userState;
        detector.dispatchEvent(new Event('change'));
      }
    },
    locks: () => locks.size,
  };
}
