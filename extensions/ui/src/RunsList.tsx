import * as React from 'react';

import { useServices } from './context';
import { RunFilters } from './RunFilters';
import { RunRow } from './RunRow';
import { useNow, useWindow } from './hooks';
import {
  NO_FILTER,
  type RunListModel,
  type RunListSnapshot
} from './listModel';
import { Notice, Skeleton, Trouble } from './parts';
import type { Run } from './types';

const ROW_HEIGHT = 52;

/** The list of runs with its filters. The owner of the model keeps it fresh. */
export function RunsList({
  model
}: {
  readonly model: RunListModel;
}): JSX.Element {
  const { trans } = useServices();
  const list = React.useSyncExternalStore(model.subscribe, model.getSnapshot);
  return (
    <div className="wl-Runs">
      <RunFilters model={model} filter={list.filter} />
      {list.status === 'stale' && (
        <Trouble message={trans.__('Not up to date: %1', list.error)} />
      )}
      <Rows model={model} list={list} />
      <div className="wl-Runs-count" aria-live="polite">
        {list.status !== 'loading' && list.total > 0
          ? trans._n('%1 run', '%1 runs', list.total, list.total)
          : ''}
      </div>
    </div>
  );
}

function Rows({
  model,
  list
}: {
  readonly model: RunListModel;
  readonly list: RunListSnapshot;
}): JSX.Element {
  const { trans, actions } = useServices();
  const view = useWindow(list.total, ROW_HEIGHT);
  const [active, setActive] = React.useState(0);
  const listId = React.useId();
  const moving = [...list.pages.values()].some(page =>
    page.some(run => run.state === 'running')
  );
  const now = useNow(moving);
  React.useEffect(() => {
    void model.setView(view.first, Math.max(view.first, view.last));
  }, [model, view.first, view.last, list.status]);
  React.useEffect(() => {
    setActive(0);
    if (view.ref.current !== null) {
      view.ref.current.scrollTop = 0;
    }
  }, [list.filter, view.ref]);

  const go = (index: number): void => {
    const next = Math.min(list.total - 1, Math.max(0, index));
    setActive(next);
    reveal(view.ref.current, next);
  };
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const page = Math.max(
      1,
      Math.floor((view.ref.current?.clientHeight ?? 0) / ROW_HEIGHT) - 1
    );
    const target: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: list.total - 1
    };
    const run = model.row(active);
    if (event.key in target) {
      go(target[event.key]);
    } else if ((event.key === 'Enter' || event.key === ' ') && run) {
      actions.openRun(run);
    } else {
      return;
    }
    event.preventDefault();
  };

  const rows: JSX.Element[] = [];
  for (let index = view.first; index <= view.last; index++) {
    const run = model.row(index);
    rows.push(
      <RunRow
        key={run?.id ?? `row-${index}`}
        id={`${listId}-${index}`}
        run={run}
        index={index}
        total={list.total}
        top={index * ROW_HEIGHT}
        height={ROW_HEIGHT}
        active={index === active}
        showOwner={!list.filter.mine}
        now={now}
        onOpen={(chosen: Run) => {
          setActive(index);
          actions.openRun(chosen);
        }}
      />
    );
  }
  const shown = list.status === 'ready' || list.status === 'stale';
  return (
    <div className="wl-Runs-scroll" ref={view.ref} onScroll={view.onScroll}>
      {list.status === 'loading' && <Skeleton rows={6} />}
      {list.status === 'error' && (
        <Notice kind="error" title={trans.__('The runs cannot be shown')}>
          <p>{list.error}</p>
          <button
            type="button"
            className="wl-Button"
            onClick={() => void model.setFilter({})}
          >
            {trans.__('Try again')}
          </button>
        </Notice>
      )}
      {shown && list.total === 0 && <NoRuns list={list} model={model} />}
      {shown && list.total > 0 && (
        <div
          className="wl-Runs-rows"
          role="listbox"
          aria-label={trans.__('Runs')}
          aria-activedescendant={`${listId}-${active}`}
          tabIndex={0}
          onKeyDown={onKeyDown}
          style={{ height: list.total * ROW_HEIGHT }}
        >
          {rows}
        </div>
      )}
    </div>
  );
}

function NoRuns({
  list,
  model
}: {
  readonly list: RunListSnapshot;
  readonly model: RunListModel;
}): JSX.Element {
  const { trans } = useServices();
  const { project, queue, state, text, mine } = list.filter;
  if (project || queue || state || text) {
    return (
      <Notice title={trans.__('No run fits the filters')}>
        <button
          type="button"
          className="wl-Button"
          onClick={() => void model.setFilter({ ...NO_FILTER, mine })}
        >
          {trans.__('Clear filters')}
        </button>
      </Notice>
    );
  }
  return (
    <Notice title={trans.__('No runs yet')}>
      {trans.__(
        'Open a notebook and choose “Run remotely…” in its toolbar. The run then appears here, and goes on when you close the browser.'
      )}
    </Notice>
  );
}

function reveal(node: HTMLElement | null, index: number): void {
  if (node === null) {
    return;
  }
  const top = index * ROW_HEIGHT;
  if (top < node.scrollTop) {
    node.scrollTop = top;
  } else if (top + ROW_HEIGHT > node.scrollTop + node.clientHeight) {
    node.scrollTop = top + ROW_HEIGHT - node.clientHeight;
  }
}
