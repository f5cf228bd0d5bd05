import * as React from 'react';

import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Poll } from '@lumino/polling';

import { withServices } from './services';
import { runsIcon } from './icons';
import { RunsList, type RunListModel, type Services } from './ui';

const SEEN_MS = 2000;
const UNSEEN_MS = 20_000;
const LONGEST_MS = 20_000;

/** The sidebar "Runs". It keeps its list fresh, faster while it is seen. */
export class RunsSidebar extends ReactWidget {
  constructor(
    private readonly model: RunListModel,
    private readonly services: Services,
    private readonly notice: string
  ) {
    super();
    this.id = 'waylab-runs';
    this.title.icon = runsIcon;
    this.title.caption = services.trans.__('Runs');
    this.addClass('wl-Sidebar');
    this._poll = new Poll({
      name: '@waylab/lab:runs',
      factory: () => this.model.refresh(),
      frequency: { interval: UNSEEN_MS, backoff: true, max: LONGEST_MS },
      standby: 'when-hidden'
    });
  }

  /** Fetches the list at once. */
  refresh(): void {
    void this._poll.refresh();
  }

  override dispose(): void {
    this._poll.dispose();
    super.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._setInterval(SEEN_MS);
    this.refresh();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._setInterval(UNSEEN_MS);
  }

  protected override render(): JSX.Element {
    return withServices(
      this.services,
      <>
        {this.notice && (
          <p className="wl-Callout wl-Sidebar-notice" role="note">
            {this.notice}
          </p>
        )}
        <RunsList model={this.model} />
      </>
    );
  }

  private _setInterval(interval: number): void {
    this._poll.frequency = { interval, backoff: true, max: LONGEST_MS };
  }

  private readonly _poll: Poll;
}
