import {
  checkForm,
  editedParameters,
  initialInput,
  NO_VALUES,
  parseTimeLimit,
  submissionOf,
  type FormValues
} from '../form';
import { plain, sampleField } from './samples';

const typed = (text: string) => ({ text, isNone: false, edited: true });
const values = (change: Partial<FormValues>): FormValues => ({
  ...NO_VALUES,
  queue: 'nlp',
  name: ' train ',
  project: 'Notebooks',
  ...change
});

test('only edited parameters are sent, each as its type wants', () => {
  const fields = [
    sampleField(),
    sampleField({ name: 'rate', type: 'float' }),
    sampleField({ name: 'deep', type: 'bool' }),
    sampleField({ name: 'limit', optional: true })
  ];
  const parameters = {
    epochs: initialInput(fields[0]),
    rate: typed('1e-3'),
    deep: typed('True'),
    limit: { text: '5', isNone: true, edited: true }
  };
  expect(editedParameters(values({ parameters }), fields)).toEqual({
    rate: '1e-3',
    deep: true,
    limit: null
  });
});

test('a submission holds what was typed', () => {
  const filled = values({ files: ['data.csv'], timeLimit: '1h30m' });
  expect(submissionOf('work/a{b}.ipynb', filled, [], 'key')).toEqual({
    path: 'work/a{b}.ipynb',
    queue: 'nlp',
    name: 'train',
    project: 'Notebooks',
    parameters: {},
    files: ['data.csv'],
    timeLimitSeconds: 5400,
    gpus: null,
    gpuModel: null,
    node: null,
    gpuMinMemoryGib: null,
    migProfile: null,
    idempotencyKey: 'key'
  });
});

test.each([
  ['int', '3.5'],
  ['int', ''],
  ['float', 'fast'],
  ['list', '1, 2'],
  ['dict', '[1]']
] as const)('a %s is not written %j', (type, text) => {
  const field = sampleField({ type });
  const errors = checkForm(
    values({ parameters: { epochs: typed(text) } }),
    [field],
    plain
  );
  expect(Object.keys(errors)).toEqual(['parameters.epochs']);
});

test.each([
  ['int', '-1_000'],
  ['int', '1e6'],
  ['float', '.5'],
  ['float', '-inf'],
  ['str', ''],
  ['list', '[1, "a"]'],
  ['any', 'whatever']
] as const)('a %s may be written %j', (type, text) => {
  const field = sampleField({ type });
  const filled = values({ parameters: { epochs: typed(text) } });
  expect(checkForm(filled, [field], plain)).toEqual({});
});

test('what is missing is named by its field', () => {
  const errors = checkForm(
    values({ queue: '', name: 'ab', project: '', timeLimit: 'soon' }),
    [],
    plain
  );
  expect(Object.keys(errors).sort()).toEqual([
    'name',
    'project',
    'queue',
    'timeLimit'
  ]);
});

test.each([
  ['90', 5400],
  ['45s', 45],
  ['30 min', 1800],
  ['2h', 7200],
  ['1h30m', 5400],
  ['1d', 86400],
  ['0', null],
  ['soon', null],
  ['', null]
])('the time limit %j is %s seconds', (text, seconds) => {
  expect(parseTimeLimit(text)).toBe(seconds);
});
