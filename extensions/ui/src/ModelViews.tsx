import * as React from 'react';

import type { Model, ModelDetails, Named } from './catalog';
import { useServices } from './context';
import { formatMoment, formatTime } from './format';
import { useNow } from './hooks';
import { DownloadIcon } from './icons';
import { PagedTable, type IColumn } from './PagedTable';
import { Facts, Table } from './parts';
import { PlaceLink, usePages } from './places';
import { Reading } from './Reading';

const INTERVAL_MS = 15_000;

/** The models of a project. */
export function ModelsTable({
  projectId
}: {
  readonly projectId: string;
}): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const now = useNow(false);
  const read = React.useCallback(
    (page: number) => catalog.models(projectId, page),
    [catalog, projectId]
  );
  const columns: readonly IColumn<Model>[] = [
    {
      label: trans.__('Model'),
      cell: model => (
        <>
          <PlaceLink to={{ kind: 'model', id: model.id }}>
            {model.name}
          </PlaceLink>
          {model.tags.length > 0 && (
            <div className="wl-Help">{model.tags.join(', ')}</div>
          )}
        </>
      )
    },
    { label: trans.__('Framework'), cell: model => model.framework },
    {
      label: trans.__('State'),
      cell: model =>
        model.published ? trans.__('Published') : trans.__('Draft')
    },
    { label: trans.__('Made by'), cell: model => model.owner },
    {
      label: trans.__('When'),
      cell: model =>
        model.created === null ? '' : formatMoment(model.created, now, trans),
      isNumber: true
    }
  ];
  return (
    <PagedTable
      label={trans.__('Models')}
      columns={columns}
      read={read}
      failure={trans.__('The models cannot be shown')}
      empty={{
        title: trans.__('No models yet'),
        help: trans.__('Weights that a run saves appear here.')
      }}
    />
  );
}

/** One model: what it is, where it comes from, and what came of it. */
export function ModelView({ id }: { readonly id: string }): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const read = React.useCallback(() => catalog.model(id), [catalog, id]);
  return (
    <Reading<ModelDetails>
      read={read}
      everyMs={INTERVAL_MS}
      failure={trans.__('The model cannot be shown')}
    >
      {model => (
        <>
          <h1>{model.name}</h1>
          {model.comment && <p>{model.comment}</p>}
          {model.address && (
            <p>
              <a
                className="wl-Button wl-mod-main"
                href={model.address}
                download
              >
                <DownloadIcon />
                {trans.__('Download weights')}
              </a>
            </p>
          )}
          <Facts
            facts={[
              [
                trans.__('State'),
                model.published ? trans.__('Published') : trans.__('Draft')
              ],
              [trans.__('Project'), model.project],
              [trans.__('Framework'), model.framework],
              [trans.__('Made by'), model.owner],
              [
                trans.__('Created'),
                model.created === null ? '' : formatTime(model.created)
              ],
              [trans.__('Tags'), model.tags.join(', ')],
              [trans.__('Weights'), model.uri],
              [trans.__('Model id'), model.id]
            ]}
          />
          <Lineage model={model} />
          <Metadata model={model} />
          {model.labels.length > 0 && (
            <section className="wl-Section">
              <h2>{trans.__('Labels')}</h2>
              <Table
                label={trans.__('Labels')}
                columns={[trans.__('Label'), trans.__('Number')]}
              >
                {model.labels.map(([label, number]) => (
                  <tr key={label}>
                    <th scope="row">{label}</th>
                    <td className="wl-Number">{number}</td>
                  </tr>
                ))}
              </Table>
            </section>
          )}
          {model.design && (
            <section className="wl-Section">
              <h2>{trans.__('Configuration')}</h2>
              <pre className="wl-Text" tabIndex={0}>
                {model.design}
              </pre>
            </section>
          )}
        </>
      )}
    </Reading>
  );
}

function Lineage({ model }: { readonly model: ModelDetails }): JSX.Element {
  const { trans } = useServices();
  const { madeBy, parent, children } = model;
  return (
    <section className="wl-Section">
      <h2>{trans.__('Lineage')}</h2>
      {madeBy === null && parent === null && children.length === 0 ? (
        <p className="wl-Dim">{trans.__('Nothing is known of it.')}</p>
      ) : (
        <ul className="wl-Plain">
          {madeBy !== null && (
            <li>
              {trans.__('Made by run')}{' '}
              <PlaceLink to={{ kind: 'run', id: madeBy.id, tab: 'overview' }}>
                {madeBy.name}
              </PlaceLink>
            </li>
          )}
          {parent !== null && (
            <li>
              {trans.__('Trained from')} <ModelLink model={parent} />
            </li>
          )}
          {children.map(child => (
            <li key={child.id}>
              {trans.__('Basis of')} <ModelLink model={child} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function ModelLink({ model }: { readonly model: Named }): JSX.Element {
  return (
    <PlaceLink to={{ kind: 'model', id: model.id }}>{model.name}</PlaceLink>
  );
}

function Metadata({ model }: { readonly model: ModelDetails }): JSX.Element {
  const { trans } = useServices();
  return (
    <section className="wl-Section">
      <h2>{trans.__('Metadata')}</h2>
      {model.metadata.length === 0 ? (
        <p className="wl-Dim">{trans.__('None.')}</p>
      ) : (
        <Table
          label={trans.__('Metadata')}
          columns={[trans.__('Name'), trans.__('Value'), trans.__('Type')]}
        >
          {model.metadata.map(item => (
            <tr key={item.key}>
              <th scope="row">{item.key}</th>
              <td className="wl-Code">{item.value}</td>
              <td className="wl-Dim">{item.type}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}
