/**
 * The page as an app of this device: installing it, learning of a new version, notifications. All of it optional, asked
 * for by the person, and remembered in this browser only.
 */
import { createStore, type StoreApi } from 'zustand/vanilla';
import type { AppState } from '../../app/state.ts';
import type { ViewStore } from '../view-store.ts';
import { noticesOf, type Notice } from './notices.ts';

export interface DeviceView {
  /** A newer version of the page is here; it is used from the next reload on. */
  readonly update: boolean;
  /** `unknown`: this browser offers no button; its own menu may have one. */
  readonly install: 'unknown' | 'offered' | 'installed';
  readonly notifications: 'unsupported' | 'off' | 'on' | 'denied';
}

export interface DeviceActions {
  install(): void;
  setNotifications(on: boolean): void;
  reload(): void;
}

export interface Device {
  readonly store: StoreApi<DeviceView>;
  readonly actions: DeviceActions;
}

/** Chromium only; in no standard. */
interface InstallPrompt extends Event {
  prompt(): Promise<unknown>;
}
const isInstallPrompt = (event: Event): event is InstallPrompt => 'prompt' in event;

const PREFERENCE = 'tabswarm.notifications';
const UPDATE_CHECK_MS = 60 * 60_000;
/** A service worker that is not ours never answers; ours may have to be started first, on a busy machine. */
const ANSWER_MS = 60_000;

/** Title and text of a notice, from the page's strings. */
export type NoticeText = (notice: Notice) => { readonly title: string; readonly text: string };

export function createDevice(noticeText: NoticeText): Device & { follow(session: ViewStore): () => void } {
  const store = createStore<DeviceView>(() => ({
    update: false,
    install: matchMedia('(display-mode: standalone)').matches ? 'installed' : 'unknown',
    notifications: notificationState(),
  }));

  let prompt: InstallPrompt | null = null;
  addEventListener('beforeinstallprompt', (event) => {
    if (!isInstallPrompt(event)) return;
    event.preventDefault();
    prompt = event;
    store.setState({ install: 'offered' });
  });
  addEventListener('appinstalled', () => {
    prompt = null;
    store.setState({ install: 'installed' });
  });

  const actions: DeviceActions = {
    install() {
      // The browser's own question follows; a prompt can be shown once.
      void prompt?.prompt().catch(() => {});
      prompt = null;
      store.setState({ install: 'unknown' });
    },
    setNotifications(on) {
      remember(on);
      if (!on || Notification.permission === 'granted') {
        store.setState({ notifications: notificationState() });
        return;
      }
      void Notification.requestPermission().then(() =>
        store.setState({ notifications: notificationState() }),
      );
    },
    reload: () => location.reload(),
  };

  const follow = (session: ViewStore): (() => void) =>
    session.subscribe((now: AppState, before: AppState) => {
      // Whoever looks at the page sees it there.
      if (document.visibilityState === 'visible' || store.getState().notifications !== 'on') return;
      for (const notice of noticesOf(before, now, Date.now())) void show(notice, noticeText(notice));
    });

  void watchVersion(() => store.setState({ update: true }));
  return { store, actions, follow };
}

/**
 * Registers the service worker of a built page, and calls `onNew` once it is of another build than this page. Browsers
 * without service workers, and pages served by the development server, do without.
 */
async function watchVersion(onNew: () => void): Promise<void> {
  const workers = serviceWorkers();
  if (!import.meta.env.PROD || workers === undefined) return;
  const check = async () => {
    const own = document.querySelector<HTMLScriptElement>('script[type=module][src]')?.src;
    const files = await shellFiles(workers.controller);
    if (own !== undefined && files !== null && !files.includes(own)) onNew();
  };
  try {
    const registration = await workers.register('./sw.js');
    workers.addEventListener('controllerchange', () => void check());
    setInterval(() => void registration.update().catch(() => {}), UPDATE_CHECK_MS);
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') void registration.update().catch(() => {});
    });
    await check();
  } catch {
    // Storage or workers are off: the page works as ever, online.
  }
}

/** Absent in pages that are not secure, and where site data are blocked. */
function serviceWorkers(): ServiceWorkerContainer | undefined {
  try {
    return navigator.serviceWorker;
  } catch {
    return undefined;
  }
}

/** The files of the build that a service worker serves; null when there is none or it does not answer. */
function shellFiles(worker: ServiceWorker | null): Promise<readonly string[] | null> {
  if (worker === null) return Promise.resolve(null);
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const timer = setTimeout(() => resolve(null), ANSWER_MS);
    port1.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      clearTimeout(timer);
      port1.close();
      resolve(Array.isArray(data) ? data.map(String) : null);
    });
    port1.start();
    worker.postMessage('files', [port2]);
  });
}

async function show(notice: Notice, { title, text }: ReturnType<NoticeText>): Promise<void> {
  const options = { body: text, tag: `tabswarm-${notice.kind}`, icon: '/icon-192.png' };
  try {
    const registration = await serviceWorkers()
      ?.getRegistration()
      .catch(() => undefined);
    // Android has only the service worker's.
    if (registration?.active != null) await registration.showNotification(title, options);
    else new Notification(title, options).addEventListener('click', () => globalThis.focus());
  } catch {
    // Switched off in the system: the page says it all anyway.
  }
}

function notificationState(): DeviceView['notifications'] {
  if (!('Notification' in globalThis) || !globalThis.isSecureContext) return 'unsupported';
  if (Notification.permission === 'denied') return 'denied';
  return Notification.permission === 'granted' && remembered() ? 'on' : 'off';
}

function remembered(): boolean {
  try {
    return localStorage.getItem(PREFERENCE) === 'on';
  } catch {
    return false;
  }
}

function remember(on: boolean): void {
  try {
    localStorage.setItem(PREFERENCE, on ? 'on' : 'off');
  } catch {
    // It is asked again on the next visit.
  }
}
