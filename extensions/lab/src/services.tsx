import * as React from 'react';

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';

import { CommandIds, type LabClient, type RunsBoard } from './tokens';
import { ServicesProvider, type Services, type Translate } from './ui';

/** What the views need, in terms of the lab's commands. */
export function labServices(
  client: LabClient,
  trans: Translate,
  commands: CommandRegistry,
  refresh: RunsBoard['refresh']
): Services {
  return {
    client,
    trans,
    actions: {
      openRun: run =>
        void commands.execute(CommandIds.openRun, {
          id: run.id,
          name: run.name
        }),
      openOutput: async run => {
        await commands.execute(CommandIds.openOutput, { id: run.id });
      },
      runAgain: run =>
        void commands.execute(CommandIds.runAgain, { id: run.id }),
      abort: async run => {
        const answer = await showDialog({
          title: trans.__('Abort this run?'),
          body:
            run.state === 'queued'
              ? trans.__('“%1” is taken out of its queue.', run.name)
              : trans.__(
                  '“%1” is stopped; what it has produced so far is kept.',
                  run.name
                ),
          buttons: [
            Dialog.cancelButton({ label: trans.__('Keep running') }),
            Dialog.warnButton({ label: trans.__('Abort') })
          ]
        });
        if (answer.button.accept) {
          await client.abort(run.id);
          refresh();
        }
      }
    }
  };
}

/** A view with its services around it. */
export function withServices(
  services: Services,
  view: JSX.Element
): JSX.Element {
  return (
    <ServicesProvider value={services}>
      <div className="wl-Root">{view}</div>
    </ServicesProvider>
  );
}
