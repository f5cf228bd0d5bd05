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
import { TabBar } from './TabBar';
import type { RunDetails } from './types';

const FRESH_MS = 2000;
const SETTLED_MS = 10_000;

/** A tab that a host adds to those that every host has. */
export interface MoreTab {
  readonly name: string;
  readonly label: string;
  view(run: { id: string; live: boolean }): JSX.Element;
}

const NO_MORE: readonly MoreTab[] = [];

/** One run, all of it, kept up to date while `visible`. */
export function RunPanel({
  id,
  visible,
  onChange,
  more = NO_MORE,
  tab,
  onTab
}: {
  readonly id: string;
  readonly visible: boolean;
  /** Called with each new reading. */
  readonly onChange?: (run: RunDetails) => void;
  readonly more?: readonly MoreTab[];
  /** The tab to show, where the host keeps it; else the panel does. */
  readonly tab?: string;
  readonly onTab?: (tab: string) => void;
}): JSX.Element {
  const { client, trans } = useServices();
  const [interval, setInterval] = React.useState(FRESH_MS);
  const [own, setOwn] = React.useState('overview');
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
      <Tabs
        run={run}
        visible={visible}
        more={more}
        tab={tab ?? own}
        onTab={onTab ?? setOwn}
      />
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
  const { trans, actions } = useServices();
  const { openOutput, runAgain, abort } = actions;
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
        {openOutput && run.notebook && run.started !== null && (
          <button
            type="button"
            className="wl-Button wl-mod-main"
            disabled={busy}
            onClick={() => void act(openOutput(run))}
          >
            <NotebookIcon />
            {live
              ? trans.__('Open live notebook')
              : trans.__('Open output notebook')}
          </button>
        )}
        {runAgain && run.notebook && (
          <button
            type="button"
            className="wl-Button"
            onClick={() => runAgain(run)}
          >
            <AgainIcon />
            {trans.__('Run again…')}
          </button>
        )}
        {abort && (live || run.state === 'queued') && run.mayChange && (
          <button
            type="button"
            className="wl-Button wl-mod-warn"
            disabled={busy || run.stopping}
            onClick={() => void act(abort(run))}
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
  visible,
  more,
  tab,
  onTab
}: {
  readonly run: RunDetails;
  readonly visible: boolean;
  readonly more: readonly MoreTab[];
  readonly tab: string;
  readonly onTab: (tab: string) => void;
}): JSX.Element {
  const { trans } = useServices();
  const live = run.state === 'running' || run.state === 'queued';
  const tabs: readonly (readonly [string, string])[] = [
    ['overview', trans.__('Overview')],
    ['log', trans.__('Log')],
    ['scalars', trans.__('Scalars')],
    ['parameters', counted(trans.__('Parameters'), run.parameters.length)],
    ['artifacts', counted(trans.__('Artifacts'), run.artifacts.length)],
    ...more.map(one => [one.name, one.label] as const)
  ];
  return (
    <TabBar
      label={trans.__('About this run')}
      tabs={tabs}
      current={tab}
      onChoose={onTab}
    >
      {tab === 'overview' && <Overview run={run} />}
      {tab === 'log' && <LogView id={run.id} live={live} visible={visible} />}
      {tab === 'scalars' && (
        <ScalarsView id={run.id} live={live} visible={visible} />
      )}
      {tab === 'parameters' && <ParametersView run={run} />}
      {tab === 'artifacts' && <ArtifactsView run={run} />}
      {more.find(one => one.name === tab)?.view({ id: run.id, live })}
    </TabBar>
  );
}

function counted(label: string, count: number): string {
  return count > 0 ? `${label} (${count})` : label;
}

function isOver(run: RunDetails): boolean {
  return run.state !== 'running' && run.state !== 'queued';
}
