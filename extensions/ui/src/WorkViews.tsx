import * as React from 'react';

import type { QueueLine, Worker } from './catalog';
import { Chart } from './Chart';
import { useServices } from './context';
import { formatMoment } from './format';
import { useNow } from './hooks';
import { Notice, Table } from './parts';
import { PlaceLink, usePages } from './places';
import { Reading } from './Reading';

const INTERVAL_MS = 4000;
const FIGURES_MS = 15_000;

/** Every queue with what waits in it, in the order in which it is taken. */
export function QueuesView(): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const read = React.useCallback(() => catalog.queueLines(), [catalog]);
  return (
    <>
      <h1>{trans.__('Queues')}</h1>
      <Reading
        read={read}
        everyMs={INTERVAL_MS}
        failure={trans.__('The queues cannot be shown')}
      >
        {queues =>
          queues.map(queue => <QueueSection key={queue.id} queue={queue} />)
        }
      </Reading>
    </>
  );
}

function QueueSection({ queue }: { readonly queue: QueueLine }): JSX.Element {
  const { trans } = useServices();
  const now = useNow(queue.entries.length > 0);
  return (
    <section className="wl-Section">
      <h2>{queue.name}</h2>
      <p className="wl-Dim">
        {queue.workers.length > 0
          ? trans.__('Served by %1', queue.workers.join(', '))
          : trans.__('No worker serves it now.')}
      </p>
      {queue.entries.length === 0 ? (
        <p className="wl-Dim">{trans.__('Nothing waits.')}</p>
      ) : (
        <div className="wl-Cards">
          <Table
            label={trans.__('Waiting in %1', queue.name)}
            columns={[
              trans.__('Place'),
              trans.__('Run'),
              trans.__('Started by'),
              trans.__('Since')
            ]}
          >
            {queue.entries.map((entry, index) => (
              <tr key={entry.run.id}>
                <td className="wl-Number" data-label={trans.__('Place')}>
                  {index + 1}
                </td>
                <th scope="row">
                  <PlaceLink
                    to={{ kind: 'run', id: entry.run.id, tab: 'overview' }}
                  >
                    {entry.run.name}
                  </PlaceLink>
                </th>
                <td data-label={trans.__('Started by')}>{entry.owner}</td>
                <td className="wl-Number" data-label={trans.__('Since')}>
                  {entry.since === null
                    ? ''
                    : formatMoment(entry.since, now, trans)}
                </td>
              </tr>
            ))}
          </Table>
        </div>
      )}
    </section>
  );
}

/** Who works: what each does now, and what its machine did lately. */
export function WorkersView(): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const read = React.useCallback(() => catalog.workers(), [catalog]);
  return (
    <>
      <h1>{trans.__('Workers')}</h1>
      <Reading
        read={read}
        everyMs={INTERVAL_MS}
        failure={trans.__('The workers cannot be shown')}
      >
        {workers =>
          workers.length === 0 ? (
            <Notice title={trans.__('No worker is here')}>
              {trans.__('Agents appear as soon as they report.')}
            </Notice>
          ) : (
            workers.map(worker => (
              <WorkerSection key={worker.id} worker={worker} />
            ))
          )
        }
      </Reading>
    </>
  );
}

function WorkerSection({ worker }: { readonly worker: Worker }): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const now = useNow(true);
  const read = React.useCallback(
    () => catalog.workerFigures(worker.id),
    [catalog, worker.id]
  );
  return (
    <section className="wl-Section">
      <h2>{worker.id}</h2>
      <p>
        {worker.run === null ? (
          <span className="wl-Dim">{trans.__('Idle.')}</span>
        ) : (
          <>
            {trans.__('Runs')}{' '}
            <PlaceLink to={{ kind: 'run', id: worker.run.id, tab: 'overview' }}>
              {worker.run.name}
            </PlaceLink>
            {worker.iteration > 0 &&
              trans.__(', iteration %1', worker.iteration)}
          </>
        )}
      </p>
      <p className="wl-Dim">
        {[
          worker.queues.length > 0
            ? trans.__(
                'Serves %1',
                worker.queues.map(queue => queue.name).join(', ')
              )
            : '',
          worker.lastSeen === null
            ? ''
            : trans.__('heard of %1', formatMoment(worker.lastSeen, now, trans))
        ]
          .filter(Boolean)
          .join(' · ')}
      </p>
      <Reading
        read={read}
        everyMs={FIGURES_MS}
        failure={trans.__('Its figures cannot be shown')}
      >
        {figures =>
          figures.length > 0 && (
            <div className="wl-Charts">
              {[...new Set(figures.map(one => one.metric))].map(metric => (
                <Chart
                  key={metric}
                  title={figureLabel(metric, trans)}
                  series={figures
                    .filter(one => one.metric === metric)
                    .map(one => ({
                      metric,
                      variant: one.variant || worker.id,
                      // Minutes before now: a time axis needs no dates.
                      x: one.times.map(time => (time - now) / 60_000),
                      y: one.values
                    }))}
                />
              ))}
            </div>
          )
        }
      </Reading>
    </section>
  );
}

function figureLabel(
  metric: string,
  trans: ReturnType<typeof useServices>['trans']
): string {
  const labels: Record<string, string> = {
    cpu_usage: trans.__('CPU, %'),
    gpu_usage: trans.__('GPU, %'),
    memory_used: trans.__('Memory used'),
    gpu_memory_used: trans.__('GPU memory used')
  };
  return trans.__('%1 (minutes from now)', labels[metric] ?? metric);
}
