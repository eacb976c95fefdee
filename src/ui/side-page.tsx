/** What the pages beside the main one share: a head that leads back to it, and a file chosen, dropped or pasted. */
import { type ReactNode, useEffect, useEffectEvent } from 'react';
import { Logo } from './logo.tsx';
import { strings } from './strings.ts';

/** `children`: the words of the link to the main page. */
export const SideMasthead = ({ children }: { readonly children: ReactNode }) => (
  <header className="masthead">
    <a className="brand" href="./">
      <Logo />
      {strings.product}
    </a>
    <a className="masthead-link" href="./">
      {children}
    </a>
  </header>
);

/** Takes a file wherever on the page it is dropped or pasted: left to itself the browser would show it. */
export function useHandedFile(onFile: (file: File) => void): void {
  const onHanded = useEffectEvent((event: DragEvent | ClipboardEvent) => {
    const data = 'dataTransfer' in event ? event.dataTransfer : event.clipboardData;
    const file = data?.files[0];
    if (file === undefined) return;
    event.preventDefault();
    onFile(file);
  });
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    document.addEventListener('paste', (event) => onHanded(event), { signal });
    document.addEventListener('drop', (event) => onHanded(event), { signal });
    document.addEventListener('dragover', (event) => event.preventDefault(), { signal });
    return () => abort.abort();
  }, []);
}

interface FileDropProps {
  /** As of an input element. */
  readonly accept: string;
  readonly onFile: (file: File) => void;
  readonly children: ReactNode;
}

/** The field that says a file may be dropped, and opens the browser's choice of files. */
export const FileDrop = ({ accept, onFile, children }: FileDropProps) => (
  <label className="verify-drop">
    {children}
    <input
      type="file"
      accept={accept}
      className="visually-hidden"
      onChange={(event) => {
        const file = event.currentTarget.files?.[0];
        if (file !== undefined) onFile(file);
        // The same file again must count as a change.
        event.currentTarget.value = '';
      }}
    />
  </label>
);
