import {
  AnswerError,
  parseRefusal,
  parseRun,
  parseRunPage,
  webUrl
} from '../parse';

const WIRE = {
  id: 'a1',
  name: 'train',
  project: 'vision',
  owner: 'ada',
  state: 'running',
  stopping: false,
  reason: '',
  message: '',
  queue: 'default',
  created: '2026-11-22T10:00:00+00:00',
  started: null,
  ended: null,
  progress: { percent: 40, cells_total: 5, cell_current: null },
  worker: 'node:cpu0',
  tags: ['notebook'],
  notebook: true,
  web_url: 'http://host/services/clearml/x'
};

test('a run is read with its times in milliseconds', () => {
  const run = parseRun(WIRE, 'run');
  expect(run.created).toBe(Date.UTC(2026, 10, 22, 10));
  expect(run.progress).toEqual({
    percent: 40,
    cellsTotal: 5,
    cellCurrent: null
  });
  expect(run.webUrl).toBe('http://host/services/clearml/x');
});

test('a wrong member is named', () => {
  const page = { runs: [{ ...WIRE, state: 'flying' }], total: 1 };
  expect(() => parseRunPage(page, 'page')).toThrow(AnswerError);
  expect(() => parseRunPage(page, 'page')).toThrow(/page\.runs\[0\]\.state/);
});

test('only web addresses become links', () => {
  expect(webUrl('javascript:alert(1)', 'url')).toBe('');
  expect(webUrl('https://host/a', 'url')).toBe('https://host/a');
});

test('a refusal of any shape is read', () => {
  expect(parseRefusal('<html>')).toEqual({
    message: '',
    code: 'refused',
    fields: {}
  });
  expect(
    parseRefusal({
      message: 'no',
      code: 'invalid',
      fields: { queue: 'gone', x: 1 }
    })
  ).toEqual({ message: 'no', code: 'invalid', fields: { queue: 'gone' } });
});
