import { RunListModel } from '../listModel';
import { CountedRuns } from './samples';

const ids = (model: RunListModel, ...rows: number[]): (string | undefined)[] =>
  rows.map(row => model.row(row)?.id);

test('only the pages in view are fetched', async () => {
  const server = new CountedRuns(1000);
  const model = new RunListModel(server, 50);
  await model.refresh();
  await model.setView(420, 460);
  expect(server.asked.map(query => query.page)).toEqual([0, 8, 9]);
  expect(ids(model, 0, 420, 460, 700)).toEqual([
    'run-0',
    'run-420',
    'run-460',
    undefined
  ]);
});

test('pages that are only scrolled past are not fetched', async () => {
  const server = new CountedRuns(1000);
  const model = new RunListModel(server, 50);
  await model.refresh();
  server.asked = [];
  const first = model.setView(100, 120);
  await Promise.all([300, 500, 700].map(row => model.setView(row, row + 20)));
  await first;
  expect(server.asked.map(query => query.page)).toEqual([2, 14]);
  expect(ids(model, 700)).toEqual(['run-700']);
});

test('a refresh renews what is in view and nothing else', async () => {
  const server = new CountedRuns(1000);
  const model = new RunListModel(server, 50);
  await model.refresh();
  await model.setView(100, 120);
  server.asked = [];
  await model.refresh();
  expect(server.asked.map(query => query.page)).toEqual([2]);
});

test('rows out of view are forgotten once the list has grown', async () => {
  const server = new CountedRuns(120);
  const model = new RunListModel(server, 50);
  await model.refresh();
  await model.setView(60, 80);
  server.total = 121;
  await model.refresh();
  expect(ids(model, 0, 60)).toEqual([undefined, 'run-60']);
  expect(model.snapshot.total).toBe(121);
});

test('an answer to an older filter is not shown', async () => {
  const server = new CountedRuns(10);
  const model = new RunListModel(server, 50);
  const late = model.refresh();
  server.total = 3;
  await model.setFilter({ text: 'three' });
  await late;
  expect(model.snapshot.total).toBe(3);
  expect(model.snapshot.filter.text).toBe('three');
});

test('what was shown stays when the server goes away, and is marked', async () => {
  const server = new CountedRuns(10);
  const model = new RunListModel(server, 50);
  await model.refresh();
  server.failure = new Error('The server is away.');
  await expect(model.refresh()).rejects.toThrow('away');
  expect(model.snapshot.status).toBe('stale');
  expect(model.snapshot.error).toBe('The server is away.');
  expect(ids(model, 3)).toEqual(['run-3']);
});

test('a first failure is an error, and the next success clears it', async () => {
  const server = new CountedRuns(10);
  const model = new RunListModel(server, 50);
  server.failure = new Error('The server is away.');
  await expect(model.refresh()).rejects.toThrow('away');
  expect(model.snapshot.status).toBe('error');
  server.failure = null;
  await model.refresh();
  expect(model.snapshot.status).toBe('ready');
});
