import * as React from 'react';

import { useServices } from './context';
import { formatNumber } from './format';
import {
  nearest,
  pointsOf,
  rangeOf,
  thin,
  ticksOf,
  type Point,
  type Range
} from './scale';
import type { Series } from './types';

const HEIGHT = 200;
const MARGIN = { top: 10, right: 12, bottom: 24, left: 52 };
const POINT_LIMIT = 1200;
const COLOURS = 8;

interface Curve {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly Point[];
}

/** Curves over iterations, as SVG; the values at the pointer are read out below. */
export function Chart({
  title,
  series
}: {
  readonly title: string;
  readonly series: readonly Series[];
}): JSX.Element {
  const { trans } = useServices();
  const [frame, width] = useWidth();
  const [at, setAt] = React.useState<number | null>(null);
  const curves = React.useMemo(() => series.map(curveOf), [series]);
  const { x, y } = React.useMemo(() => ranges(curves), [curves]);
  const inner = {
    width: Math.max(40, width - MARGIN.left - MARGIN.right),
    height: HEIGHT - MARGIN.top - MARGIN.bottom
  };
  const toX = (value: number): number =>
    MARGIN.left + ((value - x.min) / (x.max - x.min)) * inner.width;
  const toY = (value: number): number =>
    MARGIN.top + (1 - (value - y.min) / (y.max - y.min)) * inner.height;
  const onMove = (event: React.PointerEvent<SVGSVGElement>): void => {
    const left = event.currentTarget.getBoundingClientRect().left;
    const share = (event.clientX - left - MARGIN.left) / inner.width;
    setAt(x.min + Math.min(1, Math.max(0, share)) * (x.max - x.min));
  };
  return (
    <figure className="wl-Chart" ref={frame}>
      <figcaption className="wl-Chart-title" title={title}>
        {title}
      </figcaption>
      <svg
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={summary(title, curves, trans)}
        onPointerMove={onMove}
        onPointerLeave={() => setAt(null)}
      >
        <Axes x={x} y={y} toX={toX} toY={toY} inner={inner} />
        {curves.map(curve => (
          <Line key={curve.name} curve={curve} toX={toX} toY={toY} />
        ))}
        {at !== null && (
          <Pointer at={at} curves={curves} toX={toX} toY={toY} inner={inner} />
        )}
      </svg>
      <Legend curves={curves} at={at} />
    </figure>
  );
}

interface Place {
  readonly toX: (value: number) => number;
  readonly toY: (value: number) => number;
}

interface Inner {
  readonly width: number;
  readonly height: number;
}

function Axes({
  x,
  y,
  toX,
  toY,
  inner
}: Place & {
  readonly x: Range;
  readonly y: Range;
  readonly inner: Inner;
}): JSX.Element {
  const right = MARGIN.left + inner.width;
  const bottom = MARGIN.top + inner.height;
  return (
    <g className="wl-Chart-axes">
      {ticksOf(y, 5).map(tick => (
        <g key={tick}>
          <line x1={MARGIN.left} x2={right} y1={toY(tick)} y2={toY(tick)} />
          <text x={MARGIN.left - 6} y={toY(tick)} dy="0.32em" textAnchor="end">
            {formatNumber(tick)}
          </text>
        </g>
      ))}
      {ticksOf(x, Math.max(2, Math.floor(inner.width / 70))).map(tick => (
        <text key={tick} x={toX(tick)} y={bottom + 16} textAnchor="middle">
          {formatNumber(tick)}
        </text>
      ))}
    </g>
  );
}

function Line({
  curve,
  toX,
  toY
}: Place & { readonly curve: Curve }): JSX.Element {
  const style = { stroke: curve.colour, fill: curve.colour };
  if (curve.points.length === 1) {
    const [point] = curve.points;
    return <circle cx={toX(point.x)} cy={toY(point.y)} r={3} style={style} />;
  }
  const path = curve.points
    .map(({ x, y }, index) => {
      const command = index === 0 ? 'M' : 'L';
      return `${command}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`;
    })
    .join('');
  return (
    <path className="wl-Chart-line" d={path} style={{ stroke: curve.colour }} />
  );
}

function Pointer({
  at,
  curves,
  toX,
  toY,
  inner
}: Place & {
  readonly at: number;
  readonly curves: readonly Curve[];
  readonly inner: Inner;
}): JSX.Element {
  return (
    <g className="wl-Chart-pointer">
      <line
        x1={toX(at)}
        x2={toX(at)}
        y1={MARGIN.top}
        y2={MARGIN.top + inner.height}
      />
      {curves
        .filter(curve => curve.points.length > 0)
        .map(curve => {
          const point = curve.points[nearest(curve.points, at)];
          return (
            <circle
              key={curve.name}
              cx={toX(point.x)}
              cy={toY(point.y)}
              r={3}
              style={{ fill: curve.colour }}
            />
          );
        })}
    </g>
  );
}

function Legend({
  curves,
  at
}: {
  readonly curves: readonly Curve[];
  readonly at: number | null;
}): JSX.Element {
  return (
    <ul className="wl-Chart-legend">
      {curves.map(curve => {
        const index =
          at === null ? curve.points.length - 1 : nearest(curve.points, at);
        const point = curve.points[index];
        return (
          <li key={curve.name}>
            <span
              className="wl-Chart-mark"
              style={{ background: curve.colour }}
            />
            <span className="wl-Chart-name" title={curve.name}>
              {curve.name}
            </span>
            {point !== undefined && (
              <span className="wl-Chart-value">
                {formatNumber(point.y)}
                <span className="wl-Dim"> @ {formatNumber(point.x)}</span>
              </span>
            )}
          </li>
        );
      })}
    </ul>
  );
}

function curveOf(series: Series, index: number): Curve {
  const points = pointsOf(series.x, series.y).sort((a, b) => a.x - b.x);
  return {
    name: series.variant,
    colour: `var(--wl-series-${(index % COLOURS) + 1})`,
    points: thin(points, POINT_LIMIT)
  };
}

function ranges(curves: readonly Curve[]): { x: Range; y: Range } {
  const points = curves.flatMap(curve => curve.points);
  const y = rangeOf(points.map(point => point.y));
  const room = (y.max - y.min) * 0.06;
  return {
    x: rangeOf(points.map(point => point.x)),
    y: { min: y.min - room, max: y.max + room }
  };
}

function summary(
  title: string,
  curves: readonly Curve[],
  trans: ReturnType<typeof useServices>['trans']
): string {
  const ends = curves.map(curve => {
    const last = curve.points[curve.points.length - 1];
    return last === undefined
      ? curve.name
      : trans.__(
          '%1: %2 at %3',
          curve.name,
          formatNumber(last.y),
          formatNumber(last.x)
        );
  });
  return `${title}. ${ends.join('; ')}`;
}

function useWidth(): [React.RefObject<HTMLElement>, number] {
  const ref = React.useRef<HTMLElement>(null);
  const [width, setWidth] = React.useState(360);
  React.useLayoutEffect(() => {
    const node = ref.current;
    if (node === null || typeof ResizeObserver === 'undefined') {
      return undefined;
    }
    const observer = new ResizeObserver(([entry]) =>
      setWidth(Math.floor(entry.contentRect.width))
    );
    observer.observe(node);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}
