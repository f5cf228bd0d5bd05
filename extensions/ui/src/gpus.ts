/** Which GPUs a queue can give, and whether it can give what is asked for. */

import type { Translate } from './context';
import type {
  GpuOffer,
  GpuWish,
  NodeOffer,
  Queue,
  RunParameter
} from './types';

/** What was chosen: empty text leaves it to the queue. */
export interface GpuChoice {
  readonly gpus: string;
  readonly gpuModel: string;
  readonly node: string;
  /** In GiB, of each GPU. */
  readonly gpuMinMemory: string;
  /** Of slices; empty asks for whole GPUs. */
  readonly migProfile: string;
}

export const NO_CHOICE: GpuChoice = {
  gpus: '',
  gpuModel: '',
  node: '',
  gpuMinMemory: '',
  migProfile: ''
};

/** The fields of a choice: what is wrong with one may be mended at another. */
export const CHOICE_FIELDS = Object.keys(NO_CHOICE) as (keyof GpuChoice)[];

/** The same GPUs on several nodes, counted together. */
export interface GpuKind {
  readonly model: string;
  readonly memoryBytes: number;
  readonly count: number;
  readonly free: number;
  readonly simulated: boolean;
}

const GIB = 1024 ** 3;

export function wishOf(choice: GpuChoice): GpuWish {
  return {
    gpus: choice.gpus === '' ? null : Number(choice.gpus),
    gpuModel: choice.gpuModel || null,
    node: choice.node || null,
    gpuMinMemoryGib:
      choice.gpuMinMemory === '' ? null : Number(choice.gpuMinMemory),
    migProfile: choice.migProfile || null
  };
}

/** What a run asked for, as the form begins with it. */
export function choiceOf(parameters: readonly RunParameter[]): GpuChoice {
  const value = (name: string): string =>
    parameters.find(one => one.section === 'Waylab' && one.name === name)
      ?.value ?? '';
  return {
    gpus: value('gpus'),
    gpuModel: value('gpu_model'),
    node: value('node'),
    gpuMinMemory: value('gpu_min_memory_gib'),
    migProfile: value('mig_profile')
  };
}

/** The GPUs of a queue that some of a choice leaves, whatever their number. */
export function offersFor(
  queue: Queue,
  choice: Partial<GpuChoice>
): readonly GpuOffer[] {
  const { gpuModel = '', node = '', gpuMinMemory = '', migProfile } = choice;
  const least = Math.floor(Number(gpuMinMemory) * GIB);
  return queue.gpus.filter(
    one =>
      (migProfile === undefined || one.migProfile === migProfile) &&
      one.model.toLowerCase().includes(gpuModel.toLowerCase()) &&
      one.memoryBytes >= least &&
      (node === '' || one.node === node)
  );
}

/** How many there are of some GPUs, or are free. */
export function total(
  offers: readonly GpuOffer[],
  what: 'count' | 'free' = 'count'
): number {
  return offers.reduce((sum, one) => sum + one[what], 0);
}

/** The largest number of chosen GPUs that one node has, or has free. */
export function mostGpus(
  queue: Queue,
  choice: GpuChoice,
  what: 'count' | 'free' = 'count'
): number {
  return most(offersFor(queue, choice), what);
}

export function kindsOf(offers: readonly GpuOffer[]): readonly GpuKind[] {
  const kinds = new Map<string, GpuKind>();
  for (const offer of offers) {
    const { model, memoryBytes, count, free, simulated } = offer;
    const old = kinds.get(model);
    kinds.set(model, {
      model,
      memoryBytes: Math.min(memoryBytes, old?.memoryBytes ?? memoryBytes),
      count: count + (old?.count ?? 0),
      free: free + (old?.free ?? 0),
      simulated: simulated || (old?.simulated ?? false)
    });
  }
  return [...kinds.values()];
}

/**
 * The least memory that can be asked for to some effect, as value and whole GiB: all
 * sizes but the smallest. A GPU "of 24 GiB" has a little less, so the value has too.
 */
export function memoriesOf(
  offers: readonly GpuOffer[]
): readonly (readonly [string, number])[] {
  const sizes = new Map<number, number>();
  for (const { memoryBytes } of offers) {
    const gib = Math.round(memoryBytes / GIB);
    sizes.set(gib, Math.min(memoryBytes, sizes.get(gib) ?? memoryBytes));
  }
  return [...sizes]
    .sort(([one], [other]) => one - other)
    .slice(1)
    .map(([gib, bytes]) => [String(Math.floor((bytes / GIB) * 10) / 10), gib]);
}

export function profilesOf(queue: Queue): readonly string[] {
  const found = new Set(queue.gpus.map(one => one.migProfile));
  return [...found].filter(one => one !== '').sort();
}

/** What a node gives, or the queue where none is chosen or nobody tells. */
export function placeOf(
  choice: GpuChoice,
  queue: Queue
): Pick<NodeOffer, 'defaultGpus' | 'cpuSlots'> {
  return queue.nodes.find(one => one.name === choice.node) ?? queue;
}

/** The GPUs that a choice leads to; 0 without one. */
export function wantedGpus(choice: GpuChoice, queue: Queue): number {
  return choice.gpus === ''
    ? placeOf(choice, queue).defaultGpus
    : Number(choice.gpus);
}

