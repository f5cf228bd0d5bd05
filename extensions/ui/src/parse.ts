/** Answers of a server, checked before use: a parser gives a typed value or throws. */

import {
  FIELD_TYPES,
  RUN_STATES,
  type Artifact,
  type Failure,
  type GpuOffer,
  type LogLine,
  type LogPage,
  type NodeOffer,
  type ParameterField,
  type Progress,
  type Queue,
  type Run,
  type RunDetails,
  type RunPage,
  type RunParameter,
  type SavedOutput,
  type Scalars,
  type Series,
  type Starter,
  type Submitted
} from './types';

/** An answer that is not what was agreed; it names the place. */
export class AnswerError extends Error {
  constructor(at: string, wanted: string) {
    super(`The server's answer is not as expected: ${at} is no ${wanted}.`);
    this.name = 'AnswerError';
  }
}

export type Parser<T> = (value: unknown, at: string) => T;

const text: Parser<string> = (value, at) => {
  if (typeof value !== 'string') {
    throw new AnswerError(at, 'text');
  }
  return value;
};

const number: Parser<number> = (value, at) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new AnswerError(at, 'number');
  }
  return value;
};

const flag: Parser<boolean> = (value, at) => {
  if (typeof value !== 'boolean') {
    throw new AnswerError(at, 'boolean');
  }
  return value;
};

/** An ISO time with its zone, as milliseconds. */
const time: Parser<number> = (value, at) => {
  const milliseconds = Date.parse(text(value, at));
  if (Number.isNaN(milliseconds)) {
    throw new AnswerError(at, 'time');
  }
  return milliseconds;
};

/** A web address; anything else (such as `javascript:`) becomes empty. */
export const webUrl: Parser<string> = (value, at) => {
  const url = text(value, at);
  return /^https?:\/\//i.test(url) ? url : '';
};

function nullable<T>(parser: Parser<T>): Parser<T | null> {
  return (value, at) => (value === null ? null : parser(value, at));
}

function listOf<T>(parser: Parser<T>): Parser<T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) {
      throw new AnswerError(at, 'list');
    }
    return value.map((item, index) => parser(item, `${at}[${index}]`));
  };
}

function recordOf<T>(parser: Parser<T>): Parser<Record<string, T>> {
  return (value, at) =>
    Object.fromEntries(
      Object.entries(members(value, at)).map(([key, item]) => [
        key,
        parser(item, `${at}.${key}`)
      ])
    );
}

function oneOf<T extends string>(choices: readonly T[]): Parser<T> {
  return (value, at) => {
    const found = choices.find(choice => choice === value);
    if (found === undefined) {
      throw new AnswerError(at, choices.join(' | '));
    }
    return found;
  };
}

/** An object: the field `webUrl` is read from the member `web_url`. */
function object<T>(fields: { [K in keyof T]: Parser<T[K]> }): Parser<T> {
  return (value, at) => {
    const found = members(value, at);
    const result: Partial<T> = {};
    for (const key of Object.keys(fields) as (keyof T & string)[]) {
      const member = key.replace(
        /[A-Z]/g,
        letter => `_${letter.toLowerCase()}`
      );
      result[key] = fields[key](found[member], `${at}.${member}`);
    }
    return result as T;
  };
}

function members(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AnswerError(at, 'object');
  }
  return value as Record<string, unknown>;
}

const progress = object<Progress>({
  percent: number,
  cellsTotal: nullable(number),
  cellCurrent: nullable(number)
});

const runFields = {
  id: text,
  name: text,
  project: text,
  owner: text,
  state: oneOf(RUN_STATES),
  stopping: flag,
  reason: text,
  message: text,
  queue: text,
  created: nullable(time),
  started: nullable(time),
  ended: nullable(time),
  progress: nullable(progress),
  worker: text,
  tags: listOf(text),
  notebook: flag,
  webUrl
};

export const parseRun = object<Run>(runFields);

export const parseRunPage = object<RunPage>({
  runs: listOf(parseRun),
  total: number
});

const runParameter = object<RunParameter>({
  section: text,
  name: text,
  value: text,
  type: text,
  help: text
});

const artifact = object<Artifact>({
  key: text,
  type: text,
  sizeBytes: nullable(number),
  input: flag,
  downloadable: flag,
  uri: webUrl
});

const failure = object<Failure>({
  reason: text,
  message: text,
  cell: nullable(number),
  ename: nullable(text),
  evalue: nullable(text),
  traceback: listOf(text)
});

export const parseRunDetails = object<RunDetails>({
  ...runFields,
  mayChange: flag,
  position: nullable(number),
  parameters: listOf(runParameter),
  artifacts: listOf(artifact),
  failure: nullable(failure)
});

const logLine = object<LogLine>({
  time: nullable(time),
  text,
  level: text
});

export const parseLogPage = object<LogPage>({
  lines: listOf(logLine),
  cursor: text,
  complete: flag
});

const series = object<Series>({
  metric: text,
  variant: text,
  x: listOf(nullable(number)),
  y: listOf(nullable(number))
});

export const parseScalars = object<Scalars>({
  series: listOf(series),
  values: recordOf(nullable(number))
});

const gpuOffer = object<GpuOffer>({
  node: text,
  model: text,
  memoryBytes: number,
  count: number,
  free: number,
  simulated: flag,
  migProfile: text
});

const nodeOffer = object<NodeOffer>({
  name: text,
  defaultGpus: number,
  cpuSlots: number,
  known: flag
});

const queue = object<Queue>({
  id: text,
  name: text,
  length: number,
  slots: number,
  freeSlots: number,
  defaultGpus: number,
  cpuSlots: number,
  gpus: listOf(gpuOffer),
  nodes: listOf(nodeOffer)
});

const parameterField = object<ParameterField>({
  name: text,
  type: oneOf(FIELD_TYPES),
  text,
  isNone: flag,
  help: text,
  choices: listOf(text),
  optional: flag,
  computed: flag
});

export const parseQueues = object<{ queues: Queue[] }>({
  queues: listOf(queue)
});

export const parseProjects = object<{ projects: string[] }>({
  projects: listOf(text)
});

export const parseParameters = object<{ parameters: ParameterField[] }>({
  parameters: listOf(parameterField)
});

export const parseSubmitted = object<Submitted>({
  taskId: text,
  queue: text,
  position: nullable(number),
  webUrl
});

export const parseSavedOutput = object<SavedOutput>({
  path: text,
  final: flag,
  changed: flag
});

const starter = object<Starter>({ name: text, title: text, description: text });

export const parseStarters = object<{ starters: Starter[] }>({
  starters: listOf(starter)
});

export const parseNewFile = object<{ path: string }>({ path: text });

/** What an error answer says; an answer without it is told by its status. */
export function parseRefusal(value: unknown): {
  message: string;
  code: string;
  fields: Record<string, string>;
} {
  const found =
    typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : {};
  const fields = found.fields;
  return {
    message: typeof found.message === 'string' ? found.message : '',
    code: typeof found.code === 'string' ? found.code : 'refused',
    fields:
      typeof fields === 'object' && fields !== null
        ? Object.fromEntries(
            Object.entries(fields).filter(
              (entry): entry is [string, string] => typeof entry[1] === 'string'
            )
          )
        : {}
  };
}
