import {
  formatBytes,
  formatDuration,
  formatNumber,
  progressLabel,
  runDuration
} from '../format';
import { LogBuffer, plainLines } from '../logBuffer';
import { nearest, rangeOf, thin, ticksOf } from '../scale';
import { plain, sampleRun } from './samples';

test.each([
  [800, '1s'],
  [63_000, '1m 03s'],
  [7_500_000, '2h 05m'],
  [100 * 3_600_000, '4d 4h']
])('%d ms is %s', (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});

test('a running run is timed to now, an ended one to its end', () => {
  expect(
    runDuration(sampleRun({ state: 'running', ended: null }), 12_000)
  ).toBe('10s');
  expect(runDuration(sampleRun(), 999_999)).toBe('1m 01s');
  expect(runDuration(sampleRun({ state: 'queued' }), 999_999)).toBe('');
});

test('progress tells the cell, counted from one', () => {
  const progress = { percent: 40, cellsTotal: 5, cellCurrent: 2 };
  expect(progressLabel(sampleRun({ state: 'running', progress }), plain)).toBe(
    'cell 3 of 5'
  );
  expect(
    progressLabel(sampleRun({ state: 'completed', progress }), plain)
  ).toBe('');
});

test('sizes and numbers are short', () => {
  expect([999, 1234, 50_000_000].map(formatBytes)).toEqual([
    '999 B',
    '1.2 kB',
    '50.0 MB'
  ]);
  expect([3, 0.123456, 1e-9].map(formatNumber)).toEqual([
    '3',
    '0.1235',
    '1.00e-9'
  ]);
});

test('terminal codes and overwritten progress bars leave the log', () => {
  expect(plainLines('\u001b[31mred\u001b[0m\n 10%\r 50%\r100%\nend\n')).toEqual(
    ['red', '100%', 'end']
  );
});

test('the newest lines of a long log are kept', () => {
  const buffer = new LogBuffer(3);
  buffer.append([{ time: null, text: 'a\nb\nc\nd', level: '' }]);
  expect(buffer.lines.map(line => line.text)).toEqual(['b', 'c', 'd']);
  expect(buffer.dropped).toBe(1);
});

test('thinning keeps the peak', () => {
  const points = Array.from({ length: 10_000 }, (_, x) => ({
    x,
    y: x === 4321 ? 9 : 0
  }));
  const thinned = thin(points, 100);
  expect(thinned.length).toBeLessThanOrEqual(102);
  expect(thinned).toContainEqual({ x: 4321, y: 9 });
});

test('ticks are round and inside', () => {
  expect(ticksOf({ min: 0.13, max: 0.98 }, 4)).toEqual([0.25, 0.5, 0.75]);
  expect(ticksOf({ min: 0, max: 100 }, 4)).toEqual([0, 25, 50, 75, 100]);
  expect(rangeOf([])).toEqual({ min: 0, max: 1 });
});

test('the nearest point is found', () => {
  const points = [0, 10, 20].map(x => ({ x, y: 0 }));
  expect([-5, 4, 6, 99].map(x => nearest(points, x))).toEqual([0, 0, 1, 2]);
});
