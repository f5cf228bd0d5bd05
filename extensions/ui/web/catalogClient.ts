import type {
  CatalogClient,
  ConfigurationText,
  Dataset,
  DatasetDetails,
  DatasetFile,
  Model,
  ModelDetails,
  Named,
  Picture,
  Plot,
  Project,
  ProjectDetails,
  QueueLine,
  Run,
  RunModel,
  RunsAsked,
  Share,
  Sharing,
  Slice,
  Worker,
  WorkerFigure
} from '../src';
import { RequestError } from '../src';

import type { Api } from './api';
import { datasetOf, filesOf, lineageOf, stateFile } from './datasetDocuments';
import type { Directory } from './directory';
import {
  list,
  number,
  object,
  objects,
  text,
  texts,
  time,
  type Json
} from './json';
import { modelDetailsOf, modelOf } from './modelDocuments';
import { picturesOf, plotOf } from './plotDocuments';
import { runOf, type Names } from './runDocuments';
import { SHARING_UNKNOWN, sharingOf } from './sharingDocuments';
import { idOf, LIST_FIELDS, runsFilter } from './runsClient';

const PAGE_SIZE = 50;
const DATASET_FIELDS = [
  'id',
  'name',
  'project',
  'user',
  'status',
  'created',
  'tags',
  'runtime'
];
const MACHINE = ['cpu_usage', 'memory_used'];
const GPUS = ['gpu_usage', 'gpu_memory_used'];
const HOUR_SECONDS = 3600;
const FIGURE_SECONDS = 60;

/** Everything beside runs, from the ClearML API of this server. */
export class TrackingCatalog implements CatalogClient {
  constructor(
    private readonly api: Api,
    private readonly directory: Directory
  ) {}

  async me(): Promise<Named> {
    const me = await this.directory.me();
    return { id: text(me.id), name: text(me.name) };
  }

  async projects(): Promise<readonly Project[]> {
    const [projects, running] = await Promise.all([
      this.directory.read('projects', 5000),
      this.api.call('tasks.get_all_ex', {
        status: ['in_progress'],
        only_fields: ['id', 'project']
      })
    ]);
    const busy = objects(running.tasks).map(task => text(task.project));
    return projects
      .filter(isShown)
      .map(one => {
        const name = text(one.name);
        const within = projects.filter(
          other => other === one || text(other.name).startsWith(`${name}/`)
        );
        const ids = new Set(within.map(other => text(other.id)));
        return {
          id: text(one.id),
          name,
          description: text(one.description),
          runs: within.reduce(
            (sum, other) => sum + (number(other.own_tasks) ?? 0),
            0
          ),
          running: busy.filter(id => ids.has(id)).length,
          updated: time(one.last_update)
        };
      })
      .sort((one, other) => one.name.localeCompare(other.name));
  }

  async project(id: string): Promise<ProjectDetails> {
    const [answer, projects] = await Promise.all([
      this.api.call('projects.get_by_id', { project: id }),
      this.directory.read('projects')
    ]);
    const project = object(answer.project);
    const above = `${text(project.name)}/`;
    return {
      ...named(project),
      description: text(project.description),
      below: projects
        .filter(one => isShown(one) && text(one.name).startsWith(above))
        .map(one => ({
          id: text(one.id),
          name: text(one.name).slice(above.length)
        }))
        .sort((one, other) => one.name.localeCompare(other.name))
    };
  }

  async sharing(id: string): Promise<Sharing | 'unknown'> {
    try {
      const answer = await this.api.call('waylab.get_sharing', {
        projects: [id]
      });
      return sharingOf(answer);
    } catch (error) {
      if (
        error instanceof RequestError &&
        SHARING_UNKNOWN.test(error.message)
      ) {
        return 'unknown';
      }
      throw error;
    }
  }

  async share(id: string, wish: Share): Promise<Sharing> {
    await this.api.call('waylab.share_project', { project: id, ...wish });
    const found = await this.sharing(id);
    if (found === 'unknown') {
      throw new RequestError('This server hides nothing.', 'refused');
    }
    return found;
  }

  async projectNamed(name: string): Promise<Named | null> {
    const projects = await this.directory.read('projects');
    const found = projects.find(one => text(one.name) === name);
    return found === undefined ? null : named(found);
  }

