import * as React from 'react';

import { useServices } from './context';
import {
  formatTime,
  progressLabel,
  reasonLabel,
  runDuration,
  stateLabel
} from './format';
import { askedLabel } from './gpus';
import { useNow } from './hooks';
import { plainLines } from './logBuffer';
import { Facts, ProgressBar } from './parts';
import type { Failure, RunDetails } from './types';

/** What happened, what happens, and the facts around it. */
export function Overview({ run }: { readonly run: RunDetails }): JSX.Element {
  const { trans } = useServices();
  const now = useNow(run.state === 'running');
  const facts: readonly (readonly [string, React.ReactNode])[] = [
    [trans.__('State'), stateLabel(run.state, run.stopping, trans)],
    [trans.__('Queue'), run.queue],
    [trans.__('Project'), run.project],
    [trans.__('Started by'), run.owner],
    [trans.__('GPUs asked for'), askedLabel(run.parameters, trans)],
    [trans.__('Worker'), run.worker],
    [
      trans.__('Submitted'),
      run.created === null ? '' : formatTime(run.created)
    ],
    [trans.__('Started'), run.started === null ? '' : formatTime(run.started)],
    [trans.__('Ended'), run.ended === null ? '' : formatTime(run.ended)],
    [trans.__('Duration'), runDuration(run, now)],
    [trans.__('Tags'), run.tags.join(', ')],
    [
      trans.__('Run id'),
      <span key="id" className="wl-Code">
        {run.id}
      </span>
    ]
  ];
  return (
    <div className="wl-Overview">
      <Status run={run} />
      <Facts facts={facts} />
    </div>
  );
}

function Status({ run }: { readonly run: RunDetails }): JSX.Element | null {
  const { trans } = useServices();
  switch (run.state) {
    case 'queued':
      return (
        <div className="wl-Callout wl-Callout-queued">
          {run.position === null
            ? trans.__('Waiting in queue %1.', run.queue)
            : run.position === 1
              ? trans.__('Next in queue %1.', run.queue)
              : trans.__('Number %1 in queue %2.', run.position, run.queue)}
        </div>
      );
    case 'running': {
      const label = progressLabel(run, trans);
      return (
        <div className="wl-Callout wl-Callout-running">
          <div>
            {run.stopping
              ? trans.__('Stopping…')
              : label
                ? trans.__('Running %1', label)
                : trans.__('Running…')}
          </div>
          {run.progress !== null && (
            <ProgressBar
              percent={run.progress.percent}
              label={trans.__('Progress')}
            />
          )}
        </div>
      );
    }
    case 'failed':
    case 'aborted':
      return <Ending run={run} />;
    default:
      return null;
  }
}

function Ending({ run }: { readonly run: RunDetails }): JSX.Element | null {
  const { trans } = useServices();
  const failure = run.failure;
  const reason = failure?.reason ?? run.reason;
  const message = failure?.message ?? run.message;
  if (!reason && !message) {
    return null;
  }
  return (
    <div className={`wl-Callout wl-Callout-${run.state}`}>
      <strong>{reasonLabel(reason, trans)}</strong>
      {message && <p>{message}</p>}
      {failure !== null && <Traceback failure={failure} />}
    </div>
  );
}

function Traceback({
  failure
}: {
  readonly failure: Failure;
}): JSX.Element | null {
  const { trans } = useServices();
  if (failure.traceback.length === 0 && failure.ename === null) {
    return null;
  }
  const text =
    failure.traceback.length > 0
      ? failure.traceback.flatMap(plainLines).join('\n')
      : `${failure.ename}: ${failure.evalue ?? ''}`;
  return (
    <figure className="wl-Traceback">
      <figcaption>
        {failure.cell === null
          ? trans.__('Traceback')
          : trans.__('Traceback of cell %1', failure.cell)}
      </figcaption>
      <pre tabIndex={0}>{text}</pre>
    </figure>
  );
}
