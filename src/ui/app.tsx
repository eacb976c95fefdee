/** The page: header, problems, and either the first visit or the dashboard. */
import { useEffect, useMemo, useRef } from 'react';
import type { SessionActions } from '../app/state.ts';
import { type LiveModel, SessionProvider, useApp } from './context.tsx';
import { Dashboard } from './dashboard.tsx';
import { UpdateBanner } from './install.tsx';
import { Landing } from './landing.tsx';
import { Logo } from './logo.tsx';
import { Problems } from './problems.tsx';
import { Announcer } from './status.tsx';
import { SafetyNet } from './safety-net.tsx';
import type { Device } from './shell/device.ts';
import { strings } from './strings.ts';
import { throttle } from './view-store.ts';
import type { ViewStore } from './view-store.ts';

export interface AppProps {
  readonly store: ViewStore;
  readonly actions: SessionActions | null;
  readonly model?: LiveModel | null;
  readonly device?: Device | null;
}

export function App({ store, actions, model = null, device = null }: AppProps) {
  const session = useMemo(
    () => ({ store: throttle(store), actions, model, device }),
    [store, actions, model, device],
  );
  return (
    <SessionProvider value={session}>
      <a className="skip" href="#content">
        {strings.common.skip}
      </a>
      <Header />
      <main id="content" tabIndex={-1}>
        <SafetyNet onStop={actions === null ? undefined : () => actions.stop()}>
          <UpdateBanner />
          <Problems />
          <Page />
        </SafetyNet>
      </main>
      <Announcer />
    </SessionProvider>
  );
}

function Header() {
  const name = useApp((s) => s.run?.name);
  const away = useApp((s) => s.intent === 'idle' || s.control.offline);
  return (
    <header className="masthead">
      <span className="brand">
        <Logo />
        {strings.product}
      </span>
      {name !== undefined && (
        <span className="masthead-run" title={name}>
          {name}
        </span>
      )}
      {!away && <HostChip />}
    </header>
  );
}

function HostChip() {
  const host = useApp((s) => s.host);
  return (
    <span className={`chip chip-${host}`} data-testid="host-state">
      <span className="chip-mark" aria-hidden="true" />
      {strings.hosts[host]}
    </span>
  );
}

function Page() {
  const idle = useApp((s) => s.intent === 'idle');
  const shown = useRef(idle);
  useEffect(() => {
    if (shown.current === idle) return;
    shown.current = idle;
    // The button that was pressed is gone; keyboard and screen reader go on at the top of the new page.
    document.getElementById('content')?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [idle]);
  return idle ? <Landing /> : <Dashboard />;
}
