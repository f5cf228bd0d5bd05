import * as React from 'react';

import { useServices } from './context';
import { usePolled } from './hooks';
import { Notice, Skeleton, Trouble } from './parts';

/**
 * Shows what a reading gave, and keeps it fresh; or that it is awaited, or why it failed.
 *
 * `read` must be stable between renders.
 */
export function Reading<T>({
  read,
  everyMs,
  active = true,
  failure,
  children
}: {
  readonly read: () => Promise<T>;
  readonly everyMs: number;
  readonly active?: boolean;
  /** The title over a failure's reason. */
  readonly failure: string;
  readonly children: (value: T) => React.ReactNode;
}): JSX.Element {
  const { trans } = useServices();
  const { value, error, refresh } = usePolled(read, everyMs, active);
  if (value === null) {
    return error ? (
      <Notice kind="error" title={failure}>
        <p>{error}</p>
        <button type="button" className="wl-Button" onClick={refresh}>
          {trans.__('Try again')}
        </button>
      </Notice>
    ) : (
      <Skeleton rows={5} />
    );
  }
  return (
    <>
      {error && <Trouble message={trans.__('Not up to date: %1', error)} />}
      {children(value)}
    </>
  );
}

/** Older and newer parts of a list. */
export function Pager({
  page,
  more,
  onPage
}: {
  readonly page: number;
  readonly more: boolean;
  readonly onPage: (page: number) => void;
}): JSX.Element | null {
  const { trans } = useServices();
  if (page === 0 && !more) {
    return null;
  }
  return (
    <nav className="wl-Pager" aria-label={trans.__('Parts of the list')}>
      <button
        type="button"
        className="wl-Button"
        disabled={page === 0}
        onClick={() => onPage(page - 1)}
      >
        {trans.__('Newer')}
      </button>
      <span className="wl-Dim" aria-live="polite">
        {trans.__('Page %1', page + 1)}
      </span>
      <button
        type="button"
        className="wl-Button"
        disabled={!more}
        onClick={() => onPage(page + 1)}
      >
        {trans.__('Older')}
      </button>
    </nav>
  );
}
