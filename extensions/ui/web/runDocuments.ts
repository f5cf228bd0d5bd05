/** A task's document as the run that it stands for. Pure. */

import type {
  Artifact,
  Failure,
  Progress,
  Run,
  RunDetails,
  RunParameter,
  RunState
} from '../src';

import {
  list,
  number,
  object,
  objects,
  parsed,
  text,
  texts,
  time,
  type Json
} from './json';

export const STATES: Readonly<Record<string, RunState>> = {
  created: 'draft',
  queued: 'queued',
  in_progress: 'running',
  completed: 'completed',
  closed: 'completed',
  publishing: 'completed',
  published: 'completed',
  failed: 'failed',
  stopped: 'aborted'
};

/** ClearML's words for one of our states. */
export function statusesOf(state: RunState): string[] {
  return Object.keys(STATES).filter(status => STATES[status] === state);
}

/** What ids stand for. */
export interface Names {
  readonly user: (id: string) => string;
  readonly project: (id: string) => string;
  readonly queue: (id: string) => string;
}

export function runOf(task: Json, names: Names): Run {
  const state = STATES[text(task.status)] ?? 'draft';
  const running = state === 'running';
  const tags = texts(task.tags);
  return {
    id: text(task.id),
    name: text(task.name),
    project: names.project(text(task.project)),
    owner: names.user(text(task.user)),
    state,
    stopping: running && text(task.status_message) === 'stopping',
    reason: text(task.status_reason),
    message: text(task.status_message),
    queue: names.queue(text(object(task.execution).queue)),
    created: time(task.created),
    started: time(task.started),
    ended: running ? null : time(task.completed),
    progress: progressOf(task),
    worker: text(task.last_worker),
    tags,
    notebook: tags.includes('notebook'),
    webUrl: ''
  };
}

/** A run with all that is known of it; `ownFile` tells which links we serve. */
export function detailsOf(
  task: Json,
  names: Names,
  mayChange: boolean,
  position: number | null,
  ownFile: (link: string) => string
): RunDetails {
  return {
    ...runOf(task, names),
    mayChange,
    position,
    parameters: parametersOf(task),
    artifacts: artifactsOf(task, ownFile),
    failure: failureOf(task)
  };
}

function progressOf(task: Json): Progress | null {
  const told = number(object(task.runtime).progress);
  const index = parsed(object(object(task.configuration).waylab_live).value);
  const total = number(index.cells_total);
  const done = number(index.cells_done);
  // A notebook's cells count; what a program tells of itself is for those without.
  const percent =
    total !== null && total > 0 && done !== null
      ? Math.floor((100 * done) / total)
      : told;
  return percent === null && total === null
    ? null
    : {
        percent: Math.min(100, percent ?? 0),
        cellsTotal: total,
        cellCurrent: number(index.cell_current)
      };
}

function parametersOf(task: Json): RunParameter[] {
  const sections = Object.entries(object(task.hyperparams));
  sections.sort(
    ([one], [other]) =>
      Number(one !== 'Notebook') - Number(other !== 'Notebook')
  );
  return sections.flatMap(([section, items]) =>
    Object.entries(object(items)).map(([name, item]) => {
      const found = object(item);
      return {
        section,
        name: text(found.name) || name,
        value: text(found.value),
        type: text(found.type),
        help: text(found.description)
      };
    })
  );
}

function artifactsOf(
  task: Json,
  ownFile: (link: string) => string
): Artifact[] {
  return objects(object(task.execution).artifacts)
    .map(item => {
      const uri = text(item.uri);
      return {
        key: text(item.key),
        type: text(item.type),
        sizeBytes: number(item.content_size),
        input: item.mode === 'input',
        downloadable: ownFile(uri) !== '',
        uri: /^https?:\/\//i.test(uri) ? uri : ''
      };
    })
    .sort((one, other) => one.key.localeCompare(other.key));
}

function failureOf(task: Json): Failure | null {
  const item = object(object(task.configuration).waylab_verdict);
  const verdict = parsed(item.value);
  const trace = verdict.traceback;
  return text(verdict.reason) === '' && !trace
    ? null
    : {
        reason: text(verdict.reason) || text(task.status_reason),
        message: text(verdict.message) || text(task.status_message),
        cell: number(verdict.cell),
        ename: text(verdict.ename) || null,
        evalue: text(verdict.evalue) || null,
        traceback: Array.isArray(trace)
          ? list(trace).map(text)
          : text(trace).split('\n').filter(Boolean)
      };
}
