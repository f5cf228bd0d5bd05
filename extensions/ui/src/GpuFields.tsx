import * as React from 'react';

import { useServices } from './context';
import { Select } from './FormFields';
import { kindLabel, kindsOf, mostGpus, type GpuChoice } from './gpus';
import type { Queue } from './types';

/** How many GPUs, and which; nothing where the queue has none and none are asked for. */
export function GpuFields({
  id,
  queue,
  choice,
  errors,
  onChange
}: {
  readonly id: string;
  readonly queue: Queue | undefined;
  readonly choice: GpuChoice;
  readonly errors: Readonly<Record<string, string>>;
  readonly onChange: (change: Partial<GpuChoice>) => void;
}): JSX.Element | null {
  const { trans } = useServices();
  const asked = choice.gpus !== '' || choice.gpuModel !== '';
  const kinds = queue === undefined ? [] : kindsOf(queue);
  if (kinds.length === 0 && !asked) {
    return null;
  }
  const usual =
    queue === undefined || kinds.length === 0
      ? trans.__('Queue’s default')
      : trans.__('Queue’s default (%1)', queue.defaultGpus);
  const most = queue === undefined ? 0 : mostGpus(queue, choice.gpuModel);
  const numbers = Array.from({ length: most }, (_, at) => String(at + 1));
  const cpu = (queue?.cpuSlots ?? 0) > 0 ? ['0'] : [];
  return (
    <div className="wl-Form-pair">
      <Select
        id={`${id}-gpus`}
        label={trans.__('GPUs')}
        value={choice.gpus}
        error={errors.gpus ?? ''}
        options={withChosen(choice.gpus, ['', ...cpu, ...numbers]).map(one => [
          one,
          one === '' ? usual : one === '0' ? trans.__('0 (CPU only)') : one
        ])}
        onChange={gpus => onChange({ gpus })}
      />
      <Select
        id={`${id}-model`}
        label={trans.__('GPU model')}
        value={choice.gpuModel}
        error={errors.gpuModel ?? ''}
        options={[
          ['', trans.__('Any')],
          ...withChosen(
            choice.gpuModel,
            kinds.map(kind => kind.model)
          )
            .filter(model => model !== '')
            .map((model): readonly [string, string] => {
              const kind = kinds.find(one => one.model === model);
              return [
                model,
                kind === undefined
                  ? model
                  : trans.__(
                      '%1  —  %2 of %3 free',
                      kindLabel(kind, trans),
                      kind.free,
                      kind.count
                    )
              ];
            })
        ]}
        onChange={gpuModel => onChange({ gpuModel })}
      />
    </div>
  );
}

/** The options, with what is chosen among them whatever the queue has. */
function withChosen(
  chosen: string,
  options: readonly string[]
): readonly string[] {
  return options.includes(chosen) ? options : [...options, chosen];
}
