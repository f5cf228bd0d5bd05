import {
  askedLabel,
  checkGpus,
  choiceOf,
  kindsOf,
  memoriesOf,
  mostGpus,
  NO_CHOICE,
  wishOf,
  type GpuChoice
} from '../gpus';
import {
  plain,
  sampleGpuQueue,
  sampleMixedQueue,
  sampleOffer,
  sampleQueue
} from './samples';

const queue = sampleMixedQueue();
const asked = (
  gpus: string,
  gpuModel = '',
  more: Partial<GpuChoice> = {}
): GpuChoice => ({ ...NO_CHOICE, gpus, gpuModel, ...more });
const slices = (gpus: string, more: Partial<GpuChoice> = {}): GpuChoice =>
  asked(gpus, '', { migProfile: '1g.10gb', ...more });

test.each([
  [asked('5'), 'gpus'],
  [asked('3', 'A100'), 'gpus'],
  [asked('1', 'T4'), 'gpuModel'],
  [asked('0', 'A100'), 'gpuModel'],
  [asked('', '', { gpuMinMemory: '81' }), 'gpuMinMemory'],
  [asked('1', 'L4', { gpuMinMemory: '40' }), 'gpuMinMemory'],
  [asked('0', '', { gpuMinMemory: '40' }), 'gpuMinMemory'],
  [asked('1', '', { gpuMinMemory: 'much' }), 'gpuMinMemory'],
  [asked('3', '', { gpuMinMemory: '40' }), 'gpus'],
  [asked('', '', { node: 'mars' }), 'node'],
  [asked('1', 'A100', { node: 'vision' }), 'node'],
  [asked('', '', { node: 'cut' }), 'node'],
  [asked('1', '', { node: 'cpu' }), 'node'],
  [asked('3', '', { node: 'nlp' }), 'gpus'],
  [asked('0', '', { node: 'nlp' }), 'gpus'],
  [asked('', 'A100', { node: 'cpu' }), 'gpus'],
  [slices('1', { migProfile: '3g.40gb' }), 'migProfile'],
  [slices('0'), 'migProfile'],
  [slices('8'), 'gpus'],
  [slices('1', { gpuModel: 'L4' }), 'gpuModel'],
  [slices('1', { gpuMinMemory: '40' }), 'gpuMinMemory'],
  [slices('1', { node: 'nlp' }), 'node']
])('%j is refused at its field', (choice, field) => {
  expect(Object.keys(checkGpus(choice, queue, plain))).toEqual([field]);
});

test.each([
  asked(''),
  asked('0'),
  asked('4'),
  asked('2', 'a100'),
  asked('', 'L4'),
  asked('2', 'A100', { node: 'nlp', gpuMinMemory: '80' }),
  asked('4', '', { gpuMinMemory: '22.4' }),
  asked('', '', { node: 'cpu' }),
  asked('0', '', { node: 'cpu' }),
  slices(''),
  slices('7', { gpuModel: 'A100', node: 'cut', gpuMinMemory: '10' })
])('%j can be had', choice => {
  expect(checkGpus(choice, queue, plain)).toEqual({});
});

test('a kind alone needs a number where the queue gives none', () => {
  const none = sampleGpuQueue({ defaultGpus: 0 });
  for (const choice of [
    asked('', 'L4'),
    asked('', '', { gpuMinMemory: '40' })
  ]) {
    expect(checkGpus(choice, none, plain)).toHaveProperty('gpus');
  }
});

test('a queue without slots runs nothing without a GPU', () => {
  expect(checkGpus(asked('0'), sampleGpuQueue(), plain)).toHaveProperty('gpus');
});

test('a queue of slices alone asks to choose them', () => {
  const cut = sampleGpuQueue({ gpus: queue.gpus.slice(2), nodes: [] });
  expect(checkGpus(asked(''), cut, plain)).toHaveProperty('migProfile');
  expect(checkGpus(slices(''), cut, plain)).toEqual({});
});

test('a queue of which nobody tells leaves the judgement to the server', () => {
  const choice = asked('64', 'T4', { node: 'mars', migProfile: '1g.5gb' });
  expect(checkGpus(choice, sampleQueue(), plain)).toEqual({});
});

