import * as React from 'react';

import { useServices, type Translate } from './context';
import { Select } from './FormFields';
import {
  CHOICE_FIELDS,
  kindLabel,
  kindsOf,
  memoriesOf,
  mostGpus,
  offersFor,
  placeOf,
  profilesOf,
  total,
  type GpuChoice
} from './gpus';
import type { GpuOffer, Queue } from './types';

type Options = readonly (readonly [string, string])[];

interface Field {
  readonly name: keyof GpuChoice;
  readonly label: string;
  readonly options: Options;
  /** Whether there is something to choose. */
  readonly isChoice: boolean;
}

/** The server takes no more. */
const MOST = 64;

/**
 * How many GPUs, which, and where: a field for each of it that there is a choice of, or
 * that something was chosen for.
 */
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
  const fields = fieldsFor(queue, choice, trans).filter(
    ({ name, isChoice }) => isChoice || choice[name] || errors[name]
  );
  if (fields.length === 0) {
    return null;
  }
  return (
    <div className="wl-Form-grid">
      {fields.map(({ name, label, options }) => (
        <Select
          key={name}
          id={`${id}-${name}`}
          label={label}
          value={choice[name]}
          error={errors[name] ?? ''}
          options={options}
          onChange={value => onChange({ [name]: value })}
        />
      ))}
    </div>
  );
}

function fieldsFor(
  queue: Queue | undefined,
  choice: GpuChoice,
  trans: Translate
): readonly Field[] {
  const { migProfile, node } = choice;
  const asked = CHOICE_FIELDS.some(name => name !== 'node' && choice[name]);
  const hasGpus = (queue?.gpus.length ?? 0) > 0 || asked;
  const profiles = queue === undefined ? [] : profilesOf(queue);
  const alike = queue === undefined ? [] : offersFor(queue, { migProfile });
  const memories = memoriesOf(alike);
  const nodes = queue?.nodes ?? [];
  return [
    {
      name: 'gpus',
      label: migProfile ? trans.__('Slices') : trans.__('GPUs'),
      isChoice: hasGpus,
      options: numbers(queue, choice, trans)
    },
    {
      name: 'migProfile',
      label: trans.__('Whole GPUs or slices'),
      isChoice: profiles.length > 0,
      options: withChosen(migProfile, ['', ...profiles]).map(profile => [
        profile,
        withFree(
          profile === ''
            ? trans.__('Whole GPUs')
            : trans.__('Slices %1', profile),
          queue && offersFor(queue, { migProfile: profile, node }),
          trans
        )
      ])
    },
    {
      name: 'gpuMinMemory',
      label: trans.__('GPU memory'),
      isChoice: memories.length > 0,
      options: withChosen(choice.gpuMinMemory, [
        '',
        ...memories.map(([value]) => value)
      ]).map(value => [
        value,
        value === ''
          ? trans.__('Any')
          : trans.__('%1 GiB or more', new Map(memories).get(value) ?? value)
      ])
    },
    {
      name: 'node',
      label: trans.__('Node'),
      isChoice: nodes.length > 1,
      options: withChosen(node, ['', ...nodes.map(one => one.name)]).map(
        name => [
          name,
          name === ''
            ? trans.__('Any')
            : withFree(
                name,
                queue && offersFor(queue, { ...choice, node: name }),
                trans
              )
        ]
      )
    },
    // The longest texts have the last row.
    {
      name: 'gpuModel',
      label: trans.__('GPU model'),
      isChoice: hasGpus,
      options: models(queue, choice, trans)
    }
  ];
}

function numbers(
  queue: Queue | undefined,
  choice: GpuChoice,
  trans: Translate
): Options {
  const place = queue && placeOf(choice, queue);
  const usual =
    place === undefined || queue?.gpus.length === 0
      ? trans.__('Queue’s default')
      : trans.__('Queue’s default (%1)', place.defaultGpus);
  const most = queue === undefined ? 0 : mostGpus(queue, choice);
  const offered = Array.from({ length: Math.min(most, MOST) }, (_, at) =>
    String(at + 1)
  );
  const cpu = (place?.cpuSlots ?? 0) > 0 ? ['0'] : [];
  return withChosen(choice.gpus, ['', ...cpu, ...offered]).map(one => [
    one,
    one === '' ? usual : one === '0' ? trans.__('0 (CPU only)') : one
  ]);
}

function models(
  queue: Queue | undefined,
  choice: GpuChoice,
  trans: Translate
): Options {
  const { migProfile, node, gpuModel } = choice;
  const offers = queue ? offersFor(queue, { migProfile, node }) : [];
  const kinds = new Map(kindsOf(offers).map(kind => [kind.model, kind]));
  return withChosen(gpuModel, ['', ...kinds.keys()]).map(model => {
    const kind = kinds.get(model);
    return [
      model,
      model === ''
        ? trans.__('Any')
        : kind === undefined
          ? model
          : free(kindLabel(kind, trans), kind.free, kind.count, trans)
    ];
  });
}

/** A text, and how many of some GPUs are free, if there are any. */
function withFree(
  text: string,
  offers: readonly GpuOffer[] | undefined,
  trans: Translate
): string {
  return offers?.length
    ? free(text, total(offers, 'free'), total(offers), trans)
    : text;
}

function free(
  text: string,
  count: number,
  all: number,
  trans: Translate
): string {
  return trans.__('%1  —  %2 of %3 free', text, count, all);
}

/** The options, with what is chosen among them whatever the queue has. */
function withChosen(
  chosen: string,
  options: readonly string[]
): readonly string[] {
  return options.includes(chosen) ? options : [...options, chosen];
}
