/** One shape for every table: a caption, a region that can be scrolled by keyboard on a narrow screen, badges. */
import type { ReactNode } from 'react';
import { useId } from 'react';
import type { LinkPath } from '../swarm/types.ts';
import { strings } from './strings.ts';

export type Column =
  | string
  | { readonly label: string; readonly number?: boolean; readonly className?: string };

interface TableProps {
  readonly caption: string;
  readonly hideCaption?: boolean;
  readonly columns: readonly Column[];
  readonly className?: string;
  readonly children: ReactNode;
}

export function Table({ caption, hideCaption = false, columns, className, children }: TableProps) {
  const id = useId();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard (WCAG 2.1.1)
    <div className="scroll" role="region" aria-labelledby={id} tabIndex={0}>
      <table className={className}>
        <caption id={id} className={hideCaption ? 'visually-hidden' : undefined}>
          {caption}
        </caption>
        <thead>
          <tr>
            {columns.map((column) => {
              const {
                label,
                number = false,
                className: extra = '',
              } = typeof column === 'string' ? { label: column } : column;
              return (
                <th
                  key={label}
                  scope="col"
                  className={`${number ? 'number' : ''} ${extra}`.trim() || undefined}
                >
                  {label}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

export function PathBadge({ path }: { readonly path: LinkPath }) {
  const { title, text } = strings.paths[path];
  return (
    <span className={`badge badge-${path}`} title={text}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        {path === 'direct' && <path d="M2 8h12M10.5 4.5 14 8l-3.5 3.5" />}
        {path === 'relayed' && <path d="M2 11.5 8 5l6 6.5" />}
        {path === 'host' && <path d="M3 3h10v4H3zM3 9h10v4H3z" />}
      </svg>
      {title}
    </span>
  );
}
