/** The arithmetic of charts: ranges, ticks, and fewer points that look the same. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** The finite points of a curve, in their order. */
export function pointsOf(
  x: readonly (number | null)[],
  y: readonly (number | null)[]
): Point[] {
  const points: Point[] = [];
  for (let index = 0; index < Math.min(x.length, y.length); index++) {
    const at = x[index];
    const value = y[index];
    if (at !== null && value !== null) {
      points.push({ x: at, y: value });
    }
  }
  return points;
}

/** The range of some numbers; a single one gets room around it. */
export function rangeOf(values: Iterable<number>): Range {
  let min = Infinity;
  let max = -Infinity;
  for (const value of values) {
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  if (min > max) {
    return { min: 0, max: 1 };
  }
  if (min === max) {
    const room = Math.abs(min) * 0.1 || 1;
    return { min: min - room, max: max + room };
  }
  return { min, max };
}

/** Round numbers in a range, about `count` of them. */
export function ticksOf({ min, max }: Range, count: number): number[] {
  const rough = (max - min) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step =
    [1, 2, 2.5, 5, 10]
      .map(factor => factor * power)
      .find(one => one >= rough) ?? 10 * power;
  const ticks: number[] = [];
  for (
    let index = Math.ceil(min / step);
    index * step <= max + step / 1e6;
    index++
  ) {
    ticks.push(Number((index * step).toPrecision(12)));
  }
  return ticks;
}

/** At most about `limit` points: of each stretch its lowest and highest, so no peak is lost. */
export function thin(
  points: readonly Point[],
  limit: number
): readonly Point[] {
  if (points.length <= limit) {
    return points;
  }
  const stretch = Math.ceil(points.length / (limit / 2));
  const kept: Point[] = [];
  for (let start = 0; start < points.length; start += stretch) {
    let low = start;
    let high = start;
    const end = Math.min(points.length, start + stretch);
    for (let index = start; index < end; index++) {
      low = points[index].y < points[low].y ? index : low;
      high = points[index].y > points[high].y ? index : high;
    }
    kept.push(points[Math.min(low, high)]);
    if (low !== high) {
      kept.push(points[Math.max(low, high)]);
    }
  }
  return kept;
}

/** The index of the point whose x is nearest; the points are sorted by x. */
export function nearest(points: readonly Point[], x: number): number {
  let low = 0;
  let high = points.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle].x < x) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return Math.abs(points[high].x - x) < Math.abs(points[low].x - x)
    ? high
    : low;
}
