import * as React from 'react';

import { useServices } from './context';
import { CloseIcon } from './icons';
import type { FormValues } from './form';

/** A line of text with its label, help and error. */
export function TextField({
  id,
  label,
  value,
  error,
  help,
  placeholder,
  suggestions,
  onChange
}: {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly error: string;
  readonly help?: string;
  readonly placeholder?: string;
  readonly suggestions?: readonly string[];
  readonly onChange: (value: string) => void;
}): JSX.Element {
  return (
    <div className="wl-Field">
      <label htmlFor={id} className="wl-Field-label">
        {label}
      </label>
      <input
        id={id}
        type="text"
        className="wl-Input"
        value={value}
        placeholder={placeholder}
        autoComplete="off"
        list={suggestions ? `${id}-suggestions` : undefined}
        aria-invalid={error !== ''}
        aria-describedby={
          error ? `${id}-error` : help ? `${id}-help` : undefined
        }
        onChange={event => onChange(event.target.value)}
      />
      {suggestions && (
        <datalist id={`${id}-suggestions`}>
          {suggestions.map(one => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
      {help && (
        <div id={`${id}-help`} className="wl-Help">
          {help}
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

/** A choice among options (value and text) with its label and error. */
export function Select({
  id,
  label,
  value,
  error,
  options,
  onChange
}: {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly error: string;
  readonly options: readonly (readonly [string, string])[];
  readonly onChange: (value: string) => void;
}): JSX.Element {
  return (
    <div className="wl-Field">
      <label htmlFor={id} className="wl-Field-label">
        {label}
      </label>
      <select
        id={id}
        className="wl-Input wl-Select"
        value={value}
        aria-invalid={error !== ''}
        aria-describedby={error ? `${id}-error` : undefined}
        onChange={event => onChange(event.target.value)}
      >
        {options.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
      {error && (
        <div id={`${id}-error`} className="wl-Error" role="alert">
          {error}
        </div>
      )}
    </div>
  );
}

/** The files that go along with a notebook. */
export function Files({
  values,
  error,
  pickFiles,
  onChange
}: {
  readonly values: FormValues;
  readonly error: string;
  readonly pickFiles?: (folders: boolean) => Promise<readonly string[]>;
  readonly onChange: (files: readonly string[]) => void;
}): JSX.Element {
  const { trans } = useServices();
  const add = async (folders: boolean): Promise<void> => {
    const picked = (await pickFiles?.(folders)) ?? [];
    onChange([...new Set([...values.files, ...picked])]);
  };
  return (
    <fieldset className="wl-Fieldset">
      <legend>{trans.__('Side files')}</legend>
      {values.files.length === 0 && (
        <div className="wl-Help">
          {trans.__(
            'Modules and data that the notebook reads from this folder go along only if you add them.'
          )}
        </div>
      )}
      {values.files.length > 0 && (
        <ul className="wl-Files">
          {values.files.map(file => (
            <li key={file} className="wl-File">
              <span className="wl-File-name" title={file}>
                {file || '/'}
              </span>
              <button
                type="button"
                className="wl-IconButton"
                title={trans.__('Remove')}
                aria-label={trans.__('Remove %1', file)}
                onClick={() =>
                  onChange(values.files.filter(one => one !== file))
                }
              >
                <CloseIcon />
              </button>
            </li>
          ))}
        </ul>
      )}
      {pickFiles && (
        <div className="wl-Files-add">
          <button
            type="button"
            className="wl-Button"
            onClick={() => void add(false)}
          >
            {trans.__('Add files…')}
          </button>
          <button
            type="button"
            className="wl-Button"
            onClick={() => void add(true)}
          >
            {trans.__('Add folder…')}
          </button>
        </div>
      )}
      {error && (
        <div className="wl-Error" role="alert">
          {error}
        </div>
      )}
    </fieldset>
  );
}
