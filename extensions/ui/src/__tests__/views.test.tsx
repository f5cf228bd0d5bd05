import * as React from 'react';

import { act, fireEvent, render, screen, within } from '@testing-library/react';

import { RequestError, type RunsClient } from '../client';
import { ServicesProvider, type RunActions } from '../context';
import { initialInput, type FormValues } from '../form';
import { RunListModel } from '../listModel';
import { RunForm } from '../RunForm';
import { RunsList } from '../RunsList';
import type { Queue } from '../types';
import {
  CountedRuns,
  plain,
  sampleField,
  sampleGpuQueue,
  sampleQueue
} from './samples';

let queue: Queue = sampleQueue();

beforeEach(() => {
  queue = sampleQueue();
});

function lab(opened: string[] = []): {
  client: RunsClient;
  actions: RunActions;
} {
  const refuse = (): Promise<never> => Promise.reject(new Error('not here'));
  return {
    client: {
      listQueues: () => Promise.resolve([queue]),
      listProjects: () => Promise.resolve(['vision']),
      listRuns: refuse,
      getRun: refuse,
      readLog: refuse,
      scalars: refuse,
      submit: refuse,
      rerun: refuse,
      abort: refuse,
      saveOutput: refuse,
      artifactUrl: () => ''
    },
    actions: {
      openRun: run => opened.push(run.id),
      openOutput: refuse,
      runAgain: () => undefined,
      abort: refuse
    }
  };
}

async function show(view: JSX.Element, opened: string[] = []): Promise<void> {
  render(
    <ServicesProvider value={{ ...lab(opened), trans: plain }}>
      {view}
    </ServicesProvider>
  );
  await act(async () => undefined);
}

const field = sampleField();

async function showForm(
  onSubmit: (values: FormValues) => Promise<void>
): Promise<void> {
  await show(
    <RunForm
      kind="submit"
      choices={{ fields: [field], fieldsError: '', projects: [] }}
      initial={{
        name: 'train',
        project: 'vision',
        parameters: { epochs: initialInput(field) }
      }}
      onSubmit={onSubmit}
      onCancel={() => undefined}
    />
  );
}

const submit = (): Promise<void> =>
  act(async () => {
    fireEvent.click(screen.getByRole('button', { name: 'Run remotely' }));
  });

test('a refused form shows the reason at its field and keeps what was typed', async () => {
  await showForm(() =>
    Promise.reject(
      new RequestError('no', 'invalid', {
        'parameters.epochs': 'epochs is too many.',
        somewhere: 'The disk is full.'
      })
    )
  );
  const input = screen.getByRole('textbox', { name: /epochs/ });
  fireEvent.change(input, { target: { value: '999' } });
  await submit();
  expect(
    screen.getByRole<HTMLInputElement>('textbox', { name: /epochs/ }).value
  ).toBe('999');
  expect(input.getAttribute('aria-invalid')).toBe('true');
  expect(screen.getByText('epochs is too many.').id).toBe(
    input.getAttribute('aria-describedby')
  );
  expect(screen.getByText('The disk is full.')).toBeTruthy();
  fireEvent.change(input, { target: { value: '9' } });
  expect(screen.queryByText('epochs is too many.')).toBeNull();
});

test('a form with an error of its own is not sent', async () => {
  let sent = 0;
  await showForm(async () => {
    sent += 1;
  });
  fireEvent.change(screen.getByRole('textbox', { name: /epochs/ }), {
    target: { value: 'x' }
  });
  await submit();
  expect(sent).toBe(0);
  expect(screen.getByText('Write a whole number.')).toBeTruthy();
});

test('the queue tells its length and its free slots', async () => {
  await showForm(() => Promise.resolve());
  expect(screen.getByText(/nlp.*2 waiting, 1 of 4 slots free/)).toBeTruthy();
  expect(screen.getByText('Will be number 3 in this queue.')).toBeTruthy();
});

test('of a long list only the rows in view are in the page', async () => {
  const server = new CountedRuns(1000);
  const model = new RunListModel(server, 50);
  await show(<RunsList model={model} />);
  await act(() => model.refresh());
  const rows = within(screen.getByRole('listbox')).getAllByRole('option');
  expect(rows.length).toBeLessThan(40);
  expect(rows[0].getAttribute('aria-setsize')).toBe('1000');
});

test('the list is walked and opened by keys', async () => {
  const opened: string[] = [];
  const model = new RunListModel(new CountedRuns(10), 50);
  await show(<RunsList model={model} />, opened);
  await act(() => model.refresh());
  const list = screen.getByRole('listbox');
  fireEvent.keyDown(list, { key: 'ArrowDown' });
  fireEvent.keyDown(list, { key: 'ArrowDown' });
  fireEvent.keyDown(list, { key: 'Enter' });
  expect(opened).toEqual(['run-2']);
});

test('an empty list tells how to fill it', async () => {
  const model = new RunListModel(new CountedRuns(0), 50);
  await show(<RunsList model={model} />);
  await act(() => model.refresh());
  expect(screen.getByText('No runs yet')).toBeTruthy();
});

test('a queue without GPUs asks for none', async () => {
  await showForm(() => Promise.resolve());
  expect(screen.queryByLabelText('GPUs')).toBeNull();
});

test('number and model of GPUs are offered as the queue has them, and sent', async () => {
  queue = sampleGpuQueue();
  const sent: FormValues[] = [];
  await showForm(async values => {
    sent.push(values);
  });
  const number = screen.getByLabelText('GPUs');
  const model = screen.getByLabelText('GPU model');
  const texts = (select: HTMLElement): (string | null)[] =>
    within(select)
      .getAllByRole('option')
      .map(option => option.textContent);
  expect(texts(number)).toEqual(['Queue’s default (1)', '1', '2', '3', '4']);
  expect(texts(model)).toEqual([
    'Any',
    'A100 (80 GiB, simulated)  —  1 of 2 free',
    'L4 (24 GiB)  —  3 of 4 free'
  ]);
  fireEvent.change(number, { target: { value: '4' } });
  expect(screen.getByText(/Waits until 4 such GPUs are free/)).toBeTruthy();
  fireEvent.change(model, { target: { value: 'A100' } });
  expect(number.getAttribute('aria-invalid')).toBe('true');
  await submit();
  expect(sent).toEqual([]);
  fireEvent.change(number, { target: { value: '1' } });
  expect(screen.getByText(/1 such GPU is free on one node/)).toBeTruthy();
  await submit();
  expect(sent[0]).toMatchObject({ gpus: '1', gpuModel: 'A100' });
});

test('a refusal of the GPUs is shown at their field', async () => {
  queue = sampleGpuQueue();
  await showForm(() =>
    Promise.reject(
      new RequestError('no', 'invalid', { gpu_model: 'No GPU is a T4.' })
    )
  );
  await submit();
  expect(screen.getByText('No GPU is a T4.')).toBeTruthy();
  const model = screen.getByLabelText('GPU model');
  expect(model.getAttribute('aria-invalid')).toBe('true');
});
