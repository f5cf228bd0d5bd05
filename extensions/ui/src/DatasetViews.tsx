import * as React from 'react';

import type { Dataset, DatasetDetails, DatasetFile } from './catalog';
import { useServices } from './context';
import { formatBytes, formatMoment, formatTime, stateLabel } from './format';
import { useNow, useWindow } from './hooks';
import { PagedTable, type IColumn } from './PagedTable';
import { Facts, Table } from './parts';
import { PlaceLink, usePages } from './places';
import { Reading } from './Reading';
import { SearchField } from './RunFilters';

const INTERVAL_MS = 15_000;
const ROW_HEIGHT = 26;
/** What a dataset's files do not change any more, once read. */
const NEVER_MS = 3_600_000;

/** Every version of every dataset, newest first. */
export function DatasetsView(): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const now = useNow(false);
  const read = React.useCallback(
    (page: number) => catalog.datasets(page),
    [catalog]
  );
  const columns: readonly IColumn<Dataset>[] = [
    {
      label: trans.__('Dataset'),
      cell: one => (
        <>
          <PlaceLink to={{ kind: 'dataset', id: one.id }}>{one.name}</PlaceLink>
          <div className="wl-Help">{one.project}</div>
        </>
      )
    },
    { label: trans.__('Version'), cell: one => one.version },
    {
      label: trans.__('State'),
      cell: one => stateLabel(one.state, false, trans)
    },
    { label: trans.__('Files'), cell: one => one.files, isNumber: true },
    {
      label: trans.__('Size'),
      cell: one => (one.bytes === null ? '' : formatBytes(one.bytes)),
      isNumber: true
    },
    {
      label: trans.__('When'),
      cell: one =>
        one.created === null ? '' : formatMoment(one.created, now, trans),
      isNumber: true
    }
  ];
  return (
    <>
      <h1>{trans.__('Datasets')}</h1>
      <PagedTable
        label={trans.__('Datasets')}
        columns={columns}
        read={read}
        failure={trans.__('The datasets cannot be shown')}
        empty={{
          title: trans.__('No datasets yet'),
          help: trans.__('Made with clearml-data or Dataset.create(…).')
        }}
      />
    </>
  );
}

/** One version of a dataset: facts, where it comes from, its files. */
export function DatasetView({ id }: { readonly id: string }): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const read = React.useCallback(() => catalog.dataset(id), [catalog, id]);
  return (
    <Reading<DatasetDetails>
      read={read}
      everyMs={INTERVAL_MS}
      failure={trans.__('The dataset cannot be shown')}
    >
      {one => (
        <>
          <h1>
            {one.name}{' '}
            {one.version && <span className="wl-Dim">{one.version}</span>}
          </h1>
          <p>
            <PlaceLink to={{ kind: 'run', id, tab: 'log' }}>
              {trans.__('The run that made it')}
            </PlaceLink>
          </p>
          <Facts
            facts={[
              [trans.__('State'), stateLabel(one.state, false, trans)],
              [trans.__('Project'), one.project],
              [trans.__('Made by'), one.owner],
              [
                trans.__('Created'),
                one.created === null ? '' : formatTime(one.created)
              ],
              [trans.__('Files'), one.files === null ? '' : String(one.files)],
              [
                trans.__('Size'),
                one.bytes === null ? '' : formatBytes(one.bytes)
              ],
              [
                trans.__('Size as stored'),
                one.compressedBytes === null
                  ? ''
                  : formatBytes(one.compressedBytes)
              ],
              [
                trans.__('Changes'),
                trans.__(
                  '%1 added, %2 changed, %3 removed',
                  one.added,
                  one.modified,
                  one.removed
                )
              ],
              [trans.__('Tags'), one.tags.join(', ')],
              [trans.__('Dataset id'), one.id]
            ]}
          />
          <Lineage dataset={one} />
          {one.versions.length > 0 && (
            <section className="wl-Section">
              <h2>{trans.__('Other versions')}</h2>
              <ul className="wl-Plain">
                {one.versions.map(other => (
                  <li key={other.id}>
                    <PlaceLink to={{ kind: 'dataset', id: other.id }}>
                      {other.version || other.id}
                    </PlaceLink>{' '}
                    <span className="wl-Dim">
                      {other.created === null ? '' : formatTime(other.created)}
                    </span>
                  </li>
                ))}
              </ul>
            </section>
          )}
          <section className="wl-Section">
            <h2>{trans.__('Files')}</h2>
            <Files id={id} />
          </section>
        </>
      )}
    </Reading>
  );
}

function Lineage({
  dataset
}: {
  readonly dataset: DatasetDetails;
}): JSX.Element | null {
  const { trans } = useServices();
  const names = new Map(
    dataset.lineage.map(node => [
      node.id,
      [node.name, node.version].filter(Boolean).join(' ')
    ])
  );
  const children = dataset.lineage.filter(node => node.parents.length > 0);
  if (children.length === 0) {
    return null;
  }
  return (
    <section className="wl-Section">
      <h2>{trans.__('Lineage')}</h2>
      <Table
        label={trans.__('Lineage')}
        columns={[trans.__('Version'), trans.__('Made from')]}
      >
        {children.map(node => (
          <tr key={node.id}>
            <th scope="row">
              <PlaceLink
                to={{ kind: 'dataset', id: node.id }}
                current={node.id === dataset.id}
              >
                {names.get(node.id)}
              </PlaceLink>
            </th>
            <td>
              {node.parents.map((parent, index) => (
                <React.Fragment key={parent}>
                  {index > 0 && ', '}
                  <PlaceLink to={{ kind: 'dataset', id: parent }}>
                    {names.get(parent) ?? parent}
                  </PlaceLink>
                </React.Fragment>
              ))}
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Files({ id }: { readonly id: string }): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const read = React.useCallback(() => catalog.datasetFiles(id), [catalog, id]);
  return (
    <Reading
      read={read}
      everyMs={NEVER_MS}
      active={false}
      failure={trans.__('The files cannot be listed')}
    >
      {files =>
        files.length === 0 ? (
          <p className="wl-Dim">{trans.__('None.')}</p>
        ) : (
          <FileList files={files} />
        )
      }
    </Reading>
  );
}

function FileList({
  files
}: {
  readonly files: readonly DatasetFile[];
}): JSX.Element {
  const { trans } = useServices();
  const [text, setText] = React.useState('');
  const shown = files.filter(file => file.path.includes(text));
  const view = useWindow(shown.length, ROW_HEIGHT);
  return (
    <>
      <div className="wl-Toolbar">
        <SearchField text={text} onChange={setText} />
        <span className="wl-Dim" aria-live="polite">
          {trans._n('%1 file', '%1 files', shown.length, shown.length)}
        </span>
      </div>
      <div
        className="wl-FileList"
        ref={view.ref}
        onScroll={view.onScroll}
        tabIndex={0}
        role="region"
        aria-label={trans.__('Files')}
      >
        <ul
          className="wl-Plain"
          style={{
            height: shown.length * ROW_HEIGHT,
            paddingTop: view.first * ROW_HEIGHT
          }}
        >
          {shown.slice(view.first, view.last + 1).map(file => (
            <li
              key={file.path}
              className="wl-FileList-row"
              style={{ height: ROW_HEIGHT }}
              title={`${file.path}\n${file.hash}`}
            >
              <span className="wl-FileList-path">{file.path}</span>
              <span className="wl-Dim wl-Number">
                {file.inherited ? trans.__('from before') : ''}{' '}
                {file.bytes === null ? '' : formatBytes(file.bytes)}
              </span>
            </li>
          ))}
        </ul>
      </div>
    </>
  );
}
