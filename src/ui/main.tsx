/**
 * Entry of the page. The first visit page is drawn at once from this small chunk; the session (libp2p, GPU workers)
 * is loaded after that. Loading it starts nothing: only a click does.
 */
import { messageOf } from '../protocol/errors.ts';
import { createRoot } from 'react-dom/client';
import { createAppStore } from '../app/store.ts';
import { pageBase } from '../platform/browser/served-from.ts';
import { App } from './app.tsx';
import { createDevice } from './shell/device.ts';
import { noticeText } from './strings/install.ts';
import { strings } from './strings.ts';
import './styles/index.css';

const container = document.getElementById('app');
if (container === null) throw new Error('index.html has no element #app');
const root = createRoot(container);
/** Pages that are visits of their own: one checks certificates without swarm and GPU, one validates and does not train. */
const visitOf = (hash: string): 'verify' | 'validate' | 'swarm' => {
  if (/^#verify(?:=|$)/.test(hash)) return 'verify';
  return hash === '#validate' ? 'validate' : 'swarm';
};
const visit = visitOf(location.hash);
addEventListener('hashchange', () => {
  if (visit === 'verify' || visit !== visitOf(location.hash)) location.reload();
});

if (visit === 'verify') {
  const { openVerifyPage } = await import('./verify-page.tsx');
  root.render(openVerifyPage(pageBase(), location.hash));
} else if (visit === 'validate') {
  const [{ openValidation }, { ValidatePage }] = await Promise.all([
    import('../platform/browser/page.ts'),
    import('./validate-page.tsx'),
  ]);
  root.render(<ValidatePage {...openValidation(pageBase())} />);
} else {
  const device = createDevice(noticeText);
  root.render(<App store={createAppStore()} actions={null} device={device} />);
  await startSession(device);
}

async function startSession(device: ReturnType<typeof createDevice>): Promise<void> {
  try {
    const { openSession } = await import('../platform/browser/page.ts');
    const session = openSession(pageBase());
    device.follow(session.store);
    root.render(<App store={session.store} actions={session.actions} model={session} device={device} />);
  } catch (error) {
    const store = createAppStore();
    const detail = `${strings.boot.failed} (${messageOf(error)})`;
    store.setState({ problems: [{ code: 'internal', detail, recovering: false }] });
    root.render(<App store={store} actions={null} />);
  }
}
