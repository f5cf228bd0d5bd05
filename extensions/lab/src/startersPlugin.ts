import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { starterIcon } from './icons';
import {
  CommandIds,
  ILabClient,
  TRANSLATION_DOMAIN,
  type LabClient
} from './tokens';
import { messageOf } from './ui';

/** The launcher's section "Waylab starters". */
export const startersPlugin: JupyterFrontEndPlugin<void> = {
  id: '@waylab/lab:starters',
  description: 'Offers starter notebooks in the launcher.',
  autoStart: true,
  requires: [ILabClient, ILauncher, IDocumentManager],
  optional: [IDefaultFileBrowser, ITranslator],
  activate: activateStarters
};

function activateStarters(
  app: JupyterFrontEnd,
  client: LabClient,
  launcher: ILauncher,
  documents: IDocumentManager,
  browser: IDefaultFileBrowser | null,
  translator: ITranslator | null
): void {
  const trans = (translator ?? nullTranslator).load(TRANSLATION_DOMAIN);
  const { commands } = app;
  commands.addCommand(CommandIds.newFromStarter, {
    label: args =>
      shortTitle(String(args.title ?? trans.__('New from Starter'))),
    caption: args => [args.title, args.description].filter(Boolean).join('\n'),
    icon: starterIcon,
    execute: async args => {
      const cwd = String(args.cwd ?? browser?.model.path ?? '');
      const folder = documents.services.contents.localPath(cwd);
      try {
        const path = await client.copyStarter(String(args.name), folder);
        return documents.openOrReveal(path);
      } catch (error) {
        Notification.error(messageOf(error));
        return undefined;
      }
    }
  });
  void client.listStarters().then(
    starters =>
      starters.forEach((starter, rank) =>
        launcher.add({
          command: CommandIds.newFromStarter,
          category: trans.__('Waylab starters'),
          rank,
          args: { ...starter }
        })
      ),
    // The launcher is complete without; the sidebar tells what is wrong.
    () => undefined
  );
}

/** What fits on a card: of `Vision: recognise digits` the first word. */
function shortTitle(title: string): string {
  const [first] = title.split(':');
  return first.trim() || title;
}
