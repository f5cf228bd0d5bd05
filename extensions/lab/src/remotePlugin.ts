import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { IStateDB } from '@jupyterlab/statedb';
import {
  ITranslator,
  nullTranslator,
  type TranslationBundle
} from '@jupyterlab/translation';

import { runRemotelyIcon } from './icons';
import { bareNotebook } from './notebook';
import { labServices } from './services';
import {
  showAgainForm,
  showSubmitForm,
  type LastChoice,
  type NotebookSource
} from './submit';
import {
  CommandIds,
  ILabClient,
  IRunsBoard,
  TRANSLATION_DOMAIN,
  type LabClient,
  type RunsBoard
} from './tokens';
import { messageOf, RequestError, type Submitted } from './ui';

const LAST_CHOICE = '@waylab/lab:last-choice';
const NOTIFICATION_MS = 8000;

/** The command "Run remotely…" and its form. Places in menus: `schema/remote.json`. */
export const remotePlugin: JupyterFrontEndPlugin<void> = {
  id: '@waylab/lab:remote',
  description: 'Runs notebooks remotely.',
  autoStart: true,
  requires: [ILabClient, IRunsBoard, IDocumentManager, INotebookTracker],
  optional: [IDefaultFileBrowser, ICommandPalette, IStateDB, ITranslator],
  activate: activateRemote
};

function activateRemote(
  app: JupyterFrontEnd,
  client: LabClient,
  board: RunsBoard,
  documents: IDocumentManager,
  notebooks: INotebookTracker,
  browser: IDefaultFileBrowser | null,
  palette: ICommandPalette | null,
  state: IStateDB | null,
  translator: ITranslator | null
): void {
  const trans = (translator ?? nullTranslator).load(TRANSLATION_DOMAIN);
  const { commands } = app;
  const services = labServices(client, trans, commands, board.refresh);
  const onSubmitted = (submitted: Submitted, name: string): void => {
    board.refresh();
    Notification.success(submittedMessage(submitted, name, trans), {
      autoClose: NOTIFICATION_MS,
      actions: [
        {
          label: trans.__('Show'),
          callback: () =>
            void commands.execute(CommandIds.openRun, {
              id: submitted.taskId,
              name
            })
        }
      ]
    });
  };
  const parts = { client, services, documents, onSubmitted };
  const show = async (source: NotebookSource): Promise<void> =>
    showSubmitForm(
      source,
      lastChoice(await state?.fetch(LAST_CHOICE)),
      choice => void state?.save(LAST_CHOICE, { ...choice }),
      parts
    );

  commands.addCommand(CommandIds.runRemotely, {
    label: trans.__('Run Remotely…'),
    caption: trans.__('Run this notebook on a queue'),
    icon: runRemotelyIcon,
    isEnabled: () => notebooks.currentWidget !== null,
    execute: async () => {
      const panel = notebooks.currentWidget;
      if (panel !== null) {
        await show(openNotebook(panel, client, documents, trans));
      }
    }
  });
  commands.addCommand(CommandIds.runFileRemotely, {
    label: trans.__('Run Remotely…'),
    icon: runRemotelyIcon,
    execute: async () => {
      const item = [...(browser?.selectedItems() ?? [])].find(
        one => one.type === 'notebook'
      );
      if (item === undefined) {
        return;
      }
      const open = notebooks.find(panel => panel.context.path === item.path);
      const path = documents.services.contents.localPath(item.path);
      await show(
        open
          ? openNotebook(open, client, documents, trans)
          : {
              path,
              parameters: () => client.parametersIn(path),
              save: () => Promise.resolve()
            }
      );
    }
  });
  commands.addCommand(CommandIds.runAgain, {
    label: trans.__('Run Again…'),
    execute: async args => {
      try {
        showAgainForm(await client.getRun(String(args.id)), parts);
      } catch (error) {
        Notification.error(messageOf(error));
      }
    }
  });
  palette?.addItem({
    command: CommandIds.runRemotely,
    category: trans.__('Waylab')
  });
}

/** A notebook in the editor: its parameters as they are now, saved before it is sent. */
function openNotebook(
  panel: NotebookPanel,
  client: LabClient,
  documents: IDocumentManager,
  trans: TranslationBundle
): NotebookSource {
  const { context } = panel;
  return {
    path: documents.services.contents.localPath(context.path),
    parameters: async () => {
      await context.ready;
      return client.parametersOf(bareNotebook(panel));
    },
    save: async () => {
      if (!context.model.dirty) {
        return;
      }
      await context.save();
      if (context.model.dirty) {
        throw new RequestError(
          trans.__('The notebook could not be saved, so it was not sent.'),
          'unsaved'
        );
      }
    }
  };
}

function lastChoice(kept: unknown): LastChoice {
  const { queue, project } = (kept ?? {}) as Partial<
    Record<keyof LastChoice, unknown>
  >;
  return {
    queue: typeof queue === 'string' ? queue : '',
    project: typeof project === 'string' ? project : ''
  };
}

function submittedMessage(
  { queue, position }: Submitted,
  name: string,
  trans: TranslationBundle
): string {
  if (position === null) {
    return trans.__('“%1” has left queue %2 and starts.', name, queue);
  }
  return position === 1
    ? trans.__('“%1” is next in queue %2.', name, queue)
    : trans.__('“%1” is number %2 in queue %3.', name, position, queue);
}
