/** One line of a list of facts: a term and what is known of it. */
import type { ReactNode } from 'react';
import * as format from './format.ts';

interface FactProps {
  readonly term: string;
  /** By which tests find the value. */
  readonly name?: string;
  /** The whole of what is shown in short. */
  readonly value?: string;
  readonly mono?: boolean;
  readonly children: ReactNode;
}

export const Fact = ({ term, name, value, mono = false, children }: FactProps) => (
  <div>
    <dt>{term}</dt>
    <dd className={mono ? 'mono' : undefined} title={value} data-testid={name} data-value={value}>
      {children ?? format.UNKNOWN}
    </dd>
  </div>
);
