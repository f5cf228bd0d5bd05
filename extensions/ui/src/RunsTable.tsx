import * as React from 'react';

import type { RunsAsked } from './catalog';
import { useServices } from './context';
import { formatMoment, reasonLabel, runDuration, stateLabel } from './format';
import { useNow } from './hooks';
import { StateIcon } from './icons';
import { Notice, ProgressBar } from './parts';
import { PlaceLink, usePages } from './places';
import { Pager, Reading } from './Reading';
import { SearchField, Choice } from './RunFilters';
import { RUN_STATES, type Run, type RunState } from './types';

const PAGE_SIZE = 50;
const INTERVAL_MS = 5000;
const COMPARED = 10;

type Filter = Pick<RunsAsked, 'mine' | 'state' | 'text' | 'page'>;

const EVERYTHING: Filter = { mine: false, state: '', text: '', page: 0 };

/** The runs of a project as a table, some of which may be chosen and compared. */
export function RunsTable({
  projectId
}: {
  readonly projectId: string;
}): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const [filter, setFilter] = React.useState(EVERYTHING);
  const [chosen, setChosen] = React.useState<readonly string[]>([]);
  const { mine, state, text, page } = filter;
  const read = React.useCallback(
    () =>
      catalog.runsOf({
        projectId,
        mine,
        state,
        text,
        page,
        pageSize: PAGE_SIZE
      }),
    [catalog, projectId, mine, state, text, page]
  );
  const change = (part: Partial<Filter>): void =>
    setFilter(old => ({ ...old, page: 0, ...part }));
  return (
    <div className="wl-RunsTable">
      <div
        className="wl-Toolbar"
        role="search"
        aria-label={trans.__('Filter runs')}
      >
        <SearchField text={text} onChange={found => change({ text: found })} />
        <Choice
          label={trans.__('State')}
          value={state}
          options={RUN_STATES.map(one => [one, stateLabel(one, false, trans)])}
          onChange={found => change({ state: found as RunState | '' })}
        />
        <label className="wl-Check">
          <input
            type="checkbox"
            checked={mine}
            onChange={event => change({ mine: event.target.checked })}
          />
          {trans.__('Only mine')}
        </label>
        <CompareButton chosen={chosen} onClear={() => setChosen([])} />
      </div>
      {/* Another question starts over: what is shown never answers an older one. */}
      <Reading
        key={JSON.stringify([projectId, filter])}
        read={read}
        everyMs={INTERVAL_MS}
        failure={trans.__('The runs cannot be shown')}
      >
        {slice => (
          <>
            {slice.items.length === 0 ? (
              <NoRuns
                filtered={mine || state !== '' || text !== '' || page > 0}
                onClear={() => setFilter(EVERYTHING)}
              />
            ) : (
              <Rows
                runs={slice.items}
                chosen={chosen}
                onChoose={setChosen}
                showProject={projectId === ''}
              />
            )}
            <Pager
              page={page}
              more={slice.more}
              onPage={next => setFilter({ ...filter, page: next })}
            />
          </>
        )}
      </Reading>
    </div>
  );
}

function CompareButton({
  chosen,
  onClear
}: {
  readonly chosen: readonly string[];
  readonly onClear: () => void;
}): JSX.Element {
  const { trans } = useServices();
  return (
    <span className="wl-Toolbar-end" aria-live="polite">
      {chosen.length >= 2 && (
        <PlaceLink
          className="wl-Button wl-mod-main"
          to={{ kind: 'compare', ids: chosen, tab: 'parameters' }}
        >
          {trans.__('Compare %1', chosen.length)}
        </PlaceLink>
      )}
      {chosen.length === 1 && (
        <span className="wl-Dim">
          {trans.__('Choose another run to compare')}
        </span>
      )}
      {chosen.length > 0 && (
        <button type="button" className="wl-Button" onClick={onClear}>
          {trans.__('Choose none')}
        </button>
      )}
    </span>
  );
}

function Rows({
  runs,
  chosen,
  onChoose,
  showProject
}: {
  readonly runs: readonly Run[];
  readonly chosen: readonly string[];
  readonly onChoose: (chosen: readonly string[]) => void;
  readonly showProject: boolean;
}): JSX.Element {
  const { trans } = useServices();
  const now = useNow(runs.some(run => run.state === 'running'));
  const toggle = (id: string): void =>
    onChoose(
      chosen.includes(id) ? chosen.filter(one => one !== id) : [...chosen, id]
    );
  return (
    <div className="wl-Cards">
      <table className="wl-Table" aria-label={trans.__('Runs')}>
        <thead>
          <tr>
            <th scope="col">
              <span className="wl-Hidden">{trans.__('Compare')}</span>
            </th>
            <th scope="col">{trans.__('Run')}</th>
            <th scope="col">{trans.__('State')}</th>
            {showProject && <th scope="col">{trans.__('Project')}</th>}
            <th scope="col">{trans.__('Started by')}</th>
            <th scope="col">{trans.__('When')}</th>
            <th scope="col">{trans.__('Duration')}</th>
          </tr>
        </thead>
        <tbody>
          {runs.map(run => (
            <tr key={run.id}>
              <td className="wl-Cards-choice">
                <input
                  type="checkbox"
                  className="wl-Checkbox"
                  aria-label={trans.__('Compare %1', run.name)}
                  checked={chosen.includes(run.id)}
                  disabled={
                    chosen.length >= COMPARED && !chosen.includes(run.id)
                  }
                  onChange={() => toggle(run.id)}
                />
              </td>
              <th scope="row">
                <PlaceLink to={{ kind: 'run', id: run.id, tab: 'overview' }}>
                  {run.name}
                </PlaceLink>
                {run.tags.length > 0 && (
                  <div className="wl-Help">{run.tags.join(', ')}</div>
                )}
              </th>
              <td data-label={trans.__('State')}>
                <RunStateCell run={run} />
              </td>
              {showProject && (
                <td data-label={trans.__('Project')}>{run.project}</td>
              )}
              <td data-label={trans.__('Started by')}>{run.owner}</td>
              <td className="wl-Number" data-label={trans.__('When')}>
                {formatMoment(run.started ?? run.created ?? now, now, trans)}
              </td>
              <td className="wl-Number" data-label={trans.__('Duration')}>
                {runDuration(run, now)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function RunStateCell({ run }: { readonly run: Run }): JSX.Element {
  const { trans } = useServices();
  return (
    <>
      <span className={`wl-StateWord wl-state-${run.state}`}>
        <StateIcon state={run.state} />
        {stateLabel(run.state, run.stopping, trans)}
      </span>
      {run.state === 'failed' && run.reason && (
        <div className="wl-Help">{reasonLabel(run.reason, trans)}</div>
      )}
      {run.state === 'running' && run.progress !== null && (
        <ProgressBar
          percent={run.progress.percent}
          label={trans.__('Progress of %1', run.name)}
        />
      )}
    </>
  );
}

function NoRuns({
  filtered,
  onClear
}: {
  readonly filtered: boolean;
  readonly onClear: () => void;
}): JSX.Element {
  const { trans } = useServices();
  return filtered ? (
    <Notice title={trans.__('No run fits the filters')}>
      <button type="button" className="wl-Button" onClick={onClear}>
        {trans.__('Clear filters')}
      </button>
    </Notice>
  ) : (
    <Notice title={trans.__('No runs yet')}>
      {trans.__(
        'What a script or a notebook reports with the ClearML SDK appears here.'
      )}
    </Notice>
  );
}
