import type { Place } from '../../src';

import { pathOf, placeOf } from '../router';

test.each<[string, Place]>([
  ['/', { kind: 'home' }],
  ['/dashboard', { kind: 'home' }],
  ['/projects', { kind: 'home' }],
  [
    '/projects/p1/experiments/t1/output/log',
    { kind: 'run', id: 't1', tab: 'log' }
  ],
  ['/projects/*/tasks/t1/output/log', { kind: 'run', id: 't1', tab: 'log' }],
  [
    '/projects/*/experiments/t1/info-output/metrics/scalar',
    { kind: 'run', id: 't1', tab: 'scalars' }
  ],
  [
    '/projects/p1/experiments/t1/hyper-params/hyper-param/Args',
    { kind: 'run', id: 't1', tab: 'parameters' }
  ],
  [
    '/projects/p1/experiments/t1/hyper-params/configuration/net',
    { kind: 'run', id: 't1', tab: 'configuration' }
  ],
  ['/pipelines/p1/experiments/t1', { kind: 'run', id: 't1', tab: 'overview' }],
  ['/tasks/t1', { kind: 'run', id: 't1', tab: 'overview' }],
  ['/datasets/simple/p1/experiments/d1', { kind: 'dataset', id: 'd1' }],
  ['/datasets', { kind: 'datasets' }],
  ['/projects/*/models/m1/general', { kind: 'model', id: 'm1' }],
  ['/projects/p1/models', { kind: 'project', id: 'p1', tab: 'models' }],
  ['/projects/p1/experiments', { kind: 'project', id: 'p1', tab: 'runs' }],
  ['/projects/*', { kind: 'project', id: '', tab: 'runs' }],
  [
    '/projects/p1/compare-experiments;ids=a,b/scalars/graph',
    { kind: 'compare', ids: ['a', 'b'], tab: 'scalars' }
  ],
  [
    '/projects/p1/compare-tasks;ids=a,b,a/details',
    { kind: 'compare', ids: ['a', 'b'], tab: 'parameters' }
  ],
  ['/workers-and-queues/workers', { kind: 'workers' }],
  ['/workers-and-queues/queues?id=q', { kind: 'queues' }],
  ['/no/such', { kind: 'missing' }],
  [
    '/projects/%E0%A4%A/experiments',
    { kind: 'project', id: '%E0%A4%A', tab: 'runs' }
  ]
])('%s means a place', (path, place) => {
  expect(placeOf(path)).toEqual(place);
});

const TABS = [
  'overview',
  'parameters',
  'configuration',
  'log',
  'scalars',
  'plots',
  'images',
  'artifacts'
] as const;

test.each<Place>([
  ...TABS.map(tab => ({ kind: 'run', id: 't/1', tab }) as const),
  { kind: 'project', id: 'p1', tab: 'models' },
  { kind: 'project', id: '', tab: 'runs' },
  { kind: 'compare', ids: ['a', 'b'], tab: 'metrics' },
  { kind: 'compare', ids: ['a', 'b'], tab: 'scalars' },
  { kind: 'model', id: 'm1' },
  { kind: 'dataset', id: 'd1' },
  { kind: 'datasets' },
  { kind: 'queues' },
  { kind: 'workers' }
])('the address of %o leads back to it', place => {
  expect(placeOf(pathOf(place))).toEqual(place);
});
