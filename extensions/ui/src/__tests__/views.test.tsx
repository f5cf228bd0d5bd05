import * as React from 'react';

import { act, fireEvent, render, screen, within } from '@testing-library/react';

import { RequestError, type RunsClient } from '../client';
import { ServicesProvider, type RunActions } from '../context';
import { initialInput, type FormValues } from '../form';
import { RunListModel } from '../listModel';
import { RunForm } from '../RunForm';
import { RunsList } from '../RunsList';
import type { GpuChoice } from '../gpus';
import type { Queue } from '../types';
import {
  CountedRuns,
  plain,
  sampleField,
  sampleGpuQueue,
  sampleMixedQueue,
  sampleQueue
} from './samples';

let queue: Queue = sampleQueue();

let areQueuesRead = true;
const endless = new Promise<never>(() => undefined);

beforeEach(() => {
  queue = sampleQueue();
  areQueuesRead = true;
});

function lab(opened: string[] = []): {
  client: RunsClient;
  actions: RunActions;
} {
  const refuse = (): Promise<never> => Promise.reject(new Error('not here'));
  return {
    client: {
      listQueues: () => (areQueuesRead ? Promise.resolve([queue]) : endless),
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
  onSubmit: (values: FormValues) => Promise<void>,
  asked: Partial<GpuChoice> = {}
): Promise<void> {
  await show(
    <RunForm
      kind="submit"
      choices={{ fields: [field], fieldsError: '', projects: [] }}
      initial={{
        name: 'train',
        project: 'vision',
        ...asked,
        parameters: { epochs: initialInput(field) }
      }}
      onSubmit={onSubmit}
      onCancel={() => undefined}
    />
  );
}

const texts = (select: HTMLElement): (string | null)[] =>
  within(select)
    .getAllByRole('option')
    .map(option => option.textContent);

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

test('nobody is asked for a queue before there is one to choose', async () => {
  areQueuesRead = false;
  await showForm(() => Promise.resolve());
  const button = screen.getByRole<HTMLButtonElement>('button', {
    name: 'Run remotely'
  });
  expect(button.disabled).toBe(true);
  await submit();
  expect(screen.queryByText('Choose a queue.')).toBeNull();
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
  expect(texts(number)).toEqual(['Queue’s default (1)', '1', '2', '3', '4']);
  expect(texts(model)).toEqual([
    'Any',
    'A100 (80 GiB, simulated)  —  1 of 2 free',
    'L4 (22 GiB)  —  3 of 4 free'
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

test('nothing is asked of which the queue leaves no choice', async () => {
  const [gpus, nodes] = [sampleGpuQueue().gpus, sampleGpuQueue().nodes];
  queue = sampleGpuQueue({ gpus: gpus.slice(1), nodes: nodes.slice(1) });
  await showForm(() => Promise.resolve());
  expect(screen.getByLabelText('GPU model')).toBeTruthy();
  for (const label of ['Node', 'GPU memory', 'Whole GPUs or slices']) {
    expect(screen.queryByLabelText(label)).toBeNull();
  }
});

test('a queue of several nodes without GPUs asks for the node alone', async () => {
  const node = { defaultGpus: 0, cpuSlots: 2, known: true };
  queue = sampleQueue({
    nodes: [
      { ...node, name: 'one' },
      { ...node, name: 'two' }
    ]
  });
  const sent: FormValues[] = [];
  await showForm(async values => {
    sent.push(values);
  });
  expect(screen.queryByLabelText('GPUs')).toBeNull();
  const choice = screen.getByLabelText('Node');
  expect(texts(choice)).toEqual(['Any', 'one', 'two']);
  fireEvent.change(choice, { target: { value: 'two' } });
  await submit();
  expect(sent[0]).toMatchObject({ gpus: '', node: 'two' });
});

test('memory, slices and nodes are offered as the queue has them, and sent', async () => {
  queue = sampleMixedQueue();
  const sent: FormValues[] = [];
  await showForm(async values => {
    sent.push(values);
  });
  const memory = screen.getByLabelText('GPU memory');
  const slices = screen.getByLabelText('Whole GPUs or slices');
  const node = screen.getByLabelText('Node');
  expect(texts(memory)).toEqual(['Any', '80 GiB or more']);
  expect(texts(slices)).toEqual([
    'Whole GPUs  —  4 of 6 free',
    'Slices 1g.10gb  —  5 of 7 free'
  ]);
  expect(texts(node)).toEqual([
    'Any',
    'nlp  —  1 of 2 free',
    'vision  —  3 of 4 free',
    'cut',
    'cpu'
  ]);
  fireEvent.change(memory, { target: { value: '80' } });
  expect(screen.getByText(/1 such GPU is free on one node/)).toBeTruthy();
  fireEvent.change(slices, { target: { value: '1g.10gb' } });
  expect(memory.getAttribute('aria-invalid')).toBe('true');
  fireEvent.change(memory, { target: { value: '' } });
  expect(screen.queryByLabelText('GPU memory')).toBeNull();
  fireEvent.change(node, { target: { value: 'cut' } });
  fireEvent.change(screen.getByLabelText('Slices'), { target: { value: '6' } });
  expect(screen.getByText(/until 6 such slices are free/)).toBeTruthy();
  await submit();
  expect(sent[0]).toMatchObject({
    gpus: '6',
    gpuModel: '',
    node: 'cut',
    gpuMinMemory: '',
    migProfile: '1g.10gb'
  });
});

test('what was asked for stays a choice where the queue has it no more', async () => {
  await showForm(() => Promise.resolve(), {
    gpus: '2',
    gpuModel: 'H100',
    node: 'gone',
    gpuMinMemory: '39.5',
    migProfile: '3g.40gb'
  });
  const shown = ['Slices', 'GPU model', 'Node', 'GPU memory'].map(
    label => screen.getByLabelText<HTMLSelectElement>(label).value
  );
  expect(shown).toEqual(['2', 'H100', 'gone', '39.5']);
  expect(screen.getByText('39.5 GiB or more')).toBeTruthy();
  expect(screen.getByText('Slices 3g.40gb')).toBeTruthy();
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
  fireEvent.change(screen.getByLabelText('GPUs'), { target: { value: '2' } });
  expect(screen.queryByText('No GPU is a T4.')).toBeNull();
});

test('a refusal of a field that was not shown shows it', async () => {
  const nodes = sampleGpuQueue().nodes.slice(1);
  queue = sampleGpuQueue({ gpus: sampleGpuQueue().gpus.slice(1), nodes });
  await showForm(() =>
    Promise.reject(
      new RequestError('no', 'invalid', {
        node: 'It is gone.',
        gpu_min_memory_gib: 'Too much.',
        mig_profile: 'Not cut.'
      })
    )
  );
  await submit();
  for (const label of ['Node', 'GPU memory', 'Whole GPUs or slices']) {
    const shown = screen.getByLabelText(label);
    expect(shown.getAttribute('aria-invalid')).toBe('true');
  }
});
