/** How runs differ. Pure. */

import type { RunDetails, Scalars, Series } from './types';

/** One value of each run; null where a run has none. */
export interface DiffRow {
  readonly section: string;
  readonly name: string;
  readonly values: readonly (string | null)[];
  readonly differs: boolean;
}

/** The parameters of runs side by side, in the order of the first that has them. */
export function parameterDiff(runs: readonly RunDetails[]): DiffRow[] {
  const rows = new Map<string, { section: string; name: string }>();
  for (const run of runs) {
    for (const { section, name } of run.parameters) {
      rows.set(JSON.stringify([section, name]), { section, name });
    }
  }
  return [...rows.values()].map(({ section, name }) => {
    const values = runs.map(
      run =>
        run.parameters.find(one => one.section === section && one.name === name)
          ?.value ?? null
    );
    return { section, name, values, differs: new Set(values).size > 1 };
  });
}

/** The last value of a curve or of a single value, for each run. */
export interface MetricRow {
  readonly metric: string;
  readonly variant: string;
  readonly values: readonly (number | null)[];
}

export function metricTable(scalars: readonly Scalars[]): MetricRow[] {
  const rows = new Map<string, { metric: string; variant: string }>();
  for (const { values, series } of scalars) {
    for (const metric of Object.keys(values)) {
      rows.set(JSON.stringify([metric]), { metric, variant: '' });
    }
    for (const { metric, variant } of series) {
      rows.set(JSON.stringify([metric, variant]), { metric, variant });
    }
  }
  return [...rows.entries()].map(([key, { metric, variant }]) => ({
    metric,
    variant,
    values: scalars.map(one =>
      (JSON.parse(key) as string[]).length === 1
        ? (one.values[metric] ?? null)
        : lastOf(
            one.series.find(
              curve => curve.metric === metric && curve.variant === variant
            )
          )
    )
  }));
}

function lastOf(curve: Series | undefined): number | null {
  return [...(curve?.y ?? [])].reverse().find(value => value !== null) ?? null;
}

/** A chart for each curve that any run has, with one line a run. */
export function overlaid(
  names: readonly string[],
  scalars: readonly Scalars[]
): readonly (readonly [string, readonly Series[]])[] {
  const charts = new Map<string, Series[]>();
  scalars.forEach(({ series }, index) => {
    for (const curve of series) {
      const title = `${curve.metric} / ${curve.variant}`;
      const line = { ...curve, variant: names[index] };
      charts.set(title, [...(charts.get(title) ?? []), line]);
    }
  });
  return [...charts.entries()].sort(
    ([one], [other]) =>
      Number(one.startsWith(':monitor')) - Number(other.startsWith(':monitor'))
  );
}

/** Names that tell runs apart: those that are the same get a number. */
export function distinct(names: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return names.map(name => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return names.filter(one => one === name).length > 1
      ? `${name} (${count})`
      : name;
  });
}
