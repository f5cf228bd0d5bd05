/** Addresses of ClearML's pages, which its SDK prints, and the places that they mean. */

import type { CompareTab, Place, RunTab } from '../src';

const RUN_TABS: readonly (readonly [RegExp, RunTab])[] = [
  [/log$/i, 'log'],
  [/scalars?$/i, 'scalars'],
  [/plots?$/i, 'plots'],
  [/debug-?(images|samples)$/i, 'images'],
  [/configuration/i, 'configuration'],
  [/hyper-?params?/i, 'parameters'],
  [/artifacts/i, 'artifacts']
];

const RUN_ENDS: Record<RunTab, string> = {
  overview: 'general',
  parameters: 'hyper-params',
  configuration: 'hyper-params/configuration',
  log: 'output/log',
  scalars: 'output/metrics/scalar',
  plots: 'output/metrics/plots',
  images: 'output/debugImages',
  artifacts: 'artifacts'
};

const COMPARE_ENDS: Record<CompareTab, string> = {
  parameters: 'hyper-params',
  metrics: 'scalars/values',
  scalars: 'scalars/graph'
};

/** The place that an address means; `path` is what follows the server's base. */
export function placeOf(path: string): Place {
  const parts = path.split('?')[0].split('/').filter(Boolean).map(decoded);
  const [first = '', second = '', third = '', fourth = ''] = parts;
  switch (first) {
    case '':
    case 'dashboard':
      return { kind: 'home' };
    case 'projects':
      return second === '' ? { kind: 'home' } : inProject(second, parts);
    case 'pipelines':
      return fourth && isRun(third)
        ? run(fourth, parts.slice(4))
        : second
          ? project(second, 'runs')
          : { kind: 'home' };
    case 'datasets': {
      const at = parts.findIndex(isRun);
      return at > 0 && parts[at + 1]
        ? { kind: 'dataset', id: parts[at + 1] }
        : { kind: 'datasets' };
    }
    case 'tasks':
      return second ? run(second, parts.slice(2)) : { kind: 'home' };
    case 'workers-and-queues':
      return { kind: second === 'workers' ? 'workers' : 'queues' };
    default:
      return { kind: 'missing' };
  }
}

function inProject(id: string, parts: readonly string[]): Place {
  const [, , third = '', fourth = ''] = parts;
  const compared = /^compare-(?:experiments|tasks);ids=(.*)$/.exec(third);
  if (compared !== null) {
    return compare(compared[1].split(','), parts.slice(3));
  }
  if (isRun(third)) {
    return fourth ? run(fourth, parts.slice(4)) : project(id, 'runs');
  }
  if (third === 'models') {
    return fourth ? { kind: 'model', id: fourth } : project(id, 'models');
  }
  return project(id, 'runs');
}

function isRun(word: string): boolean {
  return word === 'experiments' || word === 'tasks';
}

function project(id: string, tab: 'runs' | 'models'): Place {
  return { kind: 'project', id: id === '*' ? '' : id, tab };
}

function run(id: string, rest: readonly string[]): Place {
  const end = rest.join('/');
  const found = RUN_TABS.find(([pattern]) => pattern.test(end));
  return { kind: 'run', id, tab: found?.[1] ?? 'overview' };
}

function compare(ids: readonly string[], rest: readonly string[]): Place {
  const end = rest.join('/');
  const tab = /values|metrics/.test(end)
    ? 'metrics'
    : /scalar|graph/.test(end)
      ? 'scalars'
      : 'parameters';
  return { kind: 'compare', ids: [...new Set(ids.filter(Boolean))], tab };
}

/** The address of a place, below the server's base. */
export function pathOf(place: Place): string {
  switch (place.kind) {
    case 'home':
    case 'missing':
      return '/projects';
    case 'project': {
      const base = `/projects/${encodeURIComponent(place.id || '*')}`;
      return `${base}/${place.tab === 'models' ? 'models' : 'experiments'}`;
    }
    case 'run':
      return `/projects/*/experiments/${encodeURIComponent(place.id)}/${RUN_ENDS[place.tab]}`;
    case 'compare': {
      const ids = place.ids.map(encodeURIComponent).join(',');
      return `/projects/*/compare-experiments;ids=${ids}/${COMPARE_ENDS[place.tab]}`;
    }
    case 'queues':
    case 'workers':
      return `/workers-and-queues/${place.kind}`;
    case 'datasets':
      return '/datasets';
    case 'dataset':
      return `/datasets/simple/*/experiments/${encodeURIComponent(place.id)}`;
    case 'model':
      return `/projects/*/models/${encodeURIComponent(place.id)}/general`;
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
