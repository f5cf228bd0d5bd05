import * as React from 'react';

import { useServices } from './context';
import { formatBytes } from './format';
import { DownloadIcon, OutsideIcon } from './icons';
import { Notice, Table } from './parts';
import type { Artifact, RunDetails } from './types';

/** The values that a run was given, by section. */
export function ParametersView({
  run
}: {
  readonly run: RunDetails;
}): JSX.Element {
  const { trans } = useServices();
  if (run.parameters.length === 0) {
    return (
      <Notice title={trans.__('No parameters')}>
        {trans.__(
          'Tag a cell of the notebook with “parameters”: its variables can then be set for each run.'
        )}
      </Notice>
    );
  }
  const sections = [...new Set(run.parameters.map(one => one.section))];
  return (
    <>
      {sections.map(section => (
        <section key={section} className="wl-Section">
          <h2>{section}</h2>
          <Table
            label={section}
            columns={[trans.__('Name'), trans.__('Value'), trans.__('Type')]}
          >
            {run.parameters
              .filter(one => one.section === section)
              .map(one => (
                <tr key={one.name}>
                  <th scope="row" title={one.help}>
                    {one.name}
                    {one.help && <div className="wl-Help">{one.help}</div>}
                  </th>
                  <td className="wl-Code">{one.value}</td>
                  <td className="wl-Dim">{one.type}</td>
                </tr>
              ))}
          </Table>
        </section>
      ))}
    </>
  );
}

/** The files of a run: those that it made first, then its input. */
export function ArtifactsView({
  run
}: {
  readonly run: RunDetails;
}): JSX.Element {
  const { trans } = useServices();
  if (run.artifacts.length === 0) {
    return (
      <Notice title={trans.__('No artifacts yet')}>
        {trans.__('Files that the run uploads appear here.')}
      </Notice>
    );
  }
  const ordered = [...run.artifacts].sort(
    (one, other) => Number(one.input) - Number(other.input)
  );
  return (
    <Table
      label={trans.__('Artifacts')}
      columns={[
        trans.__('Name'),
        trans.__('Kind'),
        trans.__('Size'),
        trans.__('File')
      ]}
    >
      {ordered.map(artifact => (
        <tr key={`${artifact.key} ${artifact.input}`}>
          <th scope="row">{artifact.key}</th>
          <td className="wl-Dim">
            {artifact.input ? trans.__('input') : artifact.type}
          </td>
          <td className="wl-Number">
            {artifact.sizeBytes === null ? '' : formatBytes(artifact.sizeBytes)}
          </td>
          <td>
            <Download run={run} artifact={artifact} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

function Download({
  run,
  artifact
}: {
  readonly run: RunDetails;
  readonly artifact: Artifact;
}): JSX.Element {
  const { client, trans } = useServices();
  if (artifact.downloadable) {
    const view = client.viewUrl?.(run.id, artifact.key) ?? '';
    return (
      <>
        <a
          className="wl-Link"
          href={client.artifactUrl(run.id, artifact.key)}
          download
          aria-label={trans.__('Download %1', artifact.key)}
        >
          <DownloadIcon />
          {trans.__('Download')}
        </a>{' '}
        {view && (
          <a
            className="wl-Link"
            href={view}
            target="_blank"
            rel="noopener noreferrer"
            aria-label={trans.__('Show %1', artifact.key)}
          >
            <OutsideIcon />
            {trans.__('Show')}
          </a>
        )}
      </>
    );
  }
  if (artifact.uri) {
    return (
      <a
        className="wl-Link"
        href={artifact.uri}
        target="_blank"
        rel="noopener noreferrer"
        title={artifact.uri}
      >
        <OutsideIcon />
        {trans.__('Elsewhere')}
      </a>
    );
  }
  return <span className="wl-Dim">{trans.__('not on this server')}</span>;
}
