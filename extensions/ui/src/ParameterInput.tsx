import * as React from 'react';

import { useServices } from './context';
import { initialInput, type FieldInput } from './form';
import type { ParameterField } from './types';

/** The control for one parameter, of its type. */
export function ParameterInput({
  field,
  input,
  id,
  error,
  onChange
}: {
  readonly field: ParameterField;
  readonly input: FieldInput;
  readonly id: string;
  readonly error: string;
  readonly onChange: (input: FieldInput) => void;
}): JSX.Element {
  const { trans } = useServices();
  const set = (text: string): void =>
    onChange({ text, isNone: false, edited: true });
  const described = [field.help ? `${id}-help` : '', error ? `${id}-error` : '']
    .join(' ')
    .trim();
  const common = {
    id,
    className: 'wl-Input',
    'aria-invalid': error !== '',
    'aria-describedby': described || undefined
  };
  return (
    <div className="wl-Field wl-Field-parameter">
      <label htmlFor={id} className="wl-Field-label" title={field.name}>
        <span className="wl-Code">{field.name}</span>
        <span className="wl-Dim wl-Field-type">{typeLabel(field)}</span>
      </label>
      <div className="wl-Field-control">
        {field.choices.length > 0 ? (
          <Choices
            field={field}
            input={input}
            common={common}
            onChange={onChange}
          />
        ) : field.type === 'bool' && !field.optional && !field.computed ? (
          <input
            {...common}
            type="checkbox"
            className="wl-Checkbox"
            checked={input.text === 'True'}
            onChange={event => set(event.target.checked ? 'True' : 'False')}
          />
        ) : field.type === 'bool' ? (
          <Choices
            field={{ ...field, choices: ['True', 'False'] }}
            input={input}
            common={common}
            onChange={onChange}
          />
        ) : (
          <>
            <input
              {...common}
              type="text"
              inputMode={numeric(field) ? 'decimal' : undefined}
              className={`wl-Input ${field.type === 'str' ? '' : 'wl-Code'}`}
              value={input.isNone ? '' : input.text}
              placeholder={placeholder(field, input)}
              spellCheck={false}
              autoComplete="off"
              onChange={event => set(event.target.value)}
            />
            {field.optional && (
              <label className="wl-None">
                <input
                  type="checkbox"
                  checked={input.isNone}
                  onChange={event =>
                    onChange({
                      text: input.text,
                      isNone: event.target.checked,
                      edited: true
                    })
                  }
                />
                None
              </label>
            )}
          </>
        )}
        {input.edited && (
          <button
            type="button"
            className="wl-Link wl-Reset"
            title={trans.__('Back to the notebook’s value')}
            aria-label={trans.__(
              'Back to the notebook’s value of %1',
              field.name
            )}
            onClick={() => onChange(initialInput(field))}
          >
            {trans.__('Reset')}
          </button>
        )}
      </div>
      {field.help && (
        <div id={`${id}-help`} className="wl-Help">
          {field.help}
        </div>
      )}
      {error && (
        <div id={`${id}-error`} className="wl-Error" role="alert">
          {error}
        </div>
      )}
    </div>
  );
}

function Choices({
  field,
  input,
  common,
  onChange
}: {
  readonly field: ParameterField;
  readonly input: FieldInput;
  readonly common: React.SelectHTMLAttributes<HTMLSelectElement>;
  readonly onChange: (input: FieldInput) => void;
}): JSX.Element {
  const chosen = input.isNone ? -1 : field.choices.indexOf(input.text);
  return (
    <select
      {...common}
      className="wl-Input wl-Select"
      value={chosen}
      onChange={event => {
        const index = Number(event.target.value);
        onChange(
          index < 0
            ? { text: '', isNone: field.optional, edited: field.optional }
            : { text: field.choices[index], isNone: false, edited: true }
        );
      }}
    >
      {(field.optional || chosen < 0) && (
        <option value={-1}>{field.optional ? 'None' : field.text}</option>
      )}
      {field.choices.map((choice, index) => (
        <option key={choice} value={index}>
          {choice}
        </option>
      ))}
    </select>
  );
}

function placeholder(field: ParameterField, input: FieldInput): string {
  if (input.isNone) {
    return 'None';
  }
  return field.computed ? field.text : '';
}

function numeric(field: ParameterField): boolean {
  return field.type === 'int' || field.type === 'float';
}

function typeLabel(field: ParameterField): string {
  if (field.choices.length > 0) {
    return '';
  }
  return field.type === 'any' ? '' : field.type;
}
