import * as React from 'react';

import { ReactWidget } from '@jupyterlab/ui-components';
import { UUID } from '@lumino/coreutils';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { withServices } from './services';
import type { Services } from './ui';

/**
 * A form over the lab that closes only when it is done or given up.
 *
 * The lab's own dialogs close on every answer and wait for each other; this one stays
 * when the server says no, and lets a file chooser open above it.
 */
export class FormDialog extends ReactWidget {
  constructor(
    private readonly heading: string,
    private readonly services: Services,
    private readonly content: (close: () => void) => JSX.Element
  ) {
    super();
    this.id = `waylab-form-${UUID.uuid4()}`;
    this.addClass('jp-Dialog');
    this.addClass('wl-Dialog');
    this.node.tabIndex = -1;
    this._before = document.activeElement;
  }

  /** Shows the form. */
  launch(): void {
    Widget.attach(this, document.body);
  }

  handleEvent(event: Event): void {
    if (event.type === 'keydown') {
      this._onKeyDown(event as KeyboardEvent);
    } else if (event.type === 'focusin') {
      this._onFocusIn(event);
    }
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.node.addEventListener('keydown', this);
    document.addEventListener('focusin', this);
    // The form is known to be drawn only when the browser is idle, so the dialog has
    // focus until then; by that time somebody may be typing.
    this.node.focus();
    void this.renderPromise?.then(() => {
      if (this._last === null) {
        this._focusFirst();
      }
    });
  }

  protected override onBeforeDetach(message: Message): void {
    this.node.removeEventListener('keydown', this);
    document.removeEventListener('focusin', this);
    super.onBeforeDetach(message);
    if (this._before instanceof HTMLElement) {
      this._before.focus();
    }
  }

  protected override render(): JSX.Element {
    return withServices(
      this.services,
      <div
        className="wl-Dialog-box"
        role="dialog"
        aria-modal="true"
        aria-labelledby={`${this.id}-heading`}
      >
        <h2 id={`${this.id}-heading`} className="wl-Dialog-heading">
          {this.heading}
        </h2>
        {this.content(() => this.dispose())}
      </div>
    );
  }

  /**
   * Takes focus back from the lab below, but leaves it to a dialog above.
   *
   * A notebook whose kernel gets ready takes it at any time: who types goes on where
   * they were.
   */
  private _onFocusIn(event: Event): void {
    const target = event.target;
    if (!(target instanceof HTMLElement) || target === this.node) {
      return;
    }
    if (this.node.contains(target)) {
      this._last = target;
    } else if (target.closest('.jp-Dialog') === null) {
      if (this._last?.isConnected) {
        this._last.focus();
      } else {
        this._focusFirst();
      }
    }
  }

  private _focusFirst(): void {
    (this._focusable()[0] ?? this.node).focus();
  }

  private _onKeyDown(event: KeyboardEvent): void {
    // No shortcut of the lab below may act on what is typed here.
    event.stopPropagation();
    if (event.key === 'Escape') {
      event.preventDefault();
      this.dispose();
    } else if (event.key === 'Tab') {
      this._keepFocus(event);
    }
  }

  private _keepFocus(event: KeyboardEvent): void {
    const nodes = this._focusable();
    const last = nodes.length - 1;
    const at = nodes.findIndex(node => node === document.activeElement);
    const leaving = event.shiftKey ? at <= 0 : at === last;
    if (leaving && last >= 0) {
      event.preventDefault();
      nodes[event.shiftKey ? last : 0].focus();
    }
  }

  private _focusable(): HTMLElement[] {
    return [
      ...this.node.querySelectorAll<HTMLElement>(
        'input, select, textarea, button, a[href]'
      )
    ].filter(node => !node.hasAttribute('disabled') && node.tabIndex >= 0);
  }

  private readonly _before: Element | null;
  private _last: HTMLElement | null = null;
}
