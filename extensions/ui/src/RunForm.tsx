import * as React from 'react';

import { messageOf, RequestError } from './client';
import { useServices } from './context';
import {
  checkForm,
  initialInput,
  NO_VALUES,
  type FormErrors,
  type FormValues
} from './form';
import { Files, TextField } from './FormFields';
import { GpuFields } from './GpuFields';
import { CHOICE_FIELDS } from './gpus';
import { ParameterInput } from './ParameterInput';
import { Skeleton } from './parts';
import { preferredQueue, QueueField, useQueues } from './QueueField';
import type { ParameterField } from './types';

/** What the form offers and asks; null where it is still being read. */
export interface FormChoices {
  readonly fields: readonly ParameterField[] | null;
  /** Why the parameters could not be read; empty if they could. */
  readonly fieldsError: string;
  readonly projects: readonly string[];
}

interface FormProps {
  readonly choices: FormChoices;
  readonly initial: Partial<FormValues>;
  /** Whether this is a new notebook's form (project, files, time limit) or a repeat. */
  readonly kind: 'submit' | 'again';
  /** Sends the form. What it rejects with is shown, and nothing typed is lost. */
  readonly onSubmit: (values: FormValues) => Promise<void>;
  readonly onCancel: () => void;
  readonly pickFiles?: (folders: boolean) => Promise<readonly string[]>;
}

/** The form "Run remotely" and "Run again". */
export function RunForm(props: FormProps): JSX.Element {
  const { trans } = useServices();
  const { choices, kind } = props;
  const fields = choices.fields ?? [];
  const queues = useQueues();
  const [values, setValues] = React.useState<FormValues>({
    ...NO_VALUES,
    ...props.initial
  });
  const [refused, setRefused] = React.useState<FormErrors>({});
  const [tried, setTried] = React.useState(false);
  const [busy, setBusy] = React.useState(false);
  const form = React.useRef<HTMLFormElement>(null);
  const base = React.useId();

  const set = (change: Partial<FormValues>): void => {
    setValues(old => ({ ...old, ...change }));
    setRefused(old => without(old, answeredBy(change)));
  };
  const chosenQueue = values.queue || preferredQueue(queues.value);
  const complete = { ...values, queue: chosenQueue };
  const queue = queues.value?.find(one => one.name === chosenQueue);
  // Nobody can be asked for what is not offered yet.
  const isReading =
    choices.fields === null || (queues.value === null && chosenQueue === '');
  const checked = checkForm(
    kind === 'again' ? { ...complete, project: 'as before' } : complete,
    fields,
    trans,
    queue
  );
  const errors: FormErrors = {
    ...(tried ? checked : edited(checked, values)),
    ...refused
  };

  const submit = async (event: React.FormEvent): Promise<void> => {
    event.preventDefault();
    setTried(true);
    if (busy || isReading) {
      return;
    }
    if (Object.keys(checked).length > 0) {
      focusError(form.current);
      return;
    }
    setBusy(true);
    setRefused({});
    try {
      await props.onSubmit(complete);
    } catch (error) {
      setBusy(false);
      setRefused(refusal(error, fields));
      requestAnimationFrame(() => focusError(form.current));
    }
  };
  const known = knownFields(fields);
  const general = Object.entries(errors).filter(([name]) => !known.has(name));
  return (
    <form
      className="wl-Form"
      ref={form}
      noValidate
      aria-busy={busy}
      onSubmit={event => void submit(event)}
    >
      <div className="wl-Form-body">
        <QueueField
          id={`${base}-queue`}
          queues={queues.value}
          unreadable={queues.error}
          chosen={chosenQueue}
          gpus={values}
          error={errors.queue ?? ''}
          onChange={queue => set({ queue })}
        />
        <GpuFields
          id={`${base}-gpu`}
          queue={queue}
          choice={values}
          errors={errors}
          onChange={set}
        />
        <div className="wl-Form-pair">
          <TextField
            id={`${base}-name`}
            label={trans.__('Name')}
            value={values.name}
            error={errors.name ?? ''}
            onChange={name => set({ name })}
          />
          {kind === 'submit' && (
            <TextField
              id={`${base}-project`}
              label={trans.__('Project')}
              value={values.project}
              error={errors.project ?? ''}
              suggestions={choices.projects}
              onChange={project => set({ project })}
            />
          )}
        </div>
        <Parameters
          base={base}
          choices={choices}
          values={values}
          errors={errors}
          onChange={(name, input) => {
            setValues(old => ({
              ...old,
              parameters: { ...old.parameters, [name]: input }
            }));
            setRefused(old => without(old, [`parameters.${name}`]));
          }}
        />
        {kind === 'submit' && (
          <>
            <Files
              values={values}
              error={errors.files ?? ''}
              pickFiles={props.pickFiles}
              onChange={files => set({ files })}
            />
            <TextField
              id={`${base}-limit`}
              label={trans.__('Time limit')}
              value={values.timeLimit}
              placeholder={trans.__('none')}
              help={trans.__(
                'Such as 45m, 2h or 1h30m; then the run is stopped.'
              )}
              error={errors.timeLimit ?? ''}
              onChange={timeLimit => set({ timeLimit })}
            />
          </>
        )}
        {general.length > 0 && (
          <div className="wl-Callout wl-Callout-failed" role="alert">
            {general.map(([name, message]) => (
              <div key={name}>{message}</div>
            ))}
          </div>
        )}
      </div>
      <footer className="wl-Form-buttons">
        <button type="button" className="wl-Button" onClick={props.onCancel}>
          {trans.__('Cancel')}
        </button>
        <button
          type="submit"
          className="wl-Button wl-mod-main"
          disabled={busy || isReading}
        >
          {busy
            ? trans.__('Submitting…')
            : kind === 'submit'
              ? trans.__('Run remotely')
              : trans.__('Run again')}
        </button>
      </footer>
    </form>
  );
}

