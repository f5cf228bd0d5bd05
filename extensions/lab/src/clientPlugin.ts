import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { ServerClient } from './client';
import { ILabClient, TRANSLATION_DOMAIN, type LabClient } from './tokens';

/** The way to the server extension. */
export const clientPlugin: JupyterFrontEndPlugin<LabClient> = {
  id: '@waylab/lab:client',
  description: 'Provides access to runs and queues.',
  autoStart: true,
  optional: [ITranslator],
  provides: ILabClient,
  activate: (app: JupyterFrontEnd, translator: ITranslator | null) =>
    new ServerClient(
      app.serviceManager.serverSettings,
      (translator ?? nullTranslator).load(TRANSLATION_DOMAIN)
    )
};
