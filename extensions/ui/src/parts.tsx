import * as React from 'react';

import { useServices } from './context';
import { stateLabel } from './format';
import { StateIcon } from './icons';
import type { Run } from './types';

/** A state as icon and word. */
export function StateChip({ run }: { readonly run: Run }): JSX.Element {
  const { trans } = useServices();
  return (
    <span className={`wl-Chip wl-state-${run.state}`}>
      <StateIcon state={run.state} />
      {stateLabel(run.state, run.stopping, trans)}
    </span>
  );
}

/** How far a run is, as a thin bar. */
export function ProgressBar({
  percent,
  label
}: {
  readonly percent: number;
  readonly label: string;
}): JSX.Element {
  const width = Math.min(100, Math.max(0, percent));
  return (
    <div
      className="wl-Progress"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={width}
    >
      <div className="wl-Progress-done" style={{ width: `${width}%` }} />
    </div>
  );
}

/** A place where nothing is shown, and why. */
export function Notice({
  title,
  children,
  kind = 'empty'
}: {
  readonly title: string;
  readonly children?: React.ReactNode;
  readonly kind?: 'empty' | 'error';
}): JSX.Element {
  return (
    <div
      className={`wl-Notice wl-Notice-${kind}`}
      role={kind === 'error' ? 'alert' : 'status'}
    >
      <p className="wl-Notice-title">{title}</p>
      {children && <div className="wl-Notice-text">{children}</div>}
    </div>
  );
}

/** A thin line that tells of trouble while older content stays. */
export function Trouble({
  message
}: {
  readonly message: string;
}): JSX.Element {
  return (
    <div className="wl-Trouble" role="status" title={message}>
      {message}
    </div>
  );
}

/** Grey shapes where rows will be. */
export function Skeleton({ rows }: { readonly rows: number }): JSX.Element {
  const { trans } = useServices();
  return (
    <div className="wl-Skeleton" role="status" aria-label={trans.__('Loading')}>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className="wl-Skeleton-row" />
      ))}
    </div>
  );
}

/** A plain table with a heading row. */
export function Table({
  label,
  columns,
  children
}: {
  readonly label: string;
  readonly columns: readonly string[];
  readonly children: React.ReactNode;
}): JSX.Element {
  return (
    <table className="wl-Table" aria-label={label}>
      <thead>
        <tr>
          {columns.map(column => (
            <th key={column} scope="col">
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

/** Names and values; what has no value is left out. */
export function Facts({
  facts
}: {
  readonly facts: readonly (readonly [string, React.ReactNode])[];
}): JSX.Element {
  return (
    <dl className="wl-Facts">
      {facts
        .filter(([, value]) => value !== '')
        .map(([label, value]) => (
          <div key={label} className="wl-Facts-item">
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
