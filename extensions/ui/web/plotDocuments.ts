/** Plots and debug images as the server keeps them, made fit to be shown. Pure. */

import type { Picture, Plot, PlotTable } from '../src';

import { list, number, object, objects, parsed, text, type Json } from './json';

const PLAIN = new Set([
  'bar',
  'box',
  'contour',
  'heatmap',
  'histogram',
  'histogram2d',
  'histogram2dcontour',
  'image',
  'pie',
  'scatter',
  'violin'
]);

/** `ownFile` gives the address of a file that we serve, and nothing for any other. */
export function plotOf(event: Json, ownFile: (link: string) => string): Plot {
  const source = text(event.plot_str);
  const figure = parsed(source);
  const images = objects(object(figure.layout).images);
  const traces = objects(figure.data);
  const table = traces.find(trace => trace.type === 'table');
  return {
    metric: text(event.metric),
    variant: text(event.variant),
    iteration: number(event.iter) ?? 0,
    picture:
      images.length === 1 && traces.length === 0
        ? pictureOf(text(images[0].source), ownFile)
        : '',
    table: table === undefined ? null : tableOf(table),
    figure: source,
    plain: traces.every(trace => PLAIN.has(text(trace.type) || 'scatter'))
  };
}

function pictureOf(source: string, ownFile: (link: string) => string): string {
  // A picture from elsewhere would tell its host who looks.
  return /^data:image\/(?:png|jpeg|gif|webp);base64,/.test(source)
    ? source
    : ownFile(source);
}

function tableOf(trace: Json): PlotTable {
  const columns = list(object(trace.header).values).map(cell);
  const cells = list(object(trace.cells).values).map(list);
  const length = Math.max(0, ...cells.map(column => column.length));
  return {
    columns,
    rows: Array.from({ length }, (_, row) =>
      cells.map(column => cell(column[row]))
    )
  };
}

function cell(value: unknown): string {
  // Plotly lets headers be lists of lines.
  return Array.isArray(value) ? value.map(text).join(' ') : text(value);
}

export function picturesOf(
  answer: Json,
  ownFile: (link: string) => string
): Picture[] {
  return objects(answer.metrics)
    .flatMap(metric => objects(metric.iterations))
    .flatMap(iteration => objects(iteration.events))
    .map(event => ({
      metric: text(event.metric),
      variant: text(event.variant),
      iteration: number(event.iter) ?? 0,
      address: ownFile(text(event.url)),
      name: text(event.key)
    }))
    .filter(one => one.address !== '');
}
