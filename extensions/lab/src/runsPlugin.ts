import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  MainAreaWidget,
  WidgetTracker
} from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { runsIcon } from './icons';
import { OutputOpener } from './outputs';
import { RunPanelBody } from './panel';
import { labServices } from './services';
import { RunsSidebar } from './sidebar';
import {
  CommandIds,
  ILabClient,
  IRunsBoard,
  TRANSLATION_DOMAIN,
  type LabClient,
  type RunsBoard
} from './tokens';
import { RunListModel } from './ui';

const SIDEBAR_RANK = 150;

/** The sidebar "Runs", the panels of runs, and their output notebooks. */
export const runsPlugin: JupyterFrontEndPlugin<RunsBoard> = {
  id: '@waylab/lab:runs',
  description: 'Lists runs in the sidebar and opens them in panels.',
  autoStart: true,
  requires: [ILabClient, IDocumentManager, INotebookTracker],
  optional: [ICommandPalette, ILayoutRestorer, ITranslator],
  provides: IRunsBoard,
  activate: activateRuns
};

function activateRuns(
  app: JupyterFrontEnd,
  client: LabClient,
  documents: IDocumentManager,
  notebooks: INotebookTracker,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null,
  translator: ITranslator | null
): RunsBoard {
  const trans = (translator ?? nullTranslator).load(TRANSLATION_DOMAIN);
  const { commands, shell } = app;
  const model = new RunListModel(client);
  const services = labServices(client, trans, commands, () =>
    sidebar.refresh()
  );
  const sidebar = new RunsSidebar(
    model,
    services,
    PageConfig.getOption('waylabNotice')
  );
  const outputs = new OutputOpener(
    client,
    documents,
    notebooks,
    PageConfig.getOption('waylabOutputs')
  );
  const tracker = new WidgetTracker<MainAreaWidget<RunPanelBody>>({
    namespace: 'waylab-run'
  });

  commands.addCommand(CommandIds.showRuns, {
    label: trans.__('Show Runs'),
    icon: runsIcon,
    execute: () => shell.activateById(sidebar.id)
  });
  commands.addCommand(CommandIds.openRun, {
    label: trans.__('Open Run'),
    describedBy: { args: runArguments(trans.__('The run’s id')) },
    execute: args => {
      const id = String(args.id);
      const open = tracker.find(one => one.content.runId === id);
      const panel =
        open ??
        new MainAreaWidget({
          content: new RunPanelBody(
            id,
            String(args.name ?? trans.__('Run')),
            services
          )
        });
      if (open === undefined) {
        panel.id = `waylab-run-panel-${id}`;
        panel.toolbar.hide();
        void tracker.add(panel);
        shell.add(panel, 'main');
      }
      shell.activateById(panel.id);
    }
  });
  commands.addCommand(CommandIds.openOutput, {
    label: trans.__('Open Output Notebook'),
    describedBy: { args: runArguments(trans.__('The run’s id')) },
    execute: args => outputs.open(String(args.id))
  });

  shell.add(sidebar, 'left', { rank: SIDEBAR_RANK, type: 'Runs' });
  restorer?.add(sidebar, sidebar.id);
  void restorer?.restore(tracker, {
    command: CommandIds.openRun,
    args: panel => ({
      id: panel.content.runId,
      name: panel.content.title.label
    }),
    name: panel => panel.content.runId
  });
  palette?.addItem({
    command: CommandIds.showRuns,
    category: trans.__('Waylab')
  });
  return { model, refresh: () => sidebar.refresh() };
}

function runArguments(description: string): {
  type: 'object';
  properties: Record<string, { type: string; description: string }>;
} {
  return {
    type: 'object',
    properties: { id: { type: 'string', description } }
  };
}
