import type { IDocumentManager } from '@jupyterlab/docmanager';
import type { IDocumentWidget } from '@jupyterlab/docregistry';
import { Poll } from '@lumino/polling';

import type { LabClient } from './tokens';

const FOLLOW_MS = 2000;
const LONGEST_MS = 30_000;

/** Opens output notebooks beside their run, and renews those of runs that go on. */
export class OutputOpener {
  constructor(
    private readonly client: LabClient,
    private readonly documents: IDocumentManager
  ) {}

  /** Saves and shows a run's output notebook. Rejects if there is none (yet). */
  async open(runId: string): Promise<IDocumentWidget | undefined> {
    const saved = await this.client.saveOutput(runId);
    const shown = this.documents.findWidget(saved.path);
    const widget = this.documents.openOrReveal(
      saved.path,
      'default',
      undefined,
      { mode: 'split-right' },
      { shouldStart: false, canStart: true, autoStartDefault: false }
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

  private _follow(runId: string, widget: IDocumentWidget): void {
    if (this._followed.has(runId)) {
      return;
    }
    let behind = false;
    const poll = new Poll({
      name: `@waylab/lab:output-${runId}`,
      factory: async () => {
        const saved = await this.client.saveOutput(runId);
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

/** Loads a document anew and leaves the reader at the place where they were. */
async function renew(widget: IDocumentWidget): Promise<void> {
  const scroller = widget.node.querySelector('.jp-WindowedPanel-outer');
  const top = scroller?.scrollTop ?? 0;
  await widget.context.revert();
  scroller?.scrollTo({ top });
}
