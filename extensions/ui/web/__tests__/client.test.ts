/** @jest-environment node */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { RequestError } from '../../src';

import { Api } from '../api';
import { TrackingCatalog } from '../catalogClient';
import { filesOf, lineageOf } from '../datasetDocuments';
import { Directory } from '../directory';
import type { Json } from '../json';
import { modelDetailsOf } from '../modelDocuments';
import { plotOf } from '../plotDocuments';
import { detailsOf, statusesOf, type Names } from '../runDocuments';
import { literal, runsFilter, TrackingRuns } from '../runsClient';

/** A server that answers each endpoint as told, over real HTTP. */
class Answering {
  readonly asked: { endpoint: string; body: Json; mark: unknown }[] = [];
  answers: Record<string, (body: Json) => [number, Json]> = {};

  async start(): Promise<void> {
    this._server = createServer((request, response) => {
      let text = '';
      request.on('data', piece => (text += piece));
      request.on('end', () => {
        const endpoint = (request.url ?? '').slice('/base/'.length);
        const body = JSON.parse(text || '{}') as Json;
        const mark = request.headers['x-waylab-page'];
        this.asked.push({ endpoint, body, mark });
        const [status, data] = this.answers[endpoint]?.(body) ?? [404, {}];
        const meta = { result_code: status, result_msg: `said ${status}` };
        response.writeHead(status, { 'Content-Type': 'application/json' });
        response.end(JSON.stringify({ meta, data }));
      });
    });
    await new Promise<void>(ready =>
      this._server?.listen(0, '127.0.0.1', ready)
    );
  }

  get origin(): string {
    const { port } = this._server?.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  async stop(): Promise<void> {
    await new Promise(ended => this._server?.close(ended));
  }

  private _server: Server | null = null;
}

const server = new Answering();

beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.asked.length = 0;
  server.answers = {
    'users.get_current_user': () => [200, { user: { id: 'u1', name: 'ann' } }],
    'users.get_all_ex': () => [200, { users: [{ id: 'u1', name: 'ann' }] }],
    'queues.get_all': () => [200, { queues: [] }],
    'projects.get_all_ex': () => [
      200,
      {
        projects: [
          { id: 'p1', name: 'vision', own_tasks: 2, system_tags: [] },
          { id: 'p2', name: 'vision/faces', own_tasks: 3, system_tags: [] },
          {
            id: 'p3',
            name: 'vision/.datasets/digits',
            own_tasks: 1,
            system_tags: ['hidden']
          }
        ]
      }
    ]
  };
});

function clients(first: unknown = []): {
  api: Api;
  runs: TrackingRuns;
  catalog: TrackingCatalog;
} {
  const api = new Api('/base', first, server.origin);
  const directory = new Directory(api);
  return {
    api,
    runs: new TrackingRuns(api, directory),
    catalog: new TrackingCatalog(api, directory)
  };
}

const names: Names = { user: id => id, project: id => id, queue: id => id };
const own = (link: string): string => (link.startsWith('/files/') ? link : '');

test('what came with the page is used once, then the server is asked', async () => {
  const body = { task: 't', only: [1] };
  const { api } = clients([
    { endpoint: 'tasks.get', body: { only: [1], task: 't' }, data: { n: 1 } }
  ]);
  server.answers['tasks.get'] = () => [200, { n: 2 }];
  expect(await api.call('tasks.get', body)).toEqual({ n: 1 });
  expect(server.asked).toEqual([]);
  expect(await api.call('tasks.get', body)).toEqual({ n: 2 });
  expect(server.asked).toEqual([{ endpoint: 'tasks.get', body, mark: '1' }]);
});

test('a refusal that came with the page is told as one', async () => {
  const { api } = clients([
    { endpoint: 'tasks.get', body: {}, error: 'Invalid task id' }
  ]);
  await expect(api.call('tasks.get')).rejects.toThrow('Invalid task id');
});

test.each([
  [401, 'signed-out', /signed out/],
  [404, 'not-found', /said 404/],
  [400, 'refused', /said 400/]
])('an answer %i is told as %s', async (status, code, message) => {
  server.answers['tasks.get'] = () => [status, {}];
  const asked = clients().api.call('tasks.get');
  await expect(asked).rejects.toMatchObject({ code });
  await expect(asked).rejects.toThrow(message);
  await expect(asked).rejects.toBeInstanceOf(RequestError);
});

test('a server that is gone is told', async () => {
  const gone = new Api('', [], 'http://127.0.0.1:9');
  await expect(gone.call('tasks.get')).rejects.toThrow('does not answer');
});

