import * as React from 'react';

import { messageOf } from './client';

/** What was last read, and what went wrong since. */
export interface Polled<T> {
  readonly value: T | null;
  readonly error: string;
  /** Reads at once, without waiting for the next turn. */
  readonly refresh: () => void;
}

/**
 * Reads again and again while `active`, and once in any case; waits longer after errors.
 *
 * Nothing is read while the page is hidden. `read` must be stable between renders.
 */
export function usePolled<T>(
  read: () => Promise<T>,
  intervalMs: number,
  active: boolean
): Polled<T> {
  const [value, setValue] = React.useState<T | null>(null);
  const [error, setError] = React.useState('');
  const [turn, setTurn] = React.useState(0);
  // Another pace holds from the next turn on: it is no reason to read at once.
  const pace = React.useRef(intervalMs);
  pace.current = intervalMs;
  React.useEffect(() => {
    let ended = false;
    let timer = 0;
    let failures = 0;
    const step = async (): Promise<void> => {
      if (!document.hidden || failures === 0) {
        try {
          const found = await read();
          if (ended) {
            return;
          }
          failures = 0;
          setValue(found);
          setError('');
        } catch (problem) {
          if (ended) {
            return;
          }
          failures += 1;
          setError(messageOf(problem));
        }
      }
      if (active || failures > 0) {
        timer = window.setTimeout(
          () => void step(),
          pace.current * Math.min(2 ** failures, 16)
        );
      }
    };
    void step();
    return () => {
      ended = true;
      window.clearTimeout(timer);
    };
  }, [read, active, turn]);
  const refresh = React.useCallback(() => setTurn(one => one + 1), []);
  return { value, error, refresh };
}

/** The time, renewed each second while `ticking`. */
export function useNow(ticking: boolean): number {
  const [now, setNow] = React.useState(() => Date.now());
  React.useEffect(() => {
    if (!ticking) {
      return undefined;
    }
    setNow(Date.now());
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, [ticking]);
  return now;
}

/** Which rows of equal height are in view of a scrolled element. */
export interface Window {
  readonly first: number;
  readonly last: number;
  readonly onScroll: (event: React.UIEvent<HTMLElement>) => void;
  readonly ref: React.RefObject<HTMLDivElement>;
}

export function useWindow(
  count: number,
  rowHeight: number,
  overscan = 8
): Window {
  const ref = React.useRef<HTMLDivElement>(null);
  const [view, setView] = React.useState({ top: 0, height: 600 });
  React.useLayoutEffect(() => {
    const node = ref.current;
    if (node === null || typeof ResizeObserver === 'undefined') {
      return undefined;
    }
    const observer = new ResizeObserver(() =>
      setView({ top: node.scrollTop, height: node.clientHeight })
    );
    observer.observe(node);
    return () => observer.disconnect();
  }, []);
  const onScroll = React.useCallback((event: React.UIEvent<HTMLElement>) => {
    const node = event.currentTarget;
    setView({ top: node.scrollTop, height: node.clientHeight });
  }, []);
  const top = Math.min(view.top, Math.max(0, count * rowHeight - view.height));
  const first = Math.max(0, Math.floor(top / rowHeight) - overscan);
  const last = Math.min(
    count - 1,
    Math.ceil((top + view.height) / rowHeight) + overscan
  );
  return { first, last, onScroll, ref };
}
