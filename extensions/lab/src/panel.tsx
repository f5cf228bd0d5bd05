import * as React from 'react';

import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';

import { runsIcon } from './icons';
import { withServices } from './services';
import { RunPanel, type RunDetails, type Services } from './ui';

/** The main area's view of one run. */
export class RunPanelBody extends ReactWidget {
  constructor(
    readonly runId: string,
    name: string,
    private readonly services: Services
  ) {
    super();
    this.id = `waylab-run-${runId}`;
    this.title.icon = runsIcon;
    this.title.closable = true;
    this._setName(name);
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.update();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.update();
  }

  protected override render(): JSX.Element {
    return withServices(
      this.services,
      <RunPanel
        id={this.runId}
        visible={this.isVisible}
        onChange={this._onChange}
      />
    );
  }

  private readonly _onChange = (run: RunDetails): void =>
    this._setName(run.name);

  private _setName(name: string): void {
    this.title.label = name;
    this.title.caption = `${name} (${this.runId.slice(0, 8)})`;
  }
}
