/** Makes a certificate of what this key gave, and hands it over as a file, a link or to the system's share sheet. */
import { useEffect, useState } from 'react';
import type { SignedContribution } from '../app/contributions.ts';
import { verifyLink } from '../peer/verify-contribution.ts';
import { pageBase } from '../platform/browser/served-from.ts';
import { messageOf } from '../protocol/errors.ts';
import { drawCertificate, HEIGHT, WIDTH } from './certificate-picture.ts';
import { useActions, useApp } from './context.tsx';
import * as format from './format.ts';
import { certificateStrings as t } from './strings/certificate.ts';

interface Made {
  readonly file: File;
  readonly url: string;
  readonly link: string;
  readonly alt: string;
}

export function Certificate() {
  const accepted = useApp((s) => s.totals.accepted);
  const actions = useActions();
  const [made, setMade] = useState<Made | null>(null);
  const [working, setWorking] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => () => URL.revokeObjectURL(made?.url ?? ''), [made]);

  const make = async () => {
    setWorking(true);
    setProblem(null);
    try {
      const draft = (await actions?.contribution()) ?? null;
      if (draft === null) throw new Error(t.stopped);
      const signed = await draft.finish(await drawCertificate(draft, pageBase().replace(/^https?:\/\//, '')));
      setMade(
        handOver(
          signed,
          draft.contributor,
          t.alt(format.credits(draft.credits), format.count(draft.accepted), draft.runName),
        ),
      );
    } catch (error) {
      setProblem(messageOf(error));
    }
    setWorking(false);
  };

  return (
    <section className="block certificate" aria-labelledby="certificate-heading" data-testid="certificate">
      <h2 id="certificate-heading">{t.heading}</h2>
      <p className="hint">{accepted === 0 ? t.none : t.hint}</p>
      {problem !== null && <p role="alert">{t.failed(problem)}</p>}
      {made !== null && <Handover made={made} />}
      <div className="certificate-buttons">
        {accepted > 0 && (
          <button
            type="button"
            className="button button-small"
            disabled={working}
            onClick={() => void make()}
          >
            {working ? t.making : made === null ? t.make : t.again}
          </button>
        )}
        <a className="certificate-check" href="./#verify" target="_blank" rel="noreferrer">
          {t.check}
        </a>
      </div>
    </section>
  );
}

function handOver({ file, claim }: SignedContribution, contributor: string, alt: string): Made {
  const png = new File([file], t.fileName(contributor.slice(0, 8)), { type: 'image/png' });
  return { file: png, url: URL.createObjectURL(png), link: verifyLink(pageBase(), claim), alt };
}

function Handover({ made }: { readonly made: Made }) {
  const [said, setSaid] = useState('');
  const [shown, setShown] = useState(false);
  const shareable = 'canShare' in navigator && navigator.canShare({ files: [made.file] });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(made.link);
      setSaid(t.copied);
    } catch {
      setSaid(t.notCopied);
      setShown(true);
    }
  };
  return (
    <>
      <img src={made.url} alt={made.alt} width={WIDTH} height={HEIGHT} data-testid="certificate-picture" />
      <div className="certificate-buttons">
        <a className="button button-small" href={made.url} download={made.file.name}>
          {t.save}
        </a>
        <button type="button" className="button button-small" onClick={() => void copy()}>
          {t.copy}
        </button>
        {shareable && (
          <button
            type="button"
            className="button button-small"
            onClick={() => void navigator.share({ files: [made.file] }).catch(() => {})}
          >
            {t.share}
          </button>
        )}
      </div>
      <output className="hint">{said}</output>
      {shown && (
        <p className="mono certificate-link">
          <a href={made.link} target="_blank" rel="noreferrer" data-testid="verify-link">
            {made.link}
          </a>
        </p>
      )}
      <p className="hint">{t.advice}</p>
    </>
  );
}
