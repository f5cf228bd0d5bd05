import * as React from 'react';

import { useServices, type Translate } from './context';
import { asksForKind, mostGpus, wantedGpus, type GpuChoice } from './gpus';
import { usePolled } from './hooks';
import type { Queue } from './types';

const QUEUES_MS = 4000;

/** The queues as they are now; null until first read. */
export function useQueues(): { value: readonly Queue[] | null; error: string } {
  const { client } = useServices();
  const read = React.useCallback(() => client.listQueues(), [client]);
  return usePolled(read, QUEUES_MS, true);
}

/** The choice of a queue, with what to expect of it. */
export function QueueField({
  id,
  queues,
  unreadable,
  chosen,
  gpus,
  error,
  onChange
}: {
  readonly id: string;
  readonly queues: readonly Queue[] | null;
  readonly unreadable: string;
  readonly chosen: string;
  /** What is asked of its GPUs. */
  readonly gpus: GpuChoice;
  readonly error: string;
  readonly onChange: (queue: string) => void;
}): JSX.Element {
  const { trans } = useServices();
  const queue = queues?.find(one => one.name === chosen);
  const message = error || (queues === null ? unreadable : '');
  return (
    <div className="wl-Field">
      <label htmlFor={id} className="wl-Field-label">
        {trans.__('Queue')}
      </label>
      <select
        id={id}
        className="wl-Input wl-Select"
        value={chosen}
        disabled={queues === null}
        aria-invalid={message !== ''}
        aria-describedby={`${id}-help`}
        onChange={event => onChange(event.target.value)}
      >
        {queues === null && <option value="">{trans.__('Loading…')}</option>}
        {queues !== null && queue === undefined && (
          <option value={chosen}>{chosen}</option>
        )}
        {queues?.map(one => (
          <option key={one.id} value={one.name}>
            {`${one.name}  —  ${queueLabel(one, trans)}`}
          </option>
        ))}
      </select>
      <div id={`${id}-help`} className="wl-Help" aria-live="polite">
        {queue !== undefined && queueForecast(queue, gpus, trans)}
      </div>
      {message && (
        <div className="wl-Error" role="alert">
          {message}
        </div>
      )}
    </div>
  );
}

/** The queue to begin with: `default` if there is one, never `services` by itself. */
export function preferredQueue(queues: readonly Queue[] | null): string {
  const found =
    queues?.find(queue => queue.name === 'default') ??
    queues?.find(queue => queue.name !== 'services');
  return found?.name ?? '';
}

function queueLabel(queue: Queue, trans: Translate): string {
  const waiting =
    queue.length === 0
      ? trans.__('empty')
      : trans._n('%1 waiting', '%1 waiting', queue.length, queue.length);
  return queue.slots === 0
    ? trans.__('%1, not served', waiting)
    : trans.__(
        '%1, %2 of %3 slots free',
        waiting,
        queue.freeSlots,
        queue.slots
      );
}

function queueForecast(
  queue: Queue,
  choice: GpuChoice,
  trans: Translate
): string {
  // Places are counted in whole GPUs.
  if (queue.slots === 0 && choice.migProfile === '') {
    return trans.__(
      'Nothing serves this queue now: the run waits until a node does.'
    );
  }
  const place = trans.__('Will be number %1 in this queue.', queue.length + 1);
  const wanted = wantedGpus(choice, queue);
  const usual =
    !asksForKind(choice) && !choice.node && wanted === queue.defaultGpus;
  if (!usual && wanted > 0) {
    return gpuForecast(queue, choice, place, trans);
  }
  if (usual && queue.freeSlots > queue.length) {
    return trans.__('Starts at once: a slot is free.');
  }
  return place;
}

function gpuForecast(
  queue: Queue,
  choice: GpuChoice,
  place: string,
  trans: Translate
): string {
  const wanted = wantedGpus(choice, queue);
  const free = mostGpus(queue, choice, 'free');
  const isSlices = choice.migProfile !== '';
  if (free >= wanted && queue.length === 0) {
    return isSlices
      ? trans._n(
          'Starts at once: %1 such slice is free on one node.',
          'Starts at once: %1 such slices are free on one node.',
          free,
          free
        )
      : trans._n(
          'Starts at once: %1 such GPU is free on one node.',
          'Starts at once: %1 such GPUs are free on one node.',
          free,
          free
        );
  }
  // What the queue can never give is told at its field.
  if (free >= wanted || mostGpus(queue, choice) < wanted) {
    return place;
  }
  return isSlices
    ? trans.__(
        '%1 Waits until %2 such slices are free on one node: now %3.',
        place,
        wanted,
        free
      )
    : trans.__(
        '%1 Waits until %2 such GPUs are free on one node: now %3.',
        place,
        wanted,
        free
      );
}
