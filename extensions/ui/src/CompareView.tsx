import * as React from 'react';

import { Chart } from './Chart';
import { distinct, metricTable, overlaid, parameterDiff } from './compare';
import { useServices } from './context';
import { formatNumber } from './format';
import { Notice, StateChip } from './parts';
import { PlaceLink, usePages, type CompareTab } from './places';
import { Reading } from './Reading';
import { TabBar } from './TabBar';
import type { RunDetails, Scalars } from './types';

const INTERVAL_MS = 8000;

interface Compared {
  readonly runs: readonly RunDetails[];
  readonly scalars: readonly Scalars[];
  readonly names: readonly string[];
}

/** Runs side by side: what they were given, what came out, and their curves. */
export function CompareView({
  ids,
  tab
}: {
  readonly ids: readonly string[];
  readonly tab: CompareTab;
}): JSX.Element {
  const { client, trans } = useServices();
  const { go } = usePages();
  const key = ids.join(',');
  const [live, setLive] = React.useState(true);
  const read = React.useCallback(async (): Promise<Compared> => {
    const wanted = key.split(',').filter(Boolean);
    const [runs, scalars] = await Promise.all([
      Promise.all(wanted.map(id => client.getRun(id))),
      Promise.all(wanted.map(id => client.scalars(id)))
    ]);
    setLive(
      runs.some(run => run.state === 'running' || run.state === 'queued')
    );
    return { runs, scalars, names: distinct(runs.map(run => run.name)) };
  }, [client, key]);
  if (ids.length < 2) {
    return (
      <Notice title={trans.__('Nothing to compare')}>
        {trans.__('Choose two runs or more in a list of runs.')}
      </Notice>
    );
  }
  return (
    <>
      <h1>{trans.__('Compare %1 runs', ids.length)}</h1>
      <TabBar
        label={trans.__('What to compare')}
        tabs={[
          ['parameters', trans.__('Parameters')],
          ['metrics', trans.__('Metrics')],
          ['scalars', trans.__('Scalars')]
        ]}
        current={tab}
        onChoose={next => go({ kind: 'compare', ids, tab: next })}
      >
        <Reading
          read={read}
          everyMs={INTERVAL_MS}
          active={live}
          failure={trans.__('The runs cannot be compared')}
        >
          {compared => {
            switch (tab) {
              case 'parameters':
                return <ParameterDiff {...compared} />;
              case 'metrics':
                return <MetricTable {...compared} />;
              case 'scalars':
                return <Overlay {...compared} />;
            }
          }}
        </Reading>
      </TabBar>
    </>
  );
}

function SideBySide({
  compared,
  label,
  children
}: {
  readonly compared: Compared;
  readonly label: string;
  readonly children: React.ReactNode;
}): JSX.Element {
  const { trans } = useServices();
  return (
    <div className="wl-Scroll" tabIndex={0} role="region" aria-label={label}>
      <table className="wl-Table wl-Compare" aria-label={label}>
        <thead>
          <tr>
            <th scope="col">{trans.__('Name')}</th>
            {compared.runs.map((run, index) => (
              <th key={run.id} scope="col">
                <div className="wl-Clamped" title={compared.names[index]}>
                  <PlaceLink to={{ kind: 'run', id: run.id, tab: 'overview' }}>
                    {compared.names[index]}
                  </PlaceLink>
                </div>
                <div>
                  <StateChip run={run} />
                </div>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

function ParameterDiff(compared: Compared): JSX.Element {
  const { trans } = useServices();
  const [all, setAll] = React.useState(false);
  const rows = parameterDiff(compared.runs);
  const differing = rows.filter(row => row.differs);
  const shown = all ? rows : differing;
  return (
    <>
      {rows.length > differing.length && (
        <label className="wl-Check">
          <input
            type="checkbox"
            checked={all}
            onChange={event => setAll(event.target.checked)}
          />
          {trans.__(
            'Also the %1 that are the same',
            rows.length - differing.length
          )}
        </label>
      )}
      <SideBySide compared={compared} label={trans.__('Parameters')}>
        {shown.length === 0 && (
          <tr>
            <td colSpan={compared.runs.length + 1} className="wl-Dim">
              {trans.__('No parameter differs.')}
            </td>
          </tr>
        )}
        {shown.map(row => (
          <tr
            key={`${row.section}\n${row.name}`}
            className={row.differs ? 'wl-mod-differs' : ''}
          >
            <th scope="row">
              {row.name}
              <div className="wl-Help">{row.section}</div>
            </th>
            {row.values.map((value, index) => (
              <td key={index} className="wl-Code">
                {value ?? <span className="wl-Dim">{trans.__('not set')}</span>}
              </td>
            ))}
          </tr>
        ))}
      </SideBySide>
    </>
  );
}

function MetricTable(compared: Compared): JSX.Element {
  const { trans } = useServices();
  const rows = metricTable(compared.scalars);
  return (
    <SideBySide compared={compared} label={trans.__('Metrics, last values')}>
      {rows.length === 0 && (
        <tr>
          <td colSpan={compared.runs.length + 1} className="wl-Dim">
            {trans.__('No run has reported a metric.')}
          </td>
        </tr>
      )}
      {rows.map(row => {
        const numbers = row.values.filter(
          (value): value is number => value !== null
        );
        const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
        return (
          <tr key={`${row.metric}\n${row.variant}`}>
            <th scope="row">
              {row.metric}
              {row.variant && <div className="wl-Help">{row.variant}</div>}
            </th>
            {row.values.map((value, index) => (
              <td key={index} className="wl-Number">
                {value === null ? '' : formatNumber(value)}
                {value !== null && low < high && value === low && (
                  <span className="wl-Dim"> {trans.__('lowest')}</span>
                )}
                {value !== null && low < high && value === high && (
                  <span className="wl-Dim"> {trans.__('highest')}</span>
                )}
              </td>
            ))}
          </tr>
        );
      })}
    </SideBySide>
  );
}

function Overlay({ names, scalars }: Compared): JSX.Element {
  const { trans } = useServices();
  const charts = overlaid(names, scalars);
  return charts.length === 0 ? (
    <Notice title={trans.__('No run has curves')} />
  ) : (
    <div className="wl-Charts">
      {charts.map(([title, series]) => (
        <Chart key={title} title={title} series={series} />
      ))}
    </div>
  );
}
