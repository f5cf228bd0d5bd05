/** What the views know of runs, queues and notebooks; times are milliseconds since the epoch. */

export type RunState =
  'draft' | 'queued' | 'running' | 'completed' | 'failed' | 'aborted';

export const RUN_STATES: readonly RunState[] = [
  'draft',
  'queued',
  'running',
  'completed',
  'failed',
  'aborted'
];

/** How far a notebook has come; cells count from 0, null where not known. */
export interface Progress {
  readonly percent: number;
  readonly cellsTotal: number | null;
  readonly cellCurrent: number | null;
}

/** A run as lists show it. */
export interface Run {
  readonly id: string;
  readonly name: string;
  readonly project: string;
  readonly owner: string;
  readonly state: RunState;
  readonly stopping: boolean;
  readonly reason: string;
  readonly message: string;
  readonly queue: string;
  readonly created: number | null;
  readonly started: number | null;
  readonly ended: number | null;
  readonly progress: Progress | null;
  readonly worker: string;
  readonly tags: readonly string[];
  readonly notebook: boolean;
  /** ClearML's own page; empty if it is not a web address. */
  readonly webUrl: string;
}

export interface RunParameter {
  readonly section: string;
  readonly name: string;
  readonly value: string;
  readonly type: string;
  readonly help: string;
}

export interface Artifact {
  readonly key: string;
  readonly type: string;
  readonly sizeBytes: number | null;
  readonly input: boolean;
  /** Whether the client's `artifactUrl` serves it; `uri` is set for those elsewhere. */
  readonly downloadable: boolean;
  readonly uri: string;
}

/** Why a run did not complete; `cell` counts code cells from 1, as messages do. */
export interface Failure {
  readonly reason: string;
  readonly message: string;
  readonly cell: number | null;
  readonly ename: string | null;
  readonly evalue: string | null;
  readonly traceback: readonly string[];
}

export interface RunDetails extends Run {
  /** Whether the server is likely to allow changes; it decides when asked. */
  readonly mayChange: boolean;
  readonly position: number | null;
  readonly parameters: readonly RunParameter[];
  readonly artifacts: readonly Artifact[];
  readonly failure: Failure | null;
}

export interface RunPage {
  readonly runs: readonly Run[];
  readonly total: number;
}

export interface RunQuery {
  readonly mine: boolean;
  readonly project: string;
  readonly queue: string;
  readonly state: RunState | '';
  readonly text: string;
  readonly page: number;
  readonly pageSize: number;
}

export interface LogLine {
  readonly time: number | null;
  readonly text: string;
  readonly level: string;
}

export interface LogPage {
  readonly lines: readonly LogLine[];
  readonly cursor: string;
  readonly complete: boolean;
}

export interface Series {
  readonly metric: string;
  readonly variant: string;
  readonly x: readonly (number | null)[];
  readonly y: readonly (number | null)[];
}

export interface Scalars {
  readonly series: readonly Series[];
  readonly values: Readonly<Record<string, number | null>>;
}

/** Equal GPUs of one node, or equal slices: `free` of `count` are held by nobody. */
export interface GpuOffer {
  readonly node: string;
  readonly model: string;
  readonly memoryBytes: number;
  readonly count: number;
  readonly free: number;
  readonly simulated: boolean;
  /** Empty for whole GPUs. */
  readonly migProfile: string;
}

/** A node that a run may name, and what it then gets if it asks for nothing more. */
export interface NodeOffer {
  readonly name: string;
  readonly defaultGpus: number;
  readonly cpuSlots: number;
  /** Whether it has ever told what it has. */
  readonly known: boolean;
}

/** A slot is what a run gets that asks for nothing special: `defaultGpus` GPUs. */
export interface Queue {
  readonly id: string;
  readonly name: string;
  readonly length: number;
  readonly slots: number;
  readonly freeSlots: number;
  readonly defaultGpus: number;
  readonly cpuSlots: number;
  /** Empty where its nodes have none, or nobody tells. */
  readonly gpus: readonly GpuOffer[];
  /** Those that serve it; empty where nobody tells. */
  readonly nodes: readonly NodeOffer[];
}

/** What is asked for; null leaves it to the queue. */
export interface GpuWish {
  readonly gpus: number | null;
  readonly gpuModel: string | null;
  readonly node: string | null;
  readonly gpuMinMemoryGib: number | null;
  readonly migProfile: string | null;
}

export type FieldType =
  'int' | 'float' | 'bool' | 'str' | 'list' | 'dict' | 'any';

export const FIELD_TYPES: readonly FieldType[] = [
  'int',
  'float',
  'bool',
  'str',
  'list',
  'dict',
  'any'
];

/** A parameter as the form asks for it; `text` is the default as a person types it. */
export interface ParameterField {
  readonly name: string;
  readonly type: FieldType;
  readonly text: string;
  readonly isNone: boolean;
  readonly help: string;
  readonly choices: readonly string[];
  readonly optional: boolean;
  readonly computed: boolean;
}

export type ParameterValues = Readonly<Record<string, string | boolean | null>>;

export interface Submission extends GpuWish {
  readonly path: string;
  readonly queue: string;
  readonly name: string;
  readonly project: string;
  readonly parameters: ParameterValues;
  readonly files: readonly string[];
  readonly timeLimitSeconds: number | null;
  readonly idempotencyKey: string;
}

export interface Rerun extends GpuWish {
  readonly idempotencyKey: string;
  readonly queue: string;
  readonly name: string;
  readonly parameters: ParameterValues;
}

/** Where a new run stands; `position` counts from 1, null if it has left the queue. */
export interface Submitted {
  readonly taskId: string;
  readonly queue: string;
  readonly position: number | null;
  readonly webUrl: string;
}

/** A saved output notebook; nothing is added to a `final` one. */
export interface SavedOutput {
  readonly path: string;
  readonly final: boolean;
  readonly changed: boolean;
}

export interface Starter {
  readonly name: string;
  readonly title: string;
  readonly description: string;
}
