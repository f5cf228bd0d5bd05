import type { NotebookPanel } from '@jupyterlab/notebook';

import { MIN_NAME } from './ui';

/** A notebook as its parameters are read from it: no outputs, no attachments. */
export function bareNotebook(panel: NotebookPanel): object {
  const model = panel.content.model;
  const cells = [...(model?.cells ?? [])];
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: model?.sharedModel.getMetadata() ?? {},
    cells: cells.map(cell => ({
      id: cell.id,
      cell_type: cell.type,
      metadata: cell.metadata,
      source: cell.sharedModel.getSource(),
      ...(cell.type === 'code' ? { outputs: [], execution_count: null } : {})
    }))
  };
}

/** The name of a run of a notebook, from its path: `work/a{b}.ipynb` gives `a{b}`. */
export function runName(path: string): string {
  const file = path.split('/').pop() ?? path;
  const bare = file.replace(/\.ipynb$/i, '');
  return bare.length < MIN_NAME ? file : bare;
}
