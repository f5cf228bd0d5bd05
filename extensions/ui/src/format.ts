import type { Translate } from './context';
import type { Run, RunState } from './types';

/** A length of time, short: `45s`, `3m 20s`, `2h 05m`, `3d 4h`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes === 0) {
    return `${seconds}s`;
  }
  if (hours === 0) {
    return `${minutes}m ${pad(seconds % 60)}s`;
  }
  if (hours < 24) {
    return `${hours}h ${pad(minutes % 60)}m`;
  }
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** How long a run took, or has taken by `now`; empty before it starts. */
export function runDuration(run: Run, now: number): string {
  if (run.started === null || run.state === 'queued' || run.state === 'draft') {
    return '';
  }
  if (run.ended === null && run.state !== 'running') {
    return '';
  }
  return formatDuration((run.ended ?? now) - run.started);
}

/** A moment as seen from `now`: `just now`, `5 min ago`, `14:02`, `3 Nov`. */
export function formatMoment(
  moment: number,
  now: number,
  trans: Translate
): string {
  const minutes = Math.floor((now - moment) / 60_000);
  if (minutes < 1) {
    return trans.__('just now');
  }
  if (minutes < 60) {
    return trans.__('%1 min ago', minutes);
  }
  const date = new Date(moment);
  const today = new Date(now);
  if (date.toDateString() === today.toDateString()) {
    return date.toLocaleTimeString(undefined, {
      hour: '2-digit',
      minute: '2-digit'
    });
  }
  return date.toLocaleDateString(undefined, {
    day: 'numeric',
    month: 'short',
    year: date.getFullYear() === today.getFullYear() ? undefined : 'numeric'
  });
}

/** A moment in full, in the reader's zone. */
export function formatTime(moment: number): string {
  return new Date(moment).toLocaleString(undefined, {
    dateStyle: 'medium',
    timeStyle: 'medium'
  });
}

/** A size in bytes, with three digits at most: `999 B`, `1.2 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** A number for people: four digits, exponents only where they help. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e7) {
    return String(value);
  }
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e7)
    ? value.toExponential(2)
    : String(Number(value.toPrecision(4)));
}

/** The word for a state. */
export function stateLabel(
  state: RunState,
  stopping: boolean,
  trans: Translate
): string {
  if (stopping && state === 'running') {
    return trans.__('Stopping');
  }
  switch (state) {
    case 'draft':
      return trans.__('Draft');
    case 'queued':
      return trans.__('Queued');
    case 'running':
      return trans.__('Running');
    case 'completed':
      return trans.__('Completed');
    case 'failed':
      return trans.__('Failed');
    case 'aborted':
      return trans.__('Aborted');
  }
}

/** The words for a reason of the closed list; other reasons are shown as they are. */
export function reasonLabel(reason: string, trans: Translate): string {
  const labels: Record<string, string> = {
    completed: trans.__('Completed'),
    'cell-error': trans.__('A cell failed'),
    'system-exit': trans.__('A cell called exit'),
    'kernel-died': trans.__('The kernel died'),
    'out-of-memory': trans.__('Out of memory'),
    timeout: trans.__('The time limit was reached'),
    aborted: trans.__('Aborted'),
    'agent-lost': trans.__('The node was lost'),
    'kernel-missing': trans.__('The kernel is not installed'),
    'notebook-invalid': trans.__('The notebook is not valid'),
    'bundle-invalid': trans.__('The input is damaged'),
    'parameter-invalid': trans.__('A parameter is not valid'),
    'image-missing': trans.__('Its image is not to be had here'),
    'image-unfit': trans.__('Its image cannot run this job'),
    'start-failed': trans.__('The job could not start')
  };
  return labels[reason] ?? reason;
}

/** How far a running notebook is, in words; empty if not known. */
export function progressLabel(run: Run, trans: Translate): string {
  const progress = run.progress;
  if (progress === null || run.state !== 'running') {
    return '';
  }
  if (progress.cellsTotal !== null && progress.cellCurrent !== null) {
    return trans.__(
      'cell %1 of %2',
      progress.cellCurrent + 1,
      progress.cellsTotal
    );
  }
  if (progress.cellsTotal !== null) {
    const done = Math.round((progress.percent / 100) * progress.cellsTotal);
    return trans.__('%1 of %2 cells', done, progress.cellsTotal);
  }
  return `${progress.percent} %`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
