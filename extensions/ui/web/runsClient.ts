import {
  RequestError,
  type LogPage,
  type Queue,
  type RunDetails,
  type RunPage,
  type RunQuery,
  type RunsClient,
  type Scalars,
  type Series
} from '../src';

import type { Api } from './api';
import type { Directory } from './directory';
import { list, number, object, objects, text, time, type Json } from './json';
import { detailsOf, runOf, statusesOf } from './runDocuments';

/** What lists of runs ask for of each. */
export const LIST_FIELDS = [
  'id',
  'name',
  'project',
  'user',
  'status',
  'status_reason',
  'status_message',
  'created',
  'started',
  'completed',
  'tags',
  'execution.queue',
  'last_worker',
  'runtime.progress',
  'configuration.waylab_live'
];
const LOG_BATCH = 2000;
/** Older lines of a long log are left out: a phone would read for minutes. */
const LOG_TAIL = 20_000;
const CURVE_POINTS = 600;
const SHOWN = /\.(?:png|jpe?g|gif|webp|svg|html|json|txt|log|csv|md|yaml)$/i;

/** Runs as the views want them, from the ClearML API of this server. */
export class TrackingRuns implements RunsClient {
  constructor(
    private readonly api: Api,
    private readonly directory: Directory
  ) {}

  async listQueues(): Promise<readonly Queue[]> {
    const queues = await this.directory.read('queues');
    return queues.map(queue => ({
      id: text(queue.id),
      name: text(queue.name),
      length: list(queue.entries).length,
      slots: 0,
      freeSlots: 0,
      defaultGpus: 0,
      cpuSlots: 0,
      gpus: [],
      nodes: []
    }));
  }

  async listProjects(): Promise<readonly string[]> {
    const projects = await this.directory.read('projects');
    return projects.map(one => text(one.name));
  }

  async listRuns(query: RunQuery): Promise<RunPage> {
    const [me, names, projects] = await Promise.all([
      this.directory.me(),
      this.directory.names(),
      this.directory.read('projects')
    ]);
    const project = projects.find(one => text(one.name) === query.project);
    const found = await this.api.call('tasks.get_all_ex', {
      ...(query.project ? { project: [text(project?.id)] } : {}),
      ...runsFilter(query, text(me.id)),
      page: query.page,
      page_size: query.pageSize,
      order_by: ['-created'],
      only_fields: LIST_FIELDS
    });
    const runs = objects(found.tasks).map(task => runOf(task, names));
    return { runs, total: query.page * query.pageSize + runs.length };
  }

  async getRun(id: string): Promise<RunDetails> {
    const [found, me, names, queues] = await Promise.all([
      this.api.call('tasks.get_by_id_ex', { task: id }),
      this.directory.me(),
      this.directory.names(),
      this.directory.read('queues')
    ]);
    const task = object(found.task);
    const position =
      text(task.status) === 'queued' ? placeIn(queues, task) : null;
    const mayChange =
      text(task.user) === text(me.id) || text(me.role) === 'admin';
    this._files.set(
      id,
      filesOf(task, link => this.api.ownFile(link))
    );
    return detailsOf(task, names, mayChange, position, link =>
      this.api.ownFile(link)
    );
  }

  async readLog(id: string, after: string | null): Promise<LogPage> {
    const ask = (scroll: string | null): Promise<Json> =>
      this.api.call('events.get_task_events', {
        task: id,
        event_type: 'log',
        order: 'asc',
        batch_size: LOG_BATCH,
        ...(scroll === null ? {} : { scroll_id: scroll })
      });
    let found = await ask(after);
    const total = number(found.total) ?? 0;
    const skipped = after === null ? total - LOG_TAIL : 0;
    if (skipped > 0) {
      // Lines are numbered from 0: the cursor is the number of the last one read.
      found = await ask(String(skipped - 1));
    }
    const lines = objects(found.events).map(event => ({
      time: time(event.timestamp),
      text: text(event.msg),
      level: text(event.level)
    }));
    const note = `… ${skipped} earlier messages are not shown …`;
    return {
      lines:
        skipped > 0 ? [{ time: null, text: note, level: '' }, ...lines] : lines,
      cursor: text(found.scroll_id),
      complete: lines.length < LOG_BATCH
    };
  }

  async scalars(id: string): Promise<Scalars> {
    const [curves, singles] = await Promise.all([
      this.api.call('events.scalar_metrics_iter_histogram', {
        task: id,
        samples: CURVE_POINTS
      }),
      this.api.call('events.get_task_single_value_metrics', { tasks: [id] })
    ]);
    const series: Series[] = Object.entries(curves).flatMap(
      ([metric, variants]) =>
        Object.entries(object(variants)).map(([variant, curve]) => ({
          metric,
          variant,
          x: list(object(curve).x).map(number),
          y: list(object(curve).y).map(number)
        }))
    );
    const values = objects(object(list(singles.tasks)[0]).values);
    return {
      series,
      values: Object.fromEntries(
        values.map(one => [text(one.variant), number(one.value)])
      )
    };
  }

  artifactUrl(id: string, key: string): string {
    return this._files.get(id)?.get(key) ?? '';
  }

  /** Only what the server shows in a sandbox; it sends all else as a download. */
  viewUrl(id: string, key: string): string {
    const address = this.artifactUrl(id, key);
    return SHOWN.test(address) ? address : '';
  }

  submit = onlyInTheLab;
  rerun = onlyInTheLab;
  abort = onlyInTheLab;
  saveOutput = onlyInTheLab;

  /** The addresses of files by run and key, as last read. */
  private readonly _files = new Map<string, ReadonlyMap<string, string>>();
}

function filesOf(
  task: Json,
  ownFile: (link: string) => string
): ReadonlyMap<string, string> {
  const artifacts = objects(object(task.execution).artifacts);
  return new Map(
    artifacts.map(item => [text(item.key), ownFile(text(item.uri))])
  );
}

/** The part of a question that says which runs are wanted. */
export function runsFilter(
  asked: Pick<RunQuery, 'mine' | 'state' | 'text'>,
  me: string
): Json {
  return {
    ...(asked.mine ? { user: [me] } : {}),
    ...(asked.state ? { status: statusesOf(asked.state) } : {}),
    ...(asked.text ? { name: literal(asked.text) } : {}),
    system_tags: ['-archived']
  };
}

/** A pattern that finds a text as it stands. */
export function literal(words: string): string {
  return words.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function placeIn(queues: readonly Json[], task: Json): number | null {
  const queue = text(object(task.execution).queue);
  const entries = objects(queues.find(one => text(one.id) === queue)?.entries);
  const at = entries.findIndex(entry => idOf(entry.task) === text(task.id));
  return at < 0 ? null : at + 1;
}

/** The id in a reference, which some endpoints give with a name. */
export function idOf(reference: unknown): string {
  return text(reference) || text(object(reference).id);
}

function onlyInTheLab(): Promise<never> {
  return Promise.reject(
    new RequestError('These pages only look. Use the lab for that.', 'refused')
  );
}
