import { askedLabel, checkGpus, choiceOf, mostGpus, wishOf } from '../gpus';
import { plain, sampleGpuQueue, sampleQueue } from './samples';

const queue = sampleGpuQueue();
const asked = (gpus: string, gpuModel = '') => ({ gpus, gpuModel });

test.each([
  [asked('5'), 'gpus'],
  [asked('3', 'A100'), 'gpus'],
  [asked('0'), 'gpus'],
  [asked('1', 'T4'), 'gpuModel'],
  [asked('0', 'A100'), 'gpuModel']
])('%j is refused at its field', (choice, field) => {
  expect(Object.keys(checkGpus(choice, queue, plain))).toEqual([field]);
});

test.each([asked(''), asked('4'), asked('2', 'a100'), asked('', 'L4')])(
  '%j can be had',
  choice => {
    expect(checkGpus(choice, queue, plain)).toEqual({});
  }
);

test('a model alone needs a number where the queue gives none', () => {
  const none = sampleGpuQueue({ defaultGpus: 0 });
  expect(checkGpus(asked('', 'L4'), none, plain)).toHaveProperty('gpus');
});

test('a queue of which nobody tells leaves the judgement to the server', () => {
  expect(checkGpus(asked('64', 'T4'), sampleQueue(), plain)).toEqual({});
});

test('GPUs of several nodes are not one offer', () => {
  expect(mostGpus(queue, '')).toBe(4);
  expect(mostGpus(queue, '', 'free')).toBe(3);
});

test('what is not chosen is left to the queue', () => {
  expect(wishOf(asked(''))).toEqual({ gpus: null, gpuModel: null });
  expect(wishOf(asked('0'))).toEqual({ gpus: 0, gpuModel: null });
});

test('what a run asked for is read from its parameters', () => {
  const parameter = (name: string, value: string) => ({
    section: 'Waylab',
    name,
    value,
    type: '',
    help: ''
  });
  const parameters = [parameter('gpus', '2'), parameter('gpu_model', 'A100')];
  expect(choiceOf(parameters)).toEqual(asked('2', 'A100'));
  expect(askedLabel(parameters, plain)).toBe('2 × A100');
  expect(askedLabel([parameter('gpus', '0')], plain)).toBe('none');
  expect(askedLabel([], plain)).toBe('');
});
