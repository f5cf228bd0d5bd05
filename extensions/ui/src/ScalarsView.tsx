import * as React from 'react';

import { Chart } from './Chart';
import { useServices } from './context';
import { formatNumber } from './format';
import { usePolled } from './hooks';
import { Notice, Skeleton, Trouble } from './parts';
import type { Series } from './types';

const INTERVAL_MS = 4000;

/** A run's numbers: single values, and a chart for each metric. */
export function ScalarsView({
  id,
  live,
  visible
}: {
  readonly id: string;
  readonly live: boolean;
  readonly visible: boolean;
}): JSX.Element {
  const { client, trans } = useServices();
  const read = React.useCallback(() => client.scalars(id), [client, id]);
  const { value, error } = usePolled(read, INTERVAL_MS, live && visible);
  const charts = React.useMemo(() => byMetric(value?.series ?? []), [value]);
  if (value === null) {
    return error ? (
      <Notice kind="error" title={trans.__('The scalars cannot be shown')}>
        {error}
      </Notice>
    ) : (
      <Skeleton rows={4} />
    );
  }
  const singles = Object.entries(value.values);
  if (charts.length === 0 && singles.length === 0) {
    return (
      <Notice title={trans.__('No scalars yet')}>
        {trans.__(
          'In the notebook: Task.init(…).get_logger().report_scalar(title, series, value, iteration)'
        )}
      </Notice>
    );
  }
  return (
    <>
      {error && <Trouble message={trans.__('Not up to date: %1', error)} />}
      {singles.length > 0 && (
        <ul className="wl-Values" aria-label={trans.__('Single values')}>
          {singles.map(([name, single]) => (
            <li key={name} className="wl-Value">
              <span className="wl-Value-name" title={name}>
                {name}
              </span>
              <span className="wl-Value-number">
                {single === null
                  ? trans.__('not a number')
                  : formatNumber(single)}
              </span>
            </li>
          ))}
        </ul>
      )}
      <div className="wl-Charts">
        {charts.map(([metric, series]) => (
          <Chart key={metric} title={metric} series={series} />
        ))}
      </div>
    </>
  );
}

function byMetric(
  series: readonly Series[]
): readonly (readonly [string, readonly Series[]])[] {
  const charts = new Map<string, Series[]>();
  for (const one of series) {
    charts.set(one.metric, [...(charts.get(one.metric) ?? []), one]);
  }
  // The machine's own figures come after what the notebook reports.
  return [...charts.entries()].sort(
    ([one], [other]) => Number(isMonitor(one)) - Number(isMonitor(other))
  );
}

function isMonitor(metric: string): boolean {
  return metric.startsWith(':monitor');
}
