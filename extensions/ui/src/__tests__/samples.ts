import type { Translate } from '../context';
import type { GpuOffer, ParameterField, Queue, Run, RunQuery } from '../types';

/** Texts as they are, with their arguments put in. */
export const plain: Translate = {
  __: (text, ...args) => fill(text, args),
  _n: (one, many, count, ...args) => fill(count === 1 ? one : many, args)
};

function fill(text: string, args: readonly unknown[]): string {
  return text.replace(/%(\d)/g, (_, place) => String(args[Number(place) - 1]));
}

export function sampleRun(change: Partial<Run> = {}): Run {
  return {
    id: 'a1',
    name: 'train',
    project: 'vision',
    owner: 'ada',
    state: 'completed',
    stopping: false,
    reason: '',
    message: '',
    queue: 'default',
    created: 1000,
    started: 2000,
    ended: 63_000,
    progress: null,
    worker: '',
    tags: [],
    notebook: true,
    webUrl: 'http://h/',
    ...change
  };
}

export function sampleQueue(change: Partial<Queue> = {}): Queue {
  return {
    id: 'q',
    name: 'nlp',
    length: 2,
    slots: 4,
    freeSlots: 1,
    defaultGpus: 0,
    cpuSlots: 4,
    gpus: [],
    nodes: [],
    ...change
  };
}

const GIB = 1024 ** 3;

export function sampleOffer(change: Partial<GpuOffer> = {}): GpuOffer {
  return {
    node: 'nlp',
    model: 'A100',
    memoryBytes: 80 * GIB,
    count: 2,
    free: 1,
    simulated: false,
    migProfile: '',
    ...change
  };
}

/** A queue of two nodes: four small GPUs on one, two large ones on the other. */
export function sampleGpuQueue(change: Partial<Queue> = {}): Queue {
  return sampleQueue({
    length: 0,
    slots: 6,
    freeSlots: 4,
    defaultGpus: 1,
    cpuSlots: 0,
    gpus: [
      sampleOffer({ simulated: true }),
      sampleOffer({
        node: 'vision',
        model: 'L4',
        memoryBytes: 22.49 * GIB,
        count: 4,
        free: 3
      })
    ],
    nodes: ['nlp', 'vision'].map(name => ({
      name,
      defaultGpus: 1,
      cpuSlots: 0,
      known: true
    })),
    ...change
  });
}

/** The same with a node of slices and one without any GPU. */
export function sampleMixedQueue(change: Partial<Queue> = {}): Queue {
  const queue = sampleGpuQueue();
  return {
    ...queue,
    cpuSlots: 2,
    gpus: [
      ...queue.gpus,
      sampleOffer({
        node: 'cut',
        memoryBytes: 10 * GIB,
        count: 7,
        free: 5,
        migProfile: '1g.10gb'
      })
    ],
    nodes: [
      ...queue.nodes,
      { name: 'cut', defaultGpus: 1, cpuSlots: 0, known: true },
      { name: 'cpu', defaultGpus: 0, cpuSlots: 2, known: true }
    ],
    ...change
  };
}

export function sampleField(
  change: Partial<ParameterField> = {}
): ParameterField {
  return {
    name: 'epochs',
    type: 'int',
    text: '3',
    isNone: false,
    help: '',
    choices: [],
    optional: false,
    computed: false,
    ...change
  };
}

/** A server with so many runs, named by their place; it records what it was asked. */
export class CountedRuns {
  asked: RunQuery[] = [];
  failure: Error | null = null;

  constructor(public total: number) {}

  listRuns = async (
    query: RunQuery
  ): Promise<{ runs: Run[]; total: number }> => {
    this.asked.push(query);
    if (this.failure !== null) {
      throw this.failure;
    }
    const first = query.page * query.pageSize;
    const count = Math.max(0, Math.min(query.pageSize, this.total - first));
    return {
      total: this.total,
      runs: Array.from({ length: count }, (_, index) =>
        sampleRun({ id: `run-${first + index}` })
      )
    };
  };
}
