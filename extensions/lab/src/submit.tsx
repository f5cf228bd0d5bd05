import * as React from 'react';

import { PathExt } from '@jupyterlab/coreutils';
import { FileDialog } from '@jupyterlab/filebrowser';
import type { IDocumentManager } from '@jupyterlab/docmanager';
import { UUID } from '@lumino/coreutils';

import { FormDialog } from './formDialog';
import { runName } from './notebook';
import type { LabClient } from './tokens';
import {
  choiceOf,
  messageOf,
  rerunOf,
  RunForm,
  submissionOf,
  type FormChoices,
  type FormValues,
  type ParameterField,
  type RunDetails,
  type Services,
  type Submitted
} from './ui';

/** A notebook that is to run: where it lies, and how it is brought up to date there. */
export interface NotebookSource {
  readonly path: string;
  readonly parameters: () => Promise<readonly ParameterField[]>;
  readonly save: () => Promise<void>;
}

/** What the form remembers from the last time. */
export interface LastChoice {
  readonly queue: string;
  readonly project: string;
}

interface Parts {
  readonly client: LabClient;
  readonly services: Services;
  readonly documents: IDocumentManager;
  readonly onSubmitted: (submitted: Submitted, name: string) => void;
}

/** Shows the form "Run remotely" for a notebook. */
export function showSubmitForm(
  source: NotebookSource,
  last: LastChoice,
  onChoice: (choice: LastChoice) => void,
  parts: Parts
): void {
  const { client, services, documents } = parts;
  const title = services.trans.__('Run remotely');
  const keys = new IdempotencyKeys();
  const dialog = new FormDialog(title, services, close => (
    <LoadedForm
      kind="submit"
      readFields={source.parameters}
      client={client}
      initial={{
        name: runName(source.path),
        queue: last.queue,
        project: last.project || 'Notebooks'
      }}
      onCancel={close}
      pickFiles={folders =>
        pickFiles(documents, folders, PathExt.dirname(source.path), services)
      }
      onSubmit={async (values, fields) => {
        await source.save();
        const submission = submissionOf(source.path, values, fields, '');
        const idempotencyKey = keys.keyOf(submission);
        const submitted = await client.submit({
          ...submission,
          idempotencyKey
        });
        onChoice({ queue: values.queue, project: submission.project });
        close();
        parts.onSubmitted(submitted, submission.name);
      }}
    />
  ));
  dialog.launch();
}

/** Shows the form "Run again" for a run. */
export function showAgainForm(run: RunDetails, parts: Parts): void {
  const { client, services } = parts;
  const title = services.trans.__('Run again');
  const keys = new IdempotencyKeys();
  const readFields = (): Promise<readonly ParameterField[]> =>
    client.parametersOfRun(run.id);
  const dialog = new FormDialog(title, services, close => (
    <LoadedForm
      kind="again"
      readFields={readFields}
      client={client}
      initial={{
        name: run.name,
        queue: run.queue,
        ...choiceOf(run.parameters)
      }}
      onCancel={close}
      onSubmit={async (values, fields) => {
        const wish = rerunOf(values, fields, '');
        const idempotencyKey = keys.keyOf(wish);
        const submitted = await client.rerun(run.id, {
          ...wish,
          idempotencyKey
        });
        close();
        parts.onSubmitted(submitted, wish.name);
      }}
    />
  ));
  dialog.launch();
}

/** The form, while and after its fields are read. */
function LoadedForm({
  kind,
  readFields,
  client,
  initial,
  onSubmit,
  onCancel,
  pickFiles
}: {
  readonly kind: 'submit' | 'again';
  readonly readFields: () => Promise<readonly ParameterField[]>;
  readonly client: LabClient;
  readonly initial: Partial<FormValues>;
  readonly onSubmit: (
    values: FormValues,
    fields: readonly ParameterField[]
  ) => Promise<void>;
  readonly onCancel: () => void;
  readonly pickFiles?: (folders: boolean) => Promise<readonly string[]>;
}): JSX.Element {
  const [choices, setChoices] = React.useState<FormChoices>({
    fields: null,
    fieldsError: '',
    projects: []
  });
  React.useEffect(() => {
    let shown = true;
    const set = (change: Partial<FormChoices>): void => {
      if (shown) {
        setChoices(old => ({ ...old, ...change }));
      }
    };
    readFields().then(
      fields => set({ fields }),
      error => set({ fieldsError: messageOf(error) })
    );
    if (kind === 'submit') {
      client.listProjects().then(
        projects => set({ projects }),
        // Only suggestions: the field works without.
        () => undefined
      );
    }
    return () => {
      shown = false;
    };
  }, [readFields, client, kind]);
  return (
    <RunForm
      kind={kind}
      choices={choices}
      initial={initial}
      onSubmit={values => onSubmit(values, choices.fields ?? [])}
      onCancel={onCancel}
      pickFiles={pickFiles}
    />
  );
}

/** The same wish sent twice is one run; a changed wish is another. */
class IdempotencyKeys {
  keyOf(submission: object): string {
    const wish = JSON.stringify(submission);
    if (wish !== this._wish) {
      this._wish = wish;
      this._key = UUID.uuid4();
    }
    return this._key;
  }

  private _wish = '';
  private _key = '';
}

async function pickFiles(
  manager: IDocumentManager,
  folders: boolean,
  defaultPath: string,
  { trans }: Services
): Promise<readonly string[]> {
  const chosen = folders
    ? await FileDialog.getExistingDirectory({
        manager,
        defaultPath,
        title: trans.__('Add a folder')
      })
    : await FileDialog.getOpenFiles({
        manager,
        defaultPath,
        title: trans.__('Add files')
      });
  const contents = manager.services.contents;
  return (chosen.button.accept ? (chosen.value ?? []) : []).map(item =>
    contents.localPath(item.path)
  );
}