test('only files of our own are linked to', () => {
  const here = 'https://here.example';
  const api = new Api('/base', [], here);
  expect(api.ownFile(`${here}/base/files/a/b.png`)).toBe('/base/files/a/b.png');
  for (const other of [
    `${here}/files/a`,
    `${here}/base/files/../tasks`,
    'https://elsewhere.example/base/files/a',
    'javascript:alert(1)//base/files/',
    'data:text/html,x',
    '//elsewhere.example/base/files/a',
    's3://bucket/base/files/a'
  ]) {
    expect([other, api.ownFile(other)]).toEqual([other, '']);
  }
});

test('a project tells what is below it, as seen from it', async () => {
  server.answers['projects.get_by_id'] = () => [
    200,
    { project: { id: 'p1', name: 'vision', description: 'What is seen.' } }
  ];
  expect(await clients().catalog.project('p1')).toEqual({
    id: 'p1',
    name: 'vision',
    description: 'What is seen.',
    below: [{ id: 'p2', name: 'faces' }]
  });
});

test('projects count what is below them, and hide what is hidden', async () => {
  server.answers['tasks.get_all_ex'] = () => [
    200,
    { tasks: [{ id: 't', project: 'p2' }] }
  ];
  const found = await clients().catalog.projects();
  expect(found.map(({ name, runs, running }) => [name, runs, running])).toEqual(
    [
      ['vision', 6, 1],
      ['vision/faces', 3, 1]
    ]
  );
});

test('a page of runs is asked for with one more than it holds', async () => {
  server.answers['tasks.get_all_ex'] = body => [
    200,
    {
      tasks: Array.from({ length: Number(body.size) }, (_, index) => ({
        id: String(index),
        name: 'a run',
        user: 'u1',
        project: 'p3'
      }))
    }
  ];
  const slice = await clients().catalog.runsOf({
    projectId: 'p1',
    mine: true,
    state: 'completed',
    text: 'a+b',
    page: 2,
    pageSize: 3
  });
  const asked = server.asked.find(one => one.endpoint === 'tasks.get_all_ex');
  expect(asked?.body).toMatchObject({
    project: ['p1'],
    include_subprojects: true,
    user: ['u1'],
    status: statusesOf('completed'),
    name: 'a\\+b',
    start: 6,
    size: 4
  });
  expect(slice.more).toBe(true);
  expect(slice.items).toHaveLength(3);
  expect(slice.items[0]).toMatchObject({ owner: 'ann', project: 'vision' });
});

test('a long log is read from its end on, each line once', async () => {
  const total = 25_000;
  server.answers['events.get_task_events'] = body => {
    const after =
      body.scroll_id === undefined ? -1 : Number(body.scroll_id as string);
    const size = Math.min(Number(body.batch_size), total - after - 1);
    const events = Array.from({ length: size }, (_, index) => ({
      msg: `line ${after + 1 + index}`,
      timestamp: 1000
    }));
    return [200, { events, total, scroll_id: String(after + size) }];
  };
  const { runs } = clients();
  const lines: string[] = [];
  let cursor: string | null = null;
  for (;;) {
    const page = await runs.readLog('t', cursor);
    lines.push(...page.lines.map(line => line.text));
    cursor = page.cursor;
    if (page.complete) {
      break;
    }
  }
  expect(lines[0]).toContain('5000 earlier messages');
  expect(lines[1]).toBe('line 5000');
  expect(lines).toHaveLength(20_001);
  expect(new Set(lines).size).toBe(lines.length);
  expect(lines[lines.length - 1]).toBe('line 24999');
});

test('a server without figures of workers gives none', async () => {
  expect(await clients().catalog.workerFigures('w')).toEqual([]);
});

test('figures of a worker are read by kind', async () => {
  server.answers['workers.get_stats'] = body => [
    200,
    {
      workers: [body.split_by_variant].filter(Boolean).map(() => ({
        worker: 'w',
        metrics: [
          {
            metric: 'gpu_usage',
            variant: 'gpu0',
            dates: [1_700_000_000],
            stats: [{ aggregation: 'avg', values: [40, null] }]
          }
        ]
      }))
    }
  ];
  expect(await clients().catalog.workerFigures('w')).toEqual([
    {
      metric: 'gpu_usage',
      variant: 'gpu0',
      times: [1_700_000_000_000],
      values: [40, null]
    }
  ]);
});

test('words that are searched for stand for themselves', () => {
  expect(new RegExp(literal('a.b (c)*')).test('a.b (c)*')).toBe(true);
  expect(new RegExp(literal('a.b')).test('axb')).toBe(false);
  expect(runsFilter({ mine: false, state: '', text: '' }, 'u')).toEqual({
    system_tags: ['-archived']
  });
});

