/** The form "Run remotely" apart from its looks: what was typed, and what is sent. */

import type { Translate } from './context';
import { checkGpus, NO_CHOICE, wishOf, type GpuChoice } from './gpus';
import type {
  ParameterField,
  ParameterValues,
  Queue,
  Rerun,
  Submission
} from './types';

/** What a person did to a parameter; untouched ones keep the notebook's default. */
export interface FieldInput {
  readonly text: string;
  readonly isNone: boolean;
  readonly edited: boolean;
}

export interface FormValues extends GpuChoice {
  readonly queue: string;
  readonly name: string;
  readonly project: string;
  readonly timeLimit: string;
  readonly files: readonly string[];
  readonly parameters: Readonly<Record<string, FieldInput>>;
}

/** ClearML takes no shorter names, of runs or of projects. */
export const MIN_NAME = 3;

/** Messages by field: `queue`, `name`, `parameters.<name>`; `form` for the whole. */
export type FormErrors = Readonly<Record<string, string>>;

export const NO_VALUES: FormValues = {
  queue: '',
  name: '',
  project: '',
  timeLimit: '',
  ...NO_CHOICE,
  files: [],
  parameters: {}
};

/** How a parameter's field begins. */
export function initialInput(field: ParameterField): FieldInput {
  return {
    text: field.isNone || field.computed ? '' : field.text,
    isNone: field.isNone && field.optional,
    edited: false
  };
}

/** What is wrong with the form so far; empty if nothing is. The server checks again. */
export function checkForm(
  values: FormValues,
  fields: readonly ParameterField[],
  trans: Translate,
  queue?: Queue
): FormErrors {
  const errors: Record<string, string> = checkGpus(values, queue, trans);
  if (!values.queue) {
    errors.queue = trans.__('Choose a queue.');
  }
  if (values.name.trim().length < MIN_NAME) {
    errors.name = trans.__(
      'Give the run a name of %1 letters or more.',
      MIN_NAME
    );
  }
  if (values.project.trim().length < MIN_NAME) {
    errors.project = trans.__(
      'Name a project with %1 letters or more; a new one is made if needed.',
      MIN_NAME
    );
  }
  if (values.timeLimit.trim() && parseTimeLimit(values.timeLimit) === null) {
    errors.timeLimit = trans.__(
      'Write a length of time such as 45m, 2h or 1h30m.'
    );
  }
  for (const field of fields) {
    const input = values.parameters[field.name];
    const problem = input?.edited ? checkInput(field, input, trans) : '';
    if (problem) {
      errors[`parameters.${field.name}`] = problem;
    }
  }
  return errors;
}

/** The values of the parameters that were edited, as the server takes them. */
export function editedParameters(
  values: FormValues,
  fields: readonly ParameterField[]
): ParameterValues {
  const edited: Record<string, string | boolean | null> = {};
  for (const field of fields) {
    const input = values.parameters[field.name];
    if (input?.edited) {
      edited[field.name] = sentValue(field, input);
    }
  }
  return edited;
}

export function submissionOf(
  path: string,
  values: FormValues,
  fields: readonly ParameterField[],
  idempotencyKey: string
): Submission {
  return {
    path,
    queue: values.queue,
    name: values.name.trim(),
    project: values.project.trim(),
    parameters: editedParameters(values, fields),
    files: values.files,
    timeLimitSeconds: parseTimeLimit(values.timeLimit),
    ...wishOf(values),
    idempotencyKey
  };
}

export function rerunOf(
  values: FormValues,
  fields: readonly ParameterField[],
  idempotencyKey: string
): Rerun {
  return {
    idempotencyKey,
    queue: values.queue,
    name: values.name.trim(),
    parameters: editedParameters(values, fields),
    ...wishOf(values)
  };
}

/** Seconds of `90` (minutes), `45s`, `30m`, `2h`, `1h30m`, `1d`; null if it is none. */
export function parseTimeLimit(text: string): number | null {
  const bare = text.replace(/\s+/g, '').toLowerCase();
  if (/^\d+(\.\d+)?$/.test(bare)) {
    return positive(Number(bare) * 60);
  }
  const parts = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?$/.exec(
    bare
  );
  if (!bare || parts === null) {
    return null;
  }
  const [days, hours, minutes, seconds] = parts
    .slice(1)
    .map(part => Number(part ?? 0));
  return positive(((days * 24 + hours) * 60 + minutes) * 60 + seconds);
}

function positive(seconds: number): number | null {
  return seconds >= 1 ? Math.round(seconds) : null;
}

function sentValue(
  field: ParameterField,
  input: FieldInput
): string | boolean | null {
  if (input.isNone) {
    return null;
  }
  if (field.type === 'bool') {
    return input.text === 'True';
  }
  return input.text;
}

function checkInput(
  field: ParameterField,
  input: FieldInput,
  trans: Translate
): string {
  const text = input.text.trim();
  if (input.isNone || field.choices.length > 0) {
    return '';
  }
  const number = text === '' ? NaN : Number(text.replace(/_/g, ''));
  // Too large for a float here is not too large there.
  if (
    field.type === 'int' &&
    !/^[+-]?\d[\d_]*$/.test(text) &&
    !Number.isInteger(number)
  ) {
    return trans.__('Write a whole number.');
  }
  if (
    field.type === 'float' &&
    !/^[+-]?(inf|infinity|nan)$/i.test(text) &&
    Number.isNaN(number)
  ) {
    return trans.__('Write a number.');
  }
  if (field.type === 'list' && !/^[[(].*[\])]$/s.test(text)) {
    return trans.__('Write a list, such as [1, 2].');
  }
  if (field.type === 'dict' && !/^\{.*\}$/s.test(text)) {
    return trans.__('Write a dictionary, such as {"a": 1}.');
  }
  return '';
}
