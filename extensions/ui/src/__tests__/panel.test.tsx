import * as React from 'react';

import { act, render, screen } from '@testing-library/react';

import type { RunsClient } from '../client';
import { ServicesProvider, type RunActions } from '../context';
import { RunPanel } from '../RunPanel';
import type { RunDetails } from '../types';
import { plain, sampleRun } from './samples';

async function show(change: Partial<RunDetails>): Promise<void> {
  const run: RunDetails = {
    ...sampleRun(),
    mayChange: true,
    position: null,
    parameters: [],
    artifacts: [],
    failure: null,
    ...change
  };
  const refuse = (): Promise<never> => Promise.reject(new Error('not here'));
  const client: RunsClient = {
    listQueues: refuse,
    listProjects: refuse,
    listRuns: refuse,
    getRun: () => Promise.resolve(run),
    readLog: refuse,
    scalars: refuse,
    submit: refuse,
    rerun: refuse,
    abort: refuse,
    saveOutput: refuse,
    artifactUrl: () => ''
  };
  const actions: RunActions = {
    openRun: () => undefined,
    openOutput: refuse,
    runAgain: () => undefined,
    abort: refuse
  };
  render(
    <ServicesProvider value={{ client, actions, trans: plain }}>
      <RunPanel id={run.id} visible={true} />
    </ServicesProvider>
  );
  await act(async () => undefined);
}

test('a run is aborted by whom the server would let, whoever started it', async () => {
  await show({ state: 'running', owner: 'grace', mayChange: true });
  expect(screen.getByRole('button', { name: 'Abort' })).toBeTruthy();
});

test('no abort is offered where the server would refuse it, nor after the end', async () => {
  await show({ state: 'running', mayChange: false });
  await show({ state: 'completed', mayChange: true });
  expect(screen.queryAllByRole('button', { name: 'Abort' })).toEqual([]);
});

test('the failed cell has the number that the message gives it', async () => {
  await show({
    state: 'failed',
    failure: {
      reason: 'cell-error',
      message: 'Cell 4 failed: ValueError',
      cell: 4,
      ename: 'ValueError',
      evalue: '',
      traceback: ['Traceback', 'ValueError']
    }
  });
  expect(screen.getByText('Traceback of cell 4')).toBeTruthy();
});