test('a node that has never told what it has may have it', () => {
  const later = { name: 'new', defaultGpus: 1, cpuSlots: 0, known: false };
  const some = sampleGpuQueue({ nodes: [...sampleGpuQueue().nodes, later] });
  expect(checkGpus(asked('8', 'H200'), some, plain)).toEqual({});
  const there = asked('8', 'H200', { node: 'nlp' });
  expect(checkGpus(there, some, plain)).toHaveProperty('gpuModel');
});

test('GPUs of several nodes are not one offer', () => {
  expect(mostGpus(queue, asked(''))).toBe(4);
  expect(mostGpus(queue, asked(''), 'free')).toBe(3);
  expect(mostGpus(queue, slices(''), 'free')).toBe(5);
  expect(mostGpus(queue, asked('', '', { node: 'nlp' }))).toBe(2);
  expect(mostGpus(queue, asked('', '', { gpuMinMemory: '40' }))).toBe(2);
});

test('equal GPUs of several nodes are one kind', () => {
  const other = sampleOffer({ node: 'other', count: 4, free: 4 });
  expect(kindsOf([...sampleGpuQueue().gpus, other])[0]).toMatchObject({
    model: 'A100',
    count: 6,
    free: 5
  });
});

test('a least memory is a size that is not the smallest, and lets its GPUs pass', () => {
  const gib = 1024 ** 3;
  const offers = [16, 23.99, 79.65, 80].map(size =>
    sampleOffer({ memoryBytes: size * gib })
  );
  expect(memoriesOf(offers)).toEqual([
    ['23.9', 24],
    ['79.6', 80]
  ]);
  expect(memoriesOf(offers.slice(2))).toEqual([]);
});

test('what is not chosen is left to the queue', () => {
  const nothing = {
    gpus: null,
    gpuModel: null,
    node: null,
    gpuMinMemoryGib: null,
    migProfile: null
  };
  expect(wishOf(asked(''))).toEqual(nothing);
  expect(wishOf(asked('0'))).toEqual({ ...nothing, gpus: 0 });
  expect(wishOf(slices('2', { node: 'cut', gpuMinMemory: '9.5' }))).toEqual({
    gpus: 2,
    gpuModel: null,
    node: 'cut',
    gpuMinMemoryGib: 9.5,
    migProfile: '1g.10gb'
  });
});

const parametersOf = (values: Record<string, string>) =>
  Object.entries(values).map(([name, value]) => ({
    section: 'Waylab',
    name,
    value,
    type: '',
    help: ''
  }));

test('what a run asked for is read from its parameters', () => {
  const parameters = parametersOf({
    gpus: '2',
    gpu_model: 'A100',
    node: 'nlp',
    gpu_min_memory_gib: '40',
    mig_profile: '1g.10gb',
    time_limit_seconds: '60'
  });
  expect(choiceOf(parameters)).toEqual({
    gpus: '2',
    gpuModel: 'A100',
    node: 'nlp',
    gpuMinMemory: '40',
    migProfile: '1g.10gb'
  });
});

test.each([
  [{}, ''],
  [{ gpus: '0' }, 'none'],
  [{ gpus: '0', node: 'cpu' }, 'none, on cpu'],
  [{ gpus: '2' }, '2'],
  [{ gpus: '2', gpu_model: 'A100' }, '2 × A100'],
  [{ gpu_model: 'A100' }, 'A100'],
  [{ gpu_min_memory_gib: '0', node: 'nlp' }, 'on nlp'],
  [
    { gpus: '2', gpu_model: 'A100', gpu_min_memory_gib: '40', node: 'nlp' },
    '2 × A100, at least 40 GiB, on nlp'
  ],
  [{ gpus: '1', mig_profile: '1g.10gb' }, '1 × slice 1g.10gb'],
  [
    { mig_profile: '1g.10gb', gpu_model: 'A100', gpu_min_memory_gib: '9.5' },
    'slice 1g.10gb of A100, at least 9.5 GiB'
  ]
])('%j is told in words', (values, words) => {
  expect(askedLabel(parametersOf(values), plain)).toBe(words);
});