  async runsOf(asked: RunsAsked): Promise<Slice<Run>> {
    const [me, names] = await Promise.all([
      this.directory.me(),
      this.directory.names()
    ]);
    const found = await this.api.call('tasks.get_all_ex', {
      ...(asked.projectId
        ? { project: [asked.projectId], include_subprojects: true }
        : {}),
      ...runsFilter(asked, text(me.id)),
      ...partOf(asked.page, asked.pageSize),
      order_by: ['-created'],
      only_fields: LIST_FIELDS
    });
    return slice(found.tasks, asked.pageSize, task => runOf(task, names));
  }

  async configurations(run: string): Promise<readonly ConfigurationText[]> {
    const task = await this._task(run);
    return (
      Object.entries(object(task.configuration))
        // What Waylab keeps there for itself is shown elsewhere.
        .filter(([name]) => !name.startsWith('waylab_'))
        .map(([name, item]) => ({
          name,
          kind: text(object(item).type),
          text: text(object(item).value)
        }))
    );
  }

  async plots(run: string): Promise<readonly Plot[]> {
    const found = await this.api.call('events.get_task_plots', {
      task: run,
      iters: 1
    });
    return objects(found.plots).map(event =>
      plotOf(event, link => this.api.ownFile(link))
    );
  }

  async pictures(run: string): Promise<readonly Picture[]> {
    const found = await this.api.call('events.debug_images', {
      metrics: [{ task: run }],
      iters: 3
    });
    return picturesOf(found, link => this.api.ownFile(link));
  }

  async modelsOfRun(run: string): Promise<readonly RunModel[]> {
    const models = object((await this._task(run)).models);
    return ['input', 'output'].flatMap(side =>
      objects(models[side]).map(one => ({
        id: idOf(one.model),
        name: text(one.name) || idOf(one.model),
        input: side === 'input'
      }))
    );
  }

  async models(projectId: string, page: number): Promise<Slice<Model>> {
    const names = await this.directory.names();
    const found = await this.api.call('models.get_all_ex', {
      ...(projectId ? { project: [projectId] } : {}),
      ...partOf(page, PAGE_SIZE),
      order_by: ['-created'],
      system_tags: ['-archived']
    });
    return slice(found.models, PAGE_SIZE, one => modelOf(one, names));
  }

  async model(id: string): Promise<ModelDetails> {
    const [answer, children, names] = await Promise.all([
      this.api.call('models.get_by_id', { model: id }),
      this.api.call('models.get_all_ex', {
        parent: [id],
        only_fields: ['id', 'name']
      }),
      this.directory.names()
    ]);
    const model = object(answer.model);
    const [madeBy, parent] = await Promise.all([
      this._named('tasks', idOf(model.task)),
      this._named('models', idOf(model.parent))
    ]);
    return {
      ...modelDetailsOf(model, names, link => this.api.ownFile(link)),
      madeBy,
      parent,
      children: objects(children.models).map(named)
    };
  }

  async datasets(page: number): Promise<Slice<Dataset>> {
    const names = await this.directory.names();
    const found = await this._datasets(partOf(page, PAGE_SIZE));
    return slice(found, PAGE_SIZE, task => datasetOf(task, names));
  }

  async dataset(id: string): Promise<DatasetDetails> {
    const [task, names] = await Promise.all([
      this._task(id),
      this.directory.names()
    ]);
    const project = text(task.project);
    const siblings = project
      ? objects(await this._datasets({ project: [project] }))
      : [];
    return {
      ...datasetOf(task, names),
      ...lineageOf(task),
      versions: siblings
        .filter(one => text(one.id) !== id)
        .map(one => datasetOf(one, names))
    };
  }

  async datasetFiles(id: string): Promise<readonly DatasetFile[]> {
    const link = stateFile(await this._task(id));
    if (link === '') {
      return [];
    }
    const address = this.api.ownFile(link);
    if (address === '') {
      throw new RequestError('They are listed on another server.', 'refused');
    }
    return filesOf(await this.api.file(address), id);
  }

