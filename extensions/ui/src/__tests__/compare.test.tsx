import * as React from 'react';

import { act, fireEvent, render, screen, within } from '@testing-library/react';

import type { CatalogClient } from '../catalog';
import type { RunsClient } from '../client';
import { distinct, metricTable, overlaid, parameterDiff } from '../compare';
import { CompareView } from '../CompareView';
import { ServicesProvider } from '../context';
import { PagesProvider, type Place } from '../places';
import { RunsTable } from '../RunsTable';
import type { RunDetails, Scalars } from '../types';

import { plain, sampleRun } from './samples';

const refuse = (): Promise<never> => Promise.reject(new Error('not here'));

function details(id: string, rate: string | null): RunDetails {
  const parameter = { section: 'Args', type: '', help: '' };
  return {
    ...sampleRun({ id, name: 'train' }),
    mayChange: true,
    position: null,
    parameters: [
      ...(rate === null ? [] : [{ ...parameter, name: 'rate', value: rate }]),
      { ...parameter, name: 'epochs', value: '3' }
    ],
    artifacts: [],
    failure: null
  };
}

const curve = (y: (number | null)[]): Scalars => ({
  series: [{ metric: 'loss', variant: 'test', x: [0, 1], y }],
  values: { best: y[0] }
});

test('parameters that differ are told from those that do not', () => {
  const rows = parameterDiff([details('a', '0.1'), details('b', null)]);
  expect(rows).toEqual([
    { section: 'Args', name: 'rate', values: ['0.1', null], differs: true },
    { section: 'Args', name: 'epochs', values: ['3', '3'], differs: false }
  ]);
});

test('the last values that are numbers stand side by side', () => {
  expect(metricTable([curve([2, 1]), curve([4, null])])).toEqual([
    { metric: 'best', variant: '', values: [2, 4] },
    { metric: 'loss', variant: 'test', values: [1, 4] }
  ]);
});

test('runs of one name are told apart in charts', () => {
  const names = distinct(['train', 'test', 'train']);
  expect(names).toEqual(['train (1)', 'test', 'train (2)']);
  const [[title, series]] = overlaid(['x', 'y'], [curve([1]), curve([2])]);
  expect(title).toBe('loss / test');
  expect(series.map(one => one.variant)).toEqual(['x', 'y']);
});

function pages(
  catalog: Partial<CatalogClient>,
  gone: Place[] = []
): {
  wrap: (view: JSX.Element) => JSX.Element;
} {
  const client: Partial<RunsClient> = {
    getRun: id => Promise.resolve(details(id, id === 'a' ? '0.1' : '0.2')),
    scalars: () => Promise.resolve(curve([1, 2]))
  };
  return {
    wrap: view => (
      <ServicesProvider
        value={{
          client: client as RunsClient,
          trans: plain,
          actions: { openRun: () => undefined }
        }}
      >
        <PagesProvider
          value={{
            catalog: catalog as CatalogClient,
            href: place => `/at/${place.kind}`,
            go: place => gone.push(place),
            plotFrame: '/frame'
          }}
        >
          {view}
        </PagesProvider>
      </ServicesProvider>
    )
  };
}

test('a comparison first shows what differs, and all on request', async () => {
  const { wrap } = pages({});
  render(wrap(<CompareView ids={['a', 'b']} tab="parameters" />));
  await act(async () => undefined);
  const table = screen.getByRole('table', { name: 'Parameters' });
  expect(within(table).queryByRole('rowheader', { name: /epochs/ })).toBeNull();
  fireEvent.click(screen.getByRole('checkbox'));
  within(table).getByRole('rowheader', { name: /epochs/ });
});

test('two runs are chosen and lead to their comparison', async () => {
  const gone: Place[] = [];
  const { wrap } = pages(
    {
      runsOf: () =>
        Promise.resolve({
          items: [sampleRun({ id: 'a' }), sampleRun({ id: 'b' })],
          more: false
        })
    },
    gone
  );
  render(wrap(<RunsTable projectId="p" />));
  await act(async () => undefined);
  expect(screen.queryByRole('link', { name: /^Compare/ })).toBeNull();
  screen
    .getAllByRole('checkbox', { name: 'Compare train' })
    .forEach(box => fireEvent.click(box));
  fireEvent.click(screen.getByRole('link', { name: 'Compare 2' }));
  expect(gone).toEqual([
    { kind: 'compare', ids: ['a', 'b'], tab: 'parameters' }
  ]);
});

test('a list that fails says why, and is read again on request', async () => {
  let fails = true;
  const { wrap } = pages({
    runsOf: () =>
      fails ? refuse() : Promise.resolve({ items: [], more: false })
  });
  render(wrap(<RunsTable projectId="p" />));
  await act(async () => undefined);
  expect(screen.getByRole('alert').textContent).toContain('not here');
  fails = false;
  fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
  await act(async () => undefined);
  screen.getByText('No runs yet');
});
