/**
 * One shape for every table: a caption, a region that can be scrolled by keyboard, badges. On a phone a `stack`ed
 * table shows each row as a small card; the roles are spelt out because changing `display` can take them away.
 */
/* oxlint-disable jsx-a11y/no-redundant-roles, jsx-a11y/no-interactive-element-to-noninteractive-role -- see above:
   the cards' `display: grid` drops the elements' own roles in some browsers */
import { type ComponentProps, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import type { LinkPath } from '../swarm/types.ts';
import { strings } from './strings.ts';

export interface Column {
  readonly label: string;
  readonly number?: boolean;
}

interface TableProps {
  readonly caption: string;
  readonly hideCaption?: boolean;
  readonly columns: readonly Column[];
  readonly className?: string;
  readonly children: ReactNode;
}

export function Table({ caption, hideCaption = false, columns, className, children }: TableProps) {
  const id = useId();
  const [region, scrolls] = useScrolls();
  return (
    // A region that scrolls must be reachable by keyboard (WCAG 2.1.1); one that does not is no stop on the way.
    <div
      className="scroll"
      ref={region}
      {...(scrolls && { role: 'region', 'aria-labelledby': id, tabIndex: 0 })}
    >
      <table role="table" className={className}>
        <caption id={id} className={hideCaption ? 'visually-hidden' : undefined}>
          {caption}
        </caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ label, number = false }) => (
              <th key={label} role="columnheader" scope="col" className={number ? 'number' : undefined}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">{children}</tbody>
      </table>
    </div>
  );
}

/** Whether an element's content is larger than itself, kept up to date. */
function useScrolls() {
  const ref = useRef<HTMLDivElement>(null);
  const [scrolls, setScrolls] = useState(false);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const observer = new ResizeObserver(() =>
      setScrolls(element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight),
    );
    observer.observe(element);
    if (element.firstElementChild !== null) observer.observe(element.firstElementChild);
    return () => observer.disconnect();
  }, []);
  return [ref, scrolls] as const;
}

export const Row = (props: ComponentProps<'tr'>) => <tr role="row" {...props} />;

interface CellProps extends ComponentProps<'td'> {
  /** The column's name, shown above the value where rows are cards. */
  readonly label?: string;
  readonly number?: boolean;
  readonly 'data-value'?: string | number;
}

export function Cell({ label, number = false, className = '', ...rest }: CellProps) {
  return (
    <td
      role="cell"
      data-label={label}
      className={`${number ? 'number' : ''} ${className}`.trim() || undefined}
      {...rest}
    />
  );
}

/** The cell that names its row. */
export function HeadCell({ label, number = false, className = '', ...rest }: CellProps) {
  return (
    <th
      role="rowheader"
      scope="row"
      data-label={label}
      className={`${number ? 'number' : ''} ${className}`.trim() || undefined}
      {...rest}
    />
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
