/** The form "Run remotely" apart from its looks: what was typed, and what is sent. */

import type { Translate } from './context';
import type {
  FieldType,
  ParameterField,
  ParameterValues,
  Rerun,
  RunDetails,
  Submission
} from './types';

/** What a person did to a parameter; untouched ones keep the notebook's default. */
export interface FieldInput {
  readonly text: string;
  readonly isNone: boolean;
  readonly edited: boolean;
}

export interface FormValues {
  readonly queue: string;
  readonly name: string;
  readonly project: string;
  readonly timeLimit: string;
  readonly files: readonly string[];
  readonly parameters: Readonly<Record<string, FieldInput>>;
}

/** Messages by field: `queue`, `name`, `parameters.<name>`; `form` for the whole. */
export type FormErrors = Readonly<Record<string, string>>;

export const NO_VALUES: FormValues = {
  queue: '',
  name: '',
  project: '',
  timeLimit: '',
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
  trans: Translate
): FormErrors {
  const errors: Record<string, string> = {};
  if (!values.queue) {
    errors.queue = trans.__('Choose a queue.');
  }
  if (!values.name.trim()) {
    errors.name = trans.__('Give the run a name.');
  }
  if (!values.project.trim()) {
    errors.project = trans.__('Name a project; a new one is made if needed.');
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
    idempotencyKey
  };
}

export function rerunOf(
  values: FormValues,
  fields: readonly ParameterField[]
): Rerun {
  return {
    queue: values.queue,
    name: values.name.trim(),
    parameters: editedParameters(values, fields)
  };
}

/** The fields with which a run is run again: its own parameters and values. */
export function fieldsOfRun(run: RunDetails): ParameterField[] {
  return run.parameters
    .filter(parameter => parameter.section === 'Notebook')
    .map(parameter => ({
      name: parameter.name,
      type: fieldType(parameter.type),
      text: parameter.value,
      isNone: false,
      help: parameter.help,
      choices: [],
      optional: false,
      computed: false
    }));
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

function fieldType(type: string): FieldType {
  switch (type) {
    case 'int':
    case 'float':
    case 'bool':
    case 'str':
    case 'list':
    case 'dict':
      return type;
    default:
      return 'any';
  }
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
  if (field.type === 'int' && !/^[+-]?\d[\d_]*$/.test(text)) {
    return trans.__('Write a whole number.');
  }
  if (
    field.type === 'float' &&
    !/^[+-]?(inf|infinity|nan)$/i.test(text) &&
    (text === '' || Number.isNaN(Number(text.replace(/_/g, ''))))
  ) {
    return trans.__('Write a number.');
  }
  if (text === '' && ['list', 'dict', 'any'].includes(field.type)) {
    return trans.__('Write a Python value, such as [1, 2] or "text".');
  }
  return '';
}