  async queueLines(): Promise<readonly QueueLine[]> {
    const [queues, workers, names] = await Promise.all([
      this.directory.read('queues', 2000),
      this._workers(),
      this.directory.names()
    ]);
    const waiting = queues.flatMap(queue =>
      objects(queue.entries).map(entry => idOf(entry.task))
    );
    const found = waiting.length
      ? await this.api.call('tasks.get_all_ex', {
          id: waiting,
          only_fields: ['id', 'name', 'user']
        })
      : {};
    const tasks = new Map(
      objects(found.tasks).map(task => [text(task.id), task])
    );
    return queues.map(queue => ({
      ...named(queue),
      entries: objects(queue.entries).map(entry =>
        entryOf(entry, tasks, names)
      ),
      workers: workers
        .filter(worker =>
          objects(worker.queues).some(one => text(one.id) === text(queue.id))
        )
        .map(worker => text(worker.id))
    }));
  }

  async workers(): Promise<readonly Worker[]> {
    return (await this._workers()).map(worker => {
      const task = object(worker.task);
      return {
        id: text(worker.id),
        owner: text(object(worker.user).name),
        queues: objects(worker.queues).map(named),
        run: text(task.id) ? named(task) : null,
        iteration: number(task.last_iteration) ?? 0,
        lastSeen: time(worker.last_activity_time)
      };
    });
  }

  async workerFigures(id: string): Promise<readonly WorkerFigure[]> {
    try {
      // One line for each GPU, but not for each core.
      const found = await Promise.all([
        this._figures(id, MACHINE, false),
        this._figures(id, GPUS, true)
      ]);
      return found.flat();
    } catch (error) {
      // A server that keeps no figures has no such endpoint.
      if (error instanceof RequestError && error.code === 'not-found') {
        return [];
      }
      throw error;
    }
  }

  private async _figures(
    worker: string,
    keys: readonly string[],
    split: boolean
  ): Promise<readonly WorkerFigure[]> {
    const now = Math.floor(Date.now() / 1000);
    const answer = await this.api.call('workers.get_stats', {
      worker_ids: [worker],
      from_date: now - HOUR_SECONDS,
      to_date: now,
      interval: FIGURE_SECONDS,
      items: keys.map(key => ({ key, category: 'avg' })),
      split_by_variant: split
    });
    return objects(answer.workers)
      .flatMap(worker => objects(worker.metrics))
      .map(metric => ({
        metric: text(metric.metric),
        variant: text(metric.variant),
        times: list(metric.dates).map(moment => time(moment) ?? 0),
        values: list(objects(metric.stats)[0]?.values).map(number)
      }))
      .filter(figure => figure.times.length > 0);
  }

  private async _task(id: string): Promise<Json> {
    return object(
      (await this.api.call('tasks.get_by_id_ex', { task: id })).task
    );
  }

  private async _datasets(part: Json): Promise<unknown> {
    const found = await this.api.call('tasks.get_all_ex', {
      ...part,
      type: ['data_processing'],
      system_tags: ['dataset', '-archived'],
      order_by: ['-created'],
      only_fields: DATASET_FIELDS,
      search_hidden: true
    });
    return found.tasks;
  }

  private async _workers(): Promise<readonly Json[]> {
    return objects((await this.api.call('workers.get_all')).workers);
  }

  private async _named(
    what: 'tasks' | 'models',
    id: string
  ): Promise<Named | null> {
    if (id === '') {
      return null;
    }
    const found = await this.api.call(`${what}.get_all_ex`, {
      id: [id],
      only_fields: ['id', 'name']
    });
    const [one] = objects(found[what]);
    return one === undefined ? null : named(one);
  }
}

/** One more than a page is asked for: it tells whether there are others. */
function partOf(page: number, size: number): Json {
  return { start: page * size, size: size + 1 };
}

function slice<T>(
  found: unknown,
  size: number,
  read: (one: Json) => T
): Slice<T> {
  const items = objects(found);
  return { items: items.slice(0, size).map(read), more: items.length > size };
}

function isShown(project: Json): boolean {
  return !texts(project.system_tags).includes('hidden');
}

function named(one: Json): Named {
  return { id: text(one.id), name: text(one.name) || text(one.id) };
}

function entryOf(
  entry: Json,
  tasks: ReadonlyMap<string, Json>,
  names: Names
): QueueLine['entries'][number] {
  const id = idOf(entry.task);
  const task = tasks.get(id);
  return {
    run: { id, name: text(task?.name) || id },
    owner: names.user(text(task?.user)),
    since: time(entry.added)
  };
}
