import { PathExt } from '@jupyterlab/coreutils';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { IDocumentWidget } from '@jupyterlab/docregistry';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Poll } from '@lumino/polling';

import type { LabClient } from './tokens';

const FOLLOW_MS = 2000;
const LONGEST_MS = 30_000;

/** An output notebook is to be read; its reader may start a kernel by hand. */
const NO_KERNEL_YET = {
  shouldStart: false,
  canStart: true,
  autoStartDefault: false
};

/**
 * Opens output notebooks beside their run, and renews those of runs that go on.
 *
 * `folder` is where the lab keeps them: see `outputs.py`.
 */
export class OutputOpener {
  constructor(
    private readonly client: LabClient,
    private readonly documents: IDocumentManager,
    notebooks: INotebookTracker,
    private readonly folder: string
  ) {
    notebooks.forEach(panel => void this._adopt(panel));
    notebooks.widgetAdded.connect((_, panel) => void this._adopt(panel));
  }

  /** Saves and shows a run's output notebook. Rejects if there is none (yet). */
  async open(runId: string): Promise<IDocumentWidget | undefined> {
    const saved = await this.client.saveOutput(runId);
    const shown = this.documents.findWidget(saved.path);
    const widget = this.documents.openOrReveal(
      saved.path,
      'default',
      undefined,
      { mode: 'split-right' },
      NO_KERNEL_YET
    );
    if (widget === undefined) {
      return undefined;
    }
    await widget.context.ready;
    if (shown !== undefined && !widget.context.model.dirty) {
      await widget.context.revert();
    }
    if (!saved.final) {
      this._follow(runId, widget);
    }
    return widget;
  }

  /** Follows a tab that was not opened here, such as one restored by a reload. */
  private async _adopt(panel: NotebookPanel): Promise<void> {
    const { context } = panel;
    if (PathExt.dirname(context.localPath) !== this.folder) {
      return;
    }
    // A kernel that starts notes itself in the notebook, which then counts as changed
    // by its reader. The lab starts kernels after the document is loaded.
    context.sessionContext.kernelPreference = {
      ...context.sessionContext.kernelPreference,
      ...NO_KERNEL_YET
    };
    await context.ready;
    const runId = unfinishedRun(panel);
    if (runId !== null && !panel.isDisposed) {
      this._follow(runId, panel);
    }
  }

  private _follow(runId: string, widget: IDocumentWidget): void {
    if (this._followed.has(runId)) {
      return;
    }
    let behind = false;
    const poll = new Poll({
      name: `@waylab/lab:output-${runId}`,
      factory: async () => {
        const saved = await this.client.saveOutput(runId);
        if (saved.path !== widget.context.localPath) {
          poll.dispose(); // A copy, or renamed: it is the reader's own now.
          return;
        }
        behind = behind || saved.changed;
        // What a reader has written into the copy is theirs to keep.
        if (behind && !widget.isDisposed && !widget.context.model.dirty) {
          await renew(widget);
          behind = false;
        }
        if (saved.final) {
          poll.dispose();
        }
      },
      frequency: { interval: FOLLOW_MS, backoff: true, max: LONGEST_MS },
      standby: () => document.hidden || !widget.isVisible
    });
    this._followed.add(runId);
    poll.disposed.connect(() => this._followed.delete(runId));
    widget.disposed.connect(() => poll.dispose());
  }

  private readonly _followed = new Set<string>();
}

/** The run whose output a notebook is, if more may come: see `outputs.py`. */
function unfinishedRun(panel: NotebookPanel): string | null {
  const noted: unknown = panel.context.model.getMetadata('waylab');
  if (typeof noted !== 'object' || noted === null) {
    return null;
  }
  const { run, final } = noted as { run?: unknown; final?: unknown };
  return typeof run === 'string' && final === false ? run : null;
}

/** Loads a document anew and leaves the reader at the place where they were. */
async function renew(widget: IDocumentWidget): Promise<void> {
  const scroller = widget.node.querySelector('.jp-WindowedPanel-outer');
  const top = scroller?.scrollTop ?? 0;
  await widget.context.revert();
  scroller?.scrollTo({ top });
}
