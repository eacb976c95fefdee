/** How this tab's links run, and what to do when none is direct. */
import { useApp } from './context.tsx';
import { pathStrings as t } from './strings/truth.ts';

export type PathVerdict = 'alone' | 'all-direct' | 'some-relayed' | 'none-direct';

/** What the paths of the links to other tabs amount to. */
export function judgePaths(peers: readonly { readonly path: 'direct' | 'relayed' | 'host' }[]): PathVerdict {
  const others = peers.filter(({ path }) => path !== 'host');
  const direct = others.filter(({ path }) => path === 'direct').length;
  if (others.length === 0) return 'alone';
  if (direct === others.length) return 'all-direct';
  return direct === 0 ? 'none-direct' : 'some-relayed';
}

export function PathAdvice() {
  const verdict = useApp((s) => judgePaths(s.peers));
  const relayed = useApp((s) => s.peers.filter(({ path }) => path === 'relayed').length);
  const hostless = useApp((s) => s.host === 'unreachable');
  return (
    <div className={`path-advice path-${verdict}`} data-testid="path-advice" data-verdict={verdict}>
      {verdict === 'alone' && <p>{t.alone}</p>}
      {verdict === 'all-direct' && <p>{t.allDirect}</p>}
      {verdict === 'some-relayed' && <p>{t.some(relayed)}</p>}
      {verdict === 'none-direct' && (
        <>
          <p>{t.none}</p>
          <h3>{t.noneTitle}</h3>
          <ul>
            {t.todo.map((advice) => (
              <li key={advice}>{advice}</li>
            ))}
          </ul>
        </>
      )}
      {hostless && <p>{t.hostless}</p>}
    </div>
  );
}