test('a run is read from its task, whatever is missing', () => {
  expect(detailsOf({ id: 't' }, names, false, null, own)).toMatchObject({
    id: 't',
    state: 'draft',
    parameters: [],
    artifacts: [],
    failure: null,
    progress: null
  });
  const task: Json = {
    id: 't',
    name: 'train',
    status: 'failed',
    started: '2026-11-28T10:00:00',
    completed: '2026-11-28T10:01:00+00:00',
    hyperparams: {
      Args: { rate: { name: 'rate', value: '0.1', type: 'float' } },
      Notebook: { epochs: { value: 3 } }
    },
    execution: {
      artifacts: [
        { key: 'b', uri: 'javascript:alert(1)' },
        { key: 'a', uri: '/files/a', content_size: 3, mode: 'input' }
      ]
    },
    configuration: {
      waylab_live: { value: '{"cells_total": 4, "cells_done": 1}' },
      waylab_verdict: {
        value: '{"reason": "cell-error", "cell": 2, "traceback": ["x"]}'
      }
    }
  };
  const run = detailsOf(task, names, true, null, own);
  expect((run.ended ?? 0) - (run.started ?? 0)).toBe(60_000);
  expect(run.parameters.map(one => one.name)).toEqual(['epochs', 'rate']);
  expect(run.artifacts).toMatchObject([
    { key: 'a', downloadable: true, input: true },
    { key: 'b', downloadable: false, uri: '' }
  ]);
  expect(run.progress?.percent).toBe(25);
  expect(run.failure).toMatchObject({ reason: 'cell-error', cell: 2 });
});

test('a plot is a picture, a table or a figure', () => {
  const plot = (figure: unknown): ReturnType<typeof plotOf> =>
    plotOf({ metric: 'm', plot_str: JSON.stringify(figure) }, own);
  const picture = (source: string): string =>
    plot({ data: [], layout: { images: [{ source }] } }).picture;
  expect(picture('/files/a.png')).toBe('/files/a.png');
  expect(picture('data:image/png;base64,AAAA')).toMatch(/^data:image/);
  expect(picture('https://elsewhere.example/a.png')).toBe('');
  expect(picture('data:image/svg+xml;base64,AAAA')).toBe('');
  expect(picture('javascript:alert(1)')).toBe('');
  const table = plot({
    data: [
      {
        type: 'table',
        header: { values: [['a', 'b'], 'c'] },
        cells: { values: [[1, '<b>'], [null]] }
      }
    ]
  }).table;
  expect(table).toEqual({
    columns: ['a b', 'c'],
    rows: [
      ['1', ''],
      ['<b>', '']
    ]
  });
  expect(plot({ data: [{ type: 'surface' }] }).plain).toBe(false);
  expect(plot({ data: [{}] }).plain).toBe(true);
  expect(plotOf({ plot_str: '{broken' }, own)).toMatchObject({
    picture: '',
    table: null
  });
});

test('a dataset tells its files and what it is made from', () => {
  const nodes = {
    '0': { job_id: 'd2', name: 'digits', version: '2', parents: ['1'] },
    '1': { job_id: 'd1', name: 'digits', version: '1', parents: [] }
  };
  const found = lineageOf({
    runtime: { ds_change_add: '1' },
    configuration: { 'Dataset Struct': { value: JSON.stringify(nodes) } }
  });
  expect(found.added).toBe(1);
  expect(found.lineage[0]).toMatchObject({ id: 'd2', parents: ['d1'] });
  expect(
    filesOf(
      {
        dataset_file_entries: [
          { relative_path: 'b', size: 2, hash: 'h', parent_dataset_id: 'd1' },
          { relative_path: 'a', size: 1, hash: 'h', parent_dataset_id: 'd2' }
        ]
      },
      'd2'
    ).map(file => [file.path, file.inherited])
  ).toEqual([
    ['a', false],
    ['b', true]
  ]);
});

test('a model tells what it is and where its weights are', () => {
  expect(
    modelDetailsOf(
      {
        id: 'm',
        ready: true,
        uri: 's3://bucket/weights',
        design: { design: '' },
        labels: { cat: 1 },
        metadata: { k: { type: 'str', value: 'v' } }
      },
      names,
      own
    )
  ).toMatchObject({
    published: true,
    address: '',
    design: '',
    labels: [['cat', '1']],
    metadata: [{ key: 'k', type: 'str', value: 'v' }]
  });
});
