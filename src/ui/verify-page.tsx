/**
 * The verify page: takes a certificate picture or link and says what holds. It runs in its own visit of the page, loads
 * no swarm and no GPU, and works without the host, with what the file itself proves.
 */
import { useEffect, useId, useRef, useState } from 'react';
import type { Host } from '../peer/host.ts';
import { HostClient } from '../peer/host-client.ts';
import {
  type Presented,
  type Reading,
  readLink,
  readPickedPicture,
  type Unreadable,
  type Verification,
  verifyContribution,
} from '../peer/verify-contribution.ts';
import { systemClock } from '../protocol/timer.ts';
import * as format from './format.ts';
import { FileDrop, SideMasthead, useHandedFile } from './side-page.tsx';
import { verifyStrings as t } from './strings/certificate.ts';
import { VerifyReport } from './verify-report.tsx';

type View =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'checking'; readonly checked: number; readonly of: number }
  | { readonly kind: 'unreadable'; readonly reason: Unreadable }
  | { readonly kind: 'done'; readonly found: Verification; readonly preview: string | null };

/** The page for a host's address and the part after # of the one it was opened with. */
export const openVerifyPage = (origin: string, hash: string) => (
  <VerifyPage host={new HostClient(origin, systemClock())} link={hash} />
);

/** `host`: whom to ask; `link`: the address's part after #, checked at once when it holds a claim. */
function VerifyPage({ host, link }: { readonly host: Host; readonly link: string }) {
  const [view, setView] = useState<View>({ kind: 'waiting' });
  const running = useRef<AbortController | null>(null);

  const check = async (presented: Presented, preview: string | null) => {
    running.current?.abort();
    const abort = new AbortController();
    running.current = abort;
    setView({ kind: 'checking', checked: 0, of: 0 });
    const progress = (checked: number, of: number) => setView({ kind: 'checking', checked, of });
    try {
      const found = await verifyContribution(presented, host, progress, abort.signal);
      setView({ kind: 'done', found, preview });
    } catch (error) {
      if (!abort.signal.aborted) throw error;
    }
  };
  const take = (reading: Reading, preview: string | null) => {
    if (reading.ok) void check(reading.value, preview);
    else setView({ kind: 'unreadable', reason: reading.reason });
  };
  const takeFile = async (file: File) => {
    const reading = await readPickedPicture(file);
    take(reading, reading.ok ? URL.createObjectURL(file) : null);
  };
  useEffect(() => {
    document.title = t.pageTitle;
    if (link.includes('=')) take(readLink(link), null);
    return () => running.current?.abort();
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- once, for the link the page was opened with
  }, []);

  useHandedFile((file) => void takeFile(file));
  return (
    <>
      <SideMasthead>{t.home}</SideMasthead>
      <main id="content" className="verify">
        <h1>{t.heading}</h1>
        <p className="lead">{t.lead}</p>
        <Inputs onFile={(file) => void takeFile(file)} onLink={(text) => take(readLink(text), null)} />
        <Outcome view={view} />
        <p className="hint verify-trust">{t.trust}</p>
      </main>
    </>
  );
}

interface InputsProps {
  readonly onFile: (file: File) => void;
  readonly onLink: (text: string) => void;
}

function Inputs({ onFile, onLink }: InputsProps) {
  const id = useId();
  const [text, setText] = useState('');
  return (
    <div className="verify-inputs">
      <FileDrop accept="image/png" onFile={onFile}>
        <span>
          {t.drop} <u>{t.choose}</u>
        </span>
      </FileDrop>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onLink(text);
        }}
      >
        <label htmlFor={`${id}-link`}>{t.linkLabel}</label>
        <div className="verify-link">
          <input
            id={`${id}-link`}
            className="field mono"
            value={text}
            spellCheck={false}
            autoComplete="off"
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <button type="submit" className="button" disabled={text.trim() === ''}>
            {t.checkLink}
          </button>
        </div>
      </form>
    </div>
  );
}

function Outcome({ view }: { readonly view: View }) {
  return (
    <div aria-live="polite" data-testid="verify-outcome" data-kind={view.kind}>
      {view.kind === 'checking' && (
        <p>{view.of === 0 ? t.checking : t.progress(format.count(view.checked), format.count(view.of))}</p>
      )}
      {view.kind === 'unreadable' && (
        <div className="verdict verdict-part">
          <h2>{t.notReadable}</h2>
          <p>{t.unreadable[view.reason]}</p>
        </div>
      )}
      {view.kind === 'done' && <VerifyReport found={view.found} preview={view.preview} />}
    </div>
  );
}