/** What of a choice the queue can never give, by field; the server looks again. */
export function checkGpus(
  choice: GpuChoice,
  queue: Queue | undefined,
  trans: Translate
): Record<string, string> {
  if (queue === undefined || (!queue.gpus.length && !queue.nodes.length)) {
    return {};
  }
  const { gpus, node } = choice;
  const named = queue.nodes.find(one => one.name === node);
  if (node && queue.nodes.length > 0 && named === undefined) {
    return { node: trans.__('Queue %1 has no node %2.', queue.name, node) };
  }
  const nothing = gpus === '0' ? checkNothing(choice, trans) : {};
  const places = named === undefined ? queue.nodes : [named];
  if (Object.keys(nothing).length > 0 || !places.every(one => one.known)) {
    return nothing;
  }
  if (wantedGpus(choice, queue) > 0) {
    return checkKind(choice, queue, trans);
  }
  if (asksForKind(choice)) {
    return {
      gpus: trans.__('Choose how many: this queue gives none by itself.')
    };
  }
  if (named?.cpuSlots === 0) {
    return {
      [gpus === '0' ? 'gpus' : 'node']: trans.__(
        'Node %1 has no slots without a GPU.',
        node
      )
    };
  }
  if (gpus === '0' && queue.cpuSlots === 0) {
    return {
      gpus: trans.__('Queue %1 has only slots with a GPU.', queue.name)
    };
  }
  return {};
}

/** `NVIDIA A100 (80 GiB)`; what the name tells already is left out. */
export function kindLabel(kind: GpuKind, trans: Translate): string {
  const gib = Math.round(kind.memoryBytes / GIB);
  const told = [
    gib > 0 && !/\d ?G(i?B)?\b/i.test(kind.model) && `${gib} GiB`,
    kind.simulated && !/simulated/i.test(kind.model) && trans.__('simulated')
  ].filter(Boolean);
  return told.length ? `${kind.model} (${told.join(', ')})` : kind.model;
}

/** What a run asked for, in words; empty if it left it to its queue. */
export function askedLabel(
  parameters: readonly RunParameter[],
  trans: Translate
): string {
  const choice = choiceOf(parameters);
  const { gpus, gpuModel, node, gpuMinMemory, migProfile } = choice;
  const kind = !migProfile
    ? gpuModel
    : gpuModel
      ? trans.__('slice %1 of %2', migProfile, gpuModel)
      : trans.__('slice %1', migProfile);
  const what = gpus && kind ? `${gpus} × ${kind}` : gpus || kind;
  return [
    gpus === '0' ? trans.__('none') : what,
    Number(gpuMinMemory) > 0 && trans.__('at least %1 GiB', gpuMinMemory),
    node && trans.__('on %1', node)
  ]
    .filter(Boolean)
    .join(', ');
}

/** Whether something is chosen that only a GPU has. */
export function asksForKind(choice: GpuChoice): boolean {
  const { gpuModel, gpuMinMemory, migProfile } = choice;
  return gpuModel !== '' || migProfile !== '' || Number(gpuMinMemory) !== 0;
}

function most(offers: readonly GpuOffer[], what: 'count' | 'free'): number {
  const found = new Map<string, number>();
  for (const one of offers) {
    found.set(one.node, (found.get(one.node) ?? 0) + one[what]);
  }
  return Math.max(0, ...found.values());
}

function checkNothing(
  choice: GpuChoice,
  trans: Translate
): Record<string, string> {
  if (choice.migProfile) {
    return {
      migProfile: trans.__('No GPUs are asked for: choose whole GPUs.')
    };
  }
  if (choice.gpuModel) {
    return { gpuModel: trans.__('No GPUs are asked for: choose any model.') };
  }
  if (Number(choice.gpuMinMemory) !== 0) {
    return {
      gpuMinMemory: trans.__('No GPUs are asked for: choose any memory.')
    };
  }
  return {};
}

/** Adds choice to choice, until the queue has no such GPUs: the last is at fault. */
function checkKind(
  choice: GpuChoice,
  queue: Queue,
  trans: Translate
): Record<string, string> {
  const { gpuModel, node, gpuMinMemory, migProfile } = choice;
  const has = (some: Partial<GpuChoice>): boolean =>
    offersFor(queue, { migProfile, ...some }).length > 0;
  if (queue.gpus.length > 0 && !has({})) {
    return {
      migProfile: migProfile
        ? trans.__('Queue %1 has no slices %2.', queue.name, migProfile)
        : trans.__('Queue %1 has no whole GPUs: choose slices.', queue.name)
    };
  }
  if (gpuModel && !has({ gpuModel })) {
    return { gpuModel: trans.__('Queue %1 has no %2.', queue.name, gpuModel) };
  }
  if (Number(gpuMinMemory) !== 0 && !has({ gpuModel, gpuMinMemory })) {
    return {
      gpuMinMemory: trans.__(
        'Queue %1 has no such GPU of %2 GiB.',
        queue.name,
        gpuMinMemory
      )
    };
  }
  if (node && !has(choice)) {
    return {
      node: asksForKind(choice)
        ? trans.__('Node %1 has no such GPU.', node)
        : offersFor(queue, { node }).length > 0
          ? trans.__('Node %1 has slices only.', node)
          : trans.__('Node %1 has no GPU.', node)
    };
  }
  const found = mostGpus(queue, choice);
  // A node may lose its GPUs for a moment: what asks for nothing waits for them.
  const isAsked = CHOICE_FIELDS.some(name => choice[name] !== '');
  if (isAsked && wantedGpus(choice, queue) > found) {
    return {
      gpus: node
        ? trans.__('Node %1 has no more than %2.', node, found)
        : trans.__('No node of queue %1 has more than %2.', queue.name, found)
    };
  }
  return {};
}
