/** Problems as banners: what happened, what to do, and whether Tabswarm goes on by itself. */
import type { Problem } from '../app/state.ts';
import { useApp } from './context.tsx';
import { controlStrings } from './strings/controls.ts';
import { problemAdvice, problemText } from './strings/problems.ts';
import { strings } from './strings.ts';

/** Problems that a fresh page can cure. */
const RELOAD: readonly Problem['code'][] = [
  'protocol-version',
  'bad-manifest',
  'no-adapter',
  'host-unreachable',
  'internal',
  'other-run',
  'gpu-withdrawn',
];
/** These are warnings: training goes on, or reloading helps before the next try does. */
const WARNINGS: readonly Problem['code'][] = ['key-not-kept'];

export function Problems() {
  const problems = useApp((s) => s.problems);
  // The live region stays in the page, so that a screen reader announces what appears inside it.
  return (
    <div className="problems" role="alert">
      {problems.map((problem) => (
        <Banner key={problem.code} problem={problem} />
      ))}
    </div>
  );
}

function Banner({ problem }: { readonly problem: Problem }) {
  const { title, text } = problemAdvice(problem);
  const known = problemText(problem);
  return (
    <div
      className={`banner ${problem.recovering || WARNINGS.includes(problem.code) ? 'banner-warn' : 'banner-bad'}`}
      data-testid={`problem-${problem.code}`}
    >
      <svg className="banner-icon" viewBox="0 0 24 24" aria-hidden="true">
        {problem.recovering ? (
          <path d="M12 4a8 8 0 1 0 8 8M12 7v5l3.5 2M20 3v5h-5" />
        ) : (
          <path d="M12 3.5 22 20.5H2ZM12 10v5M12 17.6v.4" />
        )}
      </svg>
      <div className="banner-text">
        <h2>
          {title}
          {problem.recovering && <span className="tag">{strings.common.recovering}</span>}
        </h2>
        {known !== '' && <p>{known}</p>}
        <p>{text}</p>
      </div>
      {problem.code === 'framed' && (
        <a className="button" href={location.href} target="_blank" rel="noopener">
          {controlStrings.openOwnTab}
        </a>
      )}
      {(!problem.recovering || problem.code === 'gpu-withdrawn') && RELOAD.includes(problem.code) && (
        <button type="button" className="button" onClick={() => location.reload()}>
          {strings.common.reload}
        </button>
      )}
    </div>
  );
}
