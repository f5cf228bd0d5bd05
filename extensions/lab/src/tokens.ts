import { Token } from '@lumino/coreutils';

import type { RunListModel, RunsClient, Starter, ParameterField } from './ui';

/** Gives access to runs, queues and starters of this lab. */
export interface LabClient extends RunsClient {
  /** The parameters of a notebook in the editor (its cells, without outputs). */
  parametersOf(notebook: object): Promise<readonly ParameterField[]>;
  /** The parameters of a notebook by its path. */
  parametersIn(path: string): Promise<readonly ParameterField[]>;
  /** The parameters of a run's notebook, with the values that the run had. */
  parametersOfRun(id: string): Promise<readonly ParameterField[]>;
  listStarters(): Promise<readonly Starter[]>;
  /** Copies a starter into a folder under a free name; gives the new path. */
  copyStarter(name: string, folder: string): Promise<string>;
}

export const ILabClient = new Token<LabClient>(
  '@waylab/lab:ILabClient',
  'Access to runs and queues'
);

/** What other plugins may do with the list of runs. */
export interface RunsBoard {
  readonly model: RunListModel;
  /** Fetches the list at once, since something has changed. */
  refresh(): void;
}

export const IRunsBoard = new Token<RunsBoard>(
  '@waylab/lab:IRunsBoard',
  'The list of runs in the sidebar'
);

export const CommandIds = {
  runRemotely: 'waylab:run-remotely',
  runFileRemotely: 'waylab:run-file-remotely',
  showRuns: 'waylab:show-runs',
  openRun: 'waylab:open-run',
  openOutput: 'waylab:open-output',
  runAgain: 'waylab:run-again',
  abortRun: 'waylab:abort-run',
  newFromStarter: 'waylab:new-from-starter'
} as const;

/** The domain under which the texts are translated. */
export const TRANSLATION_DOMAIN = 'waylab_lab';
