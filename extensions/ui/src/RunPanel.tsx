import * as React from 'react';

import { messageOf } from './client';
import { useServices } from './context';
import { usePolled } from './hooks';
import { AgainIcon, NotebookIcon, OutsideIcon, StopIcon } from './icons';
import { LogView } from './LogView';
import { Overview } from './Overview';
import { ArtifactsView, ParametersView } from './RunTables';
import { Notice, Skeleton, StateChip, Trouble } from './parts';
import { ScalarsView } from './ScalarsView';
import type { RunDetails } from './types';

const FRESH_MS = 2000;
const SETTLED_MS = 10_000;

type Tab = 'overview' | 'log' | 'scalars' | 'parameters' | 'artifacts';

/** One run, all of it, kept up to date while `visible`. */
export function RunPanel({
  id,
  visible,
  onChange
}: {
  readonly id: string;
  readonly visible: boolean;
  /** Called with each new reading. */
  readonly onChange?: (run: RunDetails) => void;
}): JSX.Element {
  const { client, trans } = useServices();
  const [interval, setInterval] = React.useState(FRESH_MS);
  const read = React.useCallback(() => client.getRun(id), [client, id]);
  const { value: run, error, refresh } = usePolled(read, interval, visible);
  React.useEffect(() => {
    if (run !== null) {
      setInterval(isOver(run) ? SETTLED_MS : FRESH_MS);
      onChange?.(run);
    }
  }, [run, onChange]);
  if (run === null) {
    return error ? (
      <Notice kind="error" title={trans.__('The run cannot be shown')}>
        {error}
      </Notice>
    ) : (
      <Skeleton rows={4} />
    );
  }
  return (
    <div className="wl-Panel">
      {error && <Trouble message={trans.__('Not up to date: %1', error)} />}
      <Header run={run} onAction={refresh} />
      <Tabs run={run} visible={visible} />
    </div>
  );
}

function Header({
  run,
  onAction
}: {
  readonly run: RunDetails;
  readonly onAction: () => void;
}): JSX.Element {
  const { actions, trans } = useServices();
  const [problem, setProblem] = React.useState('');
  const [busy, setBusy] = React.useState(false);
  const act = async (action: Promise<void>): Promise<void> => {
    setBusy(true);
    setProblem('');
    try {
      await action;
      onAction();
    } catch (error) {
      setProblem(messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  const live = run.state === 'running';
  return (
    <header className="wl-Panel-header">
      <div className="wl-Panel-title">
        <StateChip run={run} />
        <h1 className="wl-Panel-name" title={run.name}>
          {run.name}
        </h1>
      </div>
      <div className="wl-Panel-actions">
        {run.notebook && run.started !== null && (
          <button
            type="button"
            className="wl-Button wl-mod-main"
            disabled={busy}
            onClick={() => void act(actions.openOutput(run))}
          >
            <NotebookIcon />
            {live
              ? trans.__('Open live notebook')
              : trans.__('Open output notebook')}
          </button>
        )}
        {run.notebook && (
          <button
            type="button"
            className="wl-Button"
            onClick={() => actions.runAgain(run)}
          >
            <AgainIcon />
            {trans.__('Run again…')}
          </button>
        )}
        {(live || run.state === 'queued') && run.mayChange && (
          <button
            type="button"
            className="wl-Button wl-mod-warn"
            disabled={busy || run.stopping}
            onClick={() => void act(actions.abort(run))}
          >
            <StopIcon />
            {run.stopping ? trans.__('Stopping…') : trans.__('Abort')}
          </button>
        )}
        {run.webUrl && (
          <a
            className="wl-Button"
            href={run.webUrl}
            target="_blank"
            rel="noopener noreferrer"
          >
            <OutsideIcon />
            {trans.__('ClearML')}
          </a>
        )}
      </div>
      {problem && (
        <div className="wl-Callout wl-Callout-failed" role="alert">
          {problem}
        </div>
      )}
    </header>
  );
}

function Tabs({
  run,
  visible
}: {
  readonly run: RunDetails;
  readonly visible: boolean;
}): JSX.Element {
  const { trans } = useServices();
  const [tab, setTab] = React.useState<Tab>('overview');
  const base = React.useId();
  const live = run.state === 'running' || run.state === 'queued';
  const tabs: readonly (readonly [Tab, string])[] = [
    ['overview', trans.__('Overview')],
    ['log', trans.__('Log')],
    ['scalars', trans.__('Scalars')],
    ['parameters', counted(trans.__('Parameters'), run.parameters.length)],
    ['artifacts', counted(trans.__('Artifacts'), run.artifacts.length)]
  ];
  const bar = React.useRef<HTMLDivElement>(null);
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const at = tabs.findIndex(([name]) => name === tab);
    const next: Record<string, number> = {
      ArrowRight: (at + 1) % tabs.length,
      ArrowLeft: (at + tabs.length - 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1
    };
    if (event.key in next) {
      setTab(tabs[next[event.key]][0]);
      bar.current?.querySelectorAll('button')[next[event.key]].focus();
      event.preventDefault();
    }
  };
  return (
    <>
      <div
        className="wl-Tabs"
        role="tablist"
        aria-label={trans.__('About this run')}
        ref={bar}
        onKeyDown={onKeyDown}
      >
        {tabs.map(([name, label]) => (
          <button
            key={name}
            type="button"
            id={`${base}-${name}`}
            className={`wl-Tab ${name === tab ? 'wl-mod-current' : ''}`}
            role="tab"
            aria-selected={name === tab}
            aria-controls={`${base}-content`}
            tabIndex={name === tab ? 0 : -1}
            onClick={() => setTab(name)}
          >
            {label}
          </button>
        ))}
      </div>
      <div
        id={`${base}-content`}
        className="wl-Panel-content"
        role="tabpanel"
        aria-labelledby={`${base}-${tab}`}
      >
        {tab === 'overview' && <Overview run={run} />}
        {tab === 'log' && <LogView id={run.id} live={live} visible={visible} />}
        {tab === 'scalars' && (
          <ScalarsView id={run.id} live={live} visible={visible} />
        )}
        {tab === 'parameters' && <ParametersView run={run} />}
        {tab === 'artifacts' && <ArtifactsView run={run} />}
      </div>
    </>
  );
}

function counted(label: string, count: number): string {
  return count > 0 ? `${label} (${count})` : label;
}

function isOver(run: RunDetails): boolean {
  return run.state !== 'running' && run.state !== 'queued';
}
