/** Which GPUs a queue can give, and whether it can give what is asked for. */

import type { Translate } from './context';
import type { GpuWish, Queue, RunParameter } from './types';

/** What was chosen: empty text leaves it to the queue. */
export interface GpuChoice {
  readonly gpus: string;
  readonly gpuModel: string;
}

/** The same GPUs on all nodes of a queue, counted together. */
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
    gpuModel: choice.gpuModel === '' ? null : choice.gpuModel
  };
}

/** What a run asked for, as the form begins with it. */
export function choiceOf(parameters: readonly RunParameter[]): GpuChoice {
  const value = (name: string): string =>
    parameters.find(one => one.section === 'Waylab' && one.name === name)
      ?.value ?? '';
  return { gpus: value('gpus'), gpuModel: value('gpu_model') };
}

export function kindsOf(queue: Queue): readonly GpuKind[] {
  const kinds = new Map<string, GpuKind>();
  for (const offer of queue.gpus) {
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

/** The largest number of GPUs of a kind (empty: any) that one node has, or has free. */
export function mostGpus(
  queue: Queue,
  model: string,
  what: 'count' | 'free' = 'count'
): number {
  const found = new Map<string, number>();
  for (const one of queue.gpus) {
    if (one.model.toLowerCase().includes(model.toLowerCase())) {
      found.set(one.node, (found.get(one.node) ?? 0) + one[what]);
    }
  }
  return Math.max(0, ...found.values());
}

/** What of a choice the queue can never give, by field; the server looks again. */
export function checkGpus(
  choice: GpuChoice,
  queue: Queue | undefined,
  trans: Translate
): Record<string, string> {
  if (queue === undefined || queue.gpus.length === 0) {
    return {};
  }
  const { gpus, gpuModel } = choice;
  if (gpuModel && gpus === '0') {
    return { gpuModel: trans.__('No GPUs are asked for: choose any model.') };
  }
  if (gpuModel && mostGpus(queue, gpuModel) === 0) {
    return {
      gpuModel: trans.__('Queue %1 has no %2.', queue.name, gpuModel)
    };
  }
  if (gpuModel && gpus === '' && queue.defaultGpus === 0) {
    return {
      gpus: trans.__('Choose how many: this queue gives none by itself.')
    };
  }
  if (gpus === '0' && queue.cpuSlots === 0) {
    return {
      gpus: trans.__('Queue %1 has only slots with a GPU.', queue.name)
    };
  }
  const most = mostGpus(queue, gpuModel);
  if (Number(gpus) > most) {
    return {
      gpus: trans.__('No node of queue %1 has more than %2.', queue.name, most)
    };
  }
  return {};
}

/** The GPUs that a choice leads to; 0 without one. */
export function wantedGpus(choice: GpuChoice, queue: Queue): number {
  return choice.gpus === '' ? queue.defaultGpus : Number(choice.gpus);
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
  const { gpus, gpuModel } = choiceOf(parameters);
  if (gpus === '0') {
    return trans.__('none');
  }
  if (gpus && gpuModel) {
    return `${gpus} × ${gpuModel}`;
  }
  return gpus || gpuModel;
}