function Parameters({
  base,
  choices,
  values,
  errors,
  onChange
}: {
  readonly base: string;
  readonly choices: FormChoices;
  readonly values: FormValues;
  readonly errors: FormErrors;
  readonly onChange: (
    name: string,
    input: FormValues['parameters'][string]
  ) => void;
}): JSX.Element {
  const { trans } = useServices();
  const { fields, fieldsError } = choices;
  return (
    <fieldset className="wl-Fieldset">
      <legend>{trans.__('Parameters')}</legend>
      {fieldsError && (
        <div className="wl-Error" role="alert">
          {fieldsError}
        </div>
      )}
      {fields === null && !fieldsError && <Skeleton rows={2} />}
      {fields?.length === 0 && (
        <div className="wl-Help">
          {trans.__(
            'None. Tag a cell with “parameters” and its variables can be set here.'
          )}
        </div>
      )}
      {fields?.map(field => (
        <ParameterInput
          key={field.name}
          id={`${base}-parameter-${field.name}`}
          field={field}
          input={values.parameters[field.name] ?? initialInput(field)}
          error={errors[`parameters.${field.name}`] ?? ''}
          onChange={input => onChange(field.name, input)}
        />
      ))}
    </fieldset>
  );
}

/** Only what is wrong in fields that were touched: nobody is scolded beforehand. */
function edited(errors: FormErrors, values: FormValues): FormErrors {
  return Object.fromEntries(
    Object.entries(errors).filter(
      ([name]) =>
        name.startsWith('parameters.') ||
        isChoiceField(name) ||
        (name === 'timeLimit' && values.timeLimit !== '')
    )
  );
}

function knownFields(fields: readonly ParameterField[]): ReadonlySet<string> {
  return new Set([
    'queue',
    'name',
    'project',
    'files',
    'timeLimit',
    ...CHOICE_FIELDS,
    ...fields.map(field => `parameters.${field.name}`)
  ]);
}

const OWN_NAMES: Readonly<Record<string, string>> = {
  time_limit_seconds: 'timeLimit',
  gpu_model: 'gpuModel',
  gpu_min_memory_gib: 'gpuMinMemory',
  mig_profile: 'migProfile'
};

/** What the server said, under the names of this form's fields. */
function refusal(
  error: unknown,
  fields: readonly ParameterField[]
): FormErrors {
  if (!(error instanceof RequestError)) {
    return { form: messageOf(error) };
  }
  const known = knownFields(fields);
  const found: Record<string, string> = {};
  for (const [name, message] of Object.entries(error.fields)) {
    const own = OWN_NAMES[name] ?? name;
    found[known.has(own) ? own : 'form'] = message;
  }
  return Object.keys(found).length > 0 ? found : { form: error.message };
}

/** The fields whose refusal a change may have mended. */
function answeredBy(change: Partial<FormValues>): readonly string[] {
  const names = Object.keys(change);
  return names.some(name => name === 'queue' || isChoiceField(name))
    ? [...names, ...CHOICE_FIELDS]
    : names;
}

function isChoiceField(name: string): boolean {
  return CHOICE_FIELDS.some(one => one === name);
}

function without(errors: FormErrors, names: readonly string[]): FormErrors {
  return Object.fromEntries(
    Object.entries(errors).filter(
      ([name]) => !names.includes(name) && name !== 'form'
    )
  );
}

function focusError(form: HTMLFormElement | null): void {
  requestAnimationFrame(() =>
    form?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  );
}
