import * as React from 'react';

import { useServices } from './context';
import {
  formatMoment,
  progressLabel,
  reasonLabel,
  runDuration,
  stateLabel
} from './format';
import { StateIcon } from './icons';
import { ProgressBar } from './parts';
import type { Run } from './types';

interface RowProps {
  readonly id: string;
  /** Undefined while it is being fetched. */
  readonly run: Run | undefined;
  readonly index: number;
  readonly total: number;
  readonly top: number;
  readonly height: number;
  readonly active: boolean;
  readonly showOwner: boolean;
  readonly now: number;
  readonly onOpen: (run: Run) => void;
}

/** One run in the list. */
export function RunRow(props: RowProps): JSX.Element {
  const { trans } = useServices();
  const { run, now } = props;
  const place = {
    transform: `translateY(${props.top}px)`,
    height: props.height
  };
  if (run === undefined) {
    return <div className="wl-Row wl-Row-missing" style={place} aria-hidden />;
  }
  const state = stateLabel(run.state, run.stopping, trans);
  const facts = [
    detailOf(run, now, trans),
    props.showOwner ? run.owner : '',
    run.queue,
    run.project
  ].filter(fact => fact !== '');
  return (
    <div
      id={props.id}
      className={`wl-Row ${props.active ? 'wl-mod-active' : ''}`}
      style={place}
      role="option"
      aria-selected={props.active}
      aria-setsize={props.total}
      aria-posinset={props.index + 1}
      aria-label={[run.name, state, ...facts].join(', ')}
      title={`${run.name}\n${state} · ${facts.join(' · ')}`}
      onClick={() => props.onOpen(run)}
    >
      <StateIcon state={run.state} />
      <div className="wl-Row-text">
        <div className="wl-Row-line">
          <span className="wl-Row-name">{run.name}</span>
          <span className="wl-Row-duration">{runDuration(run, now)}</span>
        </div>
        <div className="wl-Row-facts">{facts.join(' · ')}</div>
      </div>
      {run.state === 'running' && run.progress !== null && (
        <ProgressBar
          percent={run.progress.percent}
          label={trans.__('Progress of %1', run.name)}
        />
      )}
    </div>
  );
}

/** The one thing about a run that its reader wants to know first. */
function detailOf(
  run: Run,
  now: number,
  trans: ReturnType<typeof useServices>['trans']
): string {
  if (run.stopping && run.state === 'running') {
    return trans.__('stopping');
  }
  const progress = progressLabel(run, trans);
  if (progress) {
    return progress;
  }
  if (run.state === 'failed' && run.reason) {
    return reasonLabel(run.reason, trans);
  }
  const moment = run.ended ?? run.started ?? run.created;
  return moment === null ? '' : formatMoment(moment, now, trans);
}
