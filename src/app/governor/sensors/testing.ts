/** A browser's battery, network, idle detector, wake lock and visibility, to be moved by hand in tests. */
import type { Surroundings } from '../governor.ts';

class FakeBattery extends EventTarget {
  charging = true;
  level = 1;
}

class FakeConnection extends EventTarget {
  saveData = false;
  type = 'wifi';
}

class FakeDocument extends EventTarget {
  visibilityState: DocumentVisibilityState = 'visible';
}

export class FakeIdleDetector extends EventTarget {
  static granted = false;
  static last: FakeIdleDetector | null = null;
  static async requestPermission(): Promise<'granted' | 'denied'> {
    FakeIdleDetector.granted = true;
    return 'granted';
  }
  userState: 'active' | 'idle' | null = null;
  screenState: 'locked' | 'unlocked' | null = null;
  threshold = 0;
  async start(options: { threshold: number }): Promise<void> {
    if (!FakeIdleDetector.granted) throw new DOMException('not allowed', 'NotAllowedError');
    this.threshold = options.threshold;
    this.userState = 'active';
    this.screenState = 'unlocked';
    FakeIdleDetector.last = this;
  }
  say(userState: 'active' | 'idle', screenState: 'locked' | 'unlocked' = 'unlocked'): void {
    this.userState = userState;
    this.screenState = screenState;
    this.dispatchEvent(new Event('change'));
  }
}

export class FakeBrowser {
  readonly battery = new FakeBattery();
  readonly connection = new FakeConnection();
  readonly document = new FakeDocument();
  /** Wake locks now held. */
  readonly locks = new Set<EventTarget>();
  refuseLocks = false;

  readonly scope: Surroundings = {
    navigator: {
      getBattery: async () => this.battery,
      connection: this.connection,
      wakeLock: {
        request: async () => {
          if (this.refuseLocks || this.document.visibilityState !== 'visible') throw new Error('refused');
          const sentinel = Object.assign(new EventTarget(), { release: async () => this.drop(sentinel) });
          this.locks.add(sentinel);
          return sentinel;
        },
      },
    },
    document: this.document,
    IdleDetector: FakeIdleDetector,
  };

  constructor() {
    FakeIdleDetector.granted = false;
    FakeIdleDetector.last = null;
  }

  charge(level: number, charging: boolean): void {
    Object.assign(this.battery, { level, charging });
    this.battery.dispatchEvent(new Event('levelchange'));
  }

  connect(connection: { saveData?: boolean; type?: string }): void {
    Object.assign(this.connection, connection);
    this.connection.dispatchEvent(new Event('change'));
  }

  /** Browsers take wake locks away from hidden pages. */
  see(visibilityState: DocumentVisibilityState): void {
    this.document.visibilityState = visibilityState;
    if (visibilityState === 'hidden') for (const lock of this.locks) this.drop(lock);
    this.document.dispatchEvent(new Event('visibilitychange'));
  }

  type(): void {
    this.document.dispatchEvent(new Event('keydown'));
  }

  drop(lock: EventTarget): void {
    this.locks.delete(lock);
    lock.dispatchEvent(new Event('release'));
  }
}
