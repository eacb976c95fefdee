/** The page: header, problems, and either the first visit or the dashboard. */
import { useMemo } from 'react';
import type { SessionActions } from '../app/state.ts';
import { SessionProvider, useApp } from './context.tsx';
import { Dashboard } from './dashboard.tsx';
import { Landing } from './landing.tsx';
import { Logo } from './logo.tsx';
import { Problems } from './problems.tsx';
import { Announcer } from './status.tsx';
import { strings } from './strings.ts';
import { throttle } from './view-store.ts';
import type { ViewStore } from './view-store.ts';

export interface AppProps {
  readonly store: ViewStore;
  readonly actions: SessionActions | null;
}

export function App({ store, actions }: AppProps) {
  const session = useMemo(() => ({ store: throttle(store), actions }), [store, actions]);
  return (
    <SessionProvider value={session}>
      <a className="skip" href="#content">
        {strings.common.skip}
      </a>
      <Header />
      <main id="content" tabIndex={-1}>
        <Problems />
        <Page />
      </main>
      <Announcer />
    </SessionProvider>
  );
}

function Header() {
  const name = useApp((s) => s.run?.name);
  const idle = useApp((s) => s.intent === 'idle');
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
      {!idle && <HostChip />}
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
  return idle ? <Landing /> : <Dashboard />;
}
