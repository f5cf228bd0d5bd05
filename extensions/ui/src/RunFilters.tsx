import * as React from 'react';

import { useServices } from './context';
import { stateLabel } from './format';
import { usePolled } from './hooks';
import { CloseIcon, SearchIcon } from './icons';
import type { RunFilter, RunListModel } from './listModel';
import { RUN_STATES, type RunState } from './types';

const TYPING_MS = 250;
const CHOICES_MS = 30_000;

/** Whose runs, which, and words in their names. */
export function RunFilters({
  model,
  filter
}: {
  readonly model: RunListModel;
  readonly filter: RunFilter;
}): JSX.Element {
  const { trans, client } = useServices();
  const readChoices = React.useCallback(
    () => Promise.all([client.listQueues(), client.listProjects()]),
    [client]
  );
  const choices = usePolled(readChoices, CHOICES_MS, true).value;
  const queues = choices?.[0].map(queue => queue.name) ?? [];
  const projects = choices?.[1] ?? [];
  const whose = React.useId();
  return (
    <div
      className="wl-Filters"
      role="search"
      aria-label={trans.__('Filter runs')}
    >
      <SearchField
        text={filter.text}
        onChange={text => void model.setFilter({ text })}
      />
      <div
        className="wl-Segments"
        role="radiogroup"
        aria-label={trans.__('Whose runs')}
      >
        <Segment
          group={whose}
          label={trans.__('Mine')}
          chosen={filter.mine}
          onChoose={() => void model.setFilter({ mine: true })}
        />
        <Segment
          group={whose}
          label={trans.__('Everyone’s')}
          chosen={!filter.mine}
          onChoose={() => void model.setFilter({ mine: false })}
        />
      </div>
      <div className="wl-Filters-selects">
        <Choice
          label={trans.__('State')}
          value={filter.state}
          options={RUN_STATES.map(state => [
            state,
            stateLabel(state, false, trans)
          ])}
          onChange={state =>
            void model.setFilter({ state: state as RunState | '' })
          }
        />
        <Choice
          label={trans.__('Queue')}
          value={filter.queue}
          options={queues.map(name => [name, name])}
          onChange={queue => void model.setFilter({ queue })}
        />
        <Choice
          label={trans.__('Project')}
          value={filter.project}
          options={projects.map(name => [name, name])}
          onChange={project => void model.setFilter({ project })}
        />
      </div>
    </div>
  );
}

/** Words to look for, told on after a pause in typing. */
export function SearchField({
  text,
  onChange
}: {
  readonly text: string;
  readonly onChange: (text: string) => void;
}): JSX.Element {
  const { trans } = useServices();
  const [typed, setTyped] = React.useState(text);
  React.useEffect(() => setTyped(text), [text]);
  React.useEffect(() => {
    if (typed === text) {
      return undefined;
    }
    const timer = window.setTimeout(() => onChange(typed), TYPING_MS);
    return () => window.clearTimeout(timer);
    // Only typing starts the clock anew, not the owner's next render.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [typed]);
  return (
    <div className="wl-Search">
      <SearchIcon />
      <input
        type="text"
        className="wl-Search-input"
        value={typed}
        placeholder={trans.__('Search by name')}
        aria-label={trans.__('Search by name')}
        onChange={event => setTyped(event.target.value)}
        onKeyDown={event => {
          if (event.key === 'Escape' && typed) {
            setTyped('');
            event.stopPropagation();
          }
        }}
      />
      {typed && (
        <button
          type="button"
          className="wl-IconButton"
          aria-label={trans.__('Clear search')}
          title={trans.__('Clear search')}
          onClick={() => setTyped('')}
        >
          <CloseIcon />
        </button>
      )}
    </div>
  );
}

function Segment({
  group,
  label,
  chosen,
  onChoose
}: {
  readonly group: string;
  readonly label: string;
  readonly chosen: boolean;
  readonly onChoose: () => void;
}): JSX.Element {
  return (
    <label className={`wl-Segment ${chosen ? 'wl-mod-chosen' : ''}`}>
      <input
        type="radio"
        name={group}
        className="wl-Hidden"
        checked={chosen}
        onChange={onChoose}
      />
      {label}
    </label>
  );
}

/** One of a few values, or any. */
export function Choice({
  label,
  value,
  options,
  onChange
}: {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [string, string])[];
  readonly onChange: (value: string) => void;
}): JSX.Element {
  const { trans } = useServices();
  // A chosen value stays on show when the choices no longer hold it.
  const known = value === '' || options.some(([one]) => one === value);
  return (
    <select
      className={`wl-Select ${value ? 'wl-mod-set' : ''}`}
      aria-label={label}
      title={label}
      value={value}
      onChange={event => onChange(event.target.value)}
    >
      <option value="">{value ? trans.__('%1: any', label) : label}</option>
      {!known && <option value={value}>{value}</option>}
      {options.map(([one, text]) => (
        <option key={one} value={one}>
          {text}
        </option>
      ))}
    </select>
  );
}
