import * as React from 'react';

import { useServices } from './context';
import { usePolled, useWindow } from './hooks';
import { LogBuffer } from './logBuffer';
import { Notice, Skeleton, Trouble } from './parts';

const LINE_HEIGHT = 18;
const INTERVAL_MS = 1500;

/** The console log, followed to its end until the reader scrolls up. */
export function LogView({
  id,
  live,
  visible
}: {
  readonly id: string;
  readonly live: boolean;
  readonly visible: boolean;
}): JSX.Element {
  const { client, trans } = useServices();
  const reader = React.useMemo(
    () => ({ buffer: new LogBuffer(), cursor: null as string | null }),
    // A new run starts a new buffer.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [id]
  );
  const read = React.useCallback(async () => {
    for (;;) {
      const page = await client.readLog(id, reader.cursor);
      reader.buffer.append(page.lines);
      reader.cursor = page.cursor;
      if (page.complete) {
        return reader.buffer.lines.length + reader.buffer.dropped;
      }
    }
  }, [client, id, reader]);
  const { value: count, error } = usePolled(read, INTERVAL_MS, live && visible);
  const [follow, setFollow] = React.useState(true);
  const lines = reader.buffer.lines;
  const view = useWindow(lines.length, LINE_HEIGHT, 20);
  React.useLayoutEffect(() => {
    const node = view.ref.current;
    if (follow && node !== null) {
      node.scrollTop = node.scrollHeight;
    }
  }, [count, follow, view.ref]);

  if (count === null) {
    return error ? (
      <Notice kind="error" title={trans.__('The log cannot be shown')}>
        {error}
      </Notice>
    ) : (
      <Skeleton rows={8} />
    );
  }
  return (
    <div className="wl-Log">
      {error && <Trouble message={trans.__('Not up to date: %1', error)} />}
      {lines.length === 0 ? (
        <Notice title={trans.__('The log is empty')}>
          {live ? trans.__('Lines appear as they are printed.') : undefined}
        </Notice>
      ) : (
        <>
          <div className="wl-Log-bar">
            <label>
              <input
                type="checkbox"
                checked={follow}
                onChange={event => setFollow(event.target.checked)}
              />
              {trans.__('Follow')}
            </label>
            <span className="wl-Dim">
              {trans._n('%1 line', '%1 lines', lines.length, lines.length)}
              {reader.buffer.dropped > 0 &&
                trans.__(' (older ones are in ClearML)')}
            </span>
          </div>
          <div
            className="wl-Log-scroll"
            ref={view.ref}
            tabIndex={0}
            role="log"
            aria-label={trans.__('Log')}
            aria-live="off"
            onScroll={event => {
              view.onScroll(event);
              const node = event.currentTarget;
              setFollow(
                node.scrollHeight - node.scrollTop - node.clientHeight <
                  2 * LINE_HEIGHT
              );
            }}
          >
            <div
              className="wl-Log-lines"
              style={{
                height: lines.length * LINE_HEIGHT,
                paddingTop: view.first * LINE_HEIGHT
              }}
            >
              {lines.slice(view.first, view.last + 1).map((line, index) => (
                <div
                  key={view.first + index}
                  className={`wl-Log-line ${isError(line.level) ? 'wl-mod-error' : ''}`}
                  style={{
                    height: LINE_HEIGHT,
                    lineHeight: `${LINE_HEIGHT}px`
                  }}
                >
                  <span className="wl-Log-time">{clock(line.time)}</span>
                  {line.text}
                </div>
              ))}
            </div>
          </div>
        </>
      )}
    </div>
  );
}

function clock(time: number | null): string {
  return time === null
    ? ''
    : new Date(time).toLocaleTimeString(undefined, { hour12: false });
}

function isError(level: string): boolean {
  return ['error', 'critical', 'fatal'].includes(level.toLowerCase());
}
