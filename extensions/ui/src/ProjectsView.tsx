import * as React from 'react';

import { useServices } from './context';
import { formatMoment } from './format';
import { useNow } from './hooks';
import { Notice } from './parts';
import { PlaceLink, usePages } from './places';
import { Reading } from './Reading';
import { SearchField } from './RunFilters';
import { RunsTable } from './RunsTable';

const INTERVAL_MS = 10_000;

/** Every project, then the latest runs of all of them. */
export function ProjectsView(): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const [text, setText] = React.useState('');
  const read = React.useCallback(() => catalog.projects(), [catalog]);
  const now = useNow(false);
  return (
    <>
      <h1>{trans.__('Projects')}</h1>
      <Reading
        read={read}
        everyMs={INTERVAL_MS}
        failure={trans.__('The projects cannot be shown')}
      >
        {projects => {
          const shown = projects.filter(one =>
            one.name.toLowerCase().includes(text.toLowerCase())
          );
          return projects.length === 0 ? (
            <Notice title={trans.__('No project yet')}>
              {trans.__('The first run makes one.')}
            </Notice>
          ) : (
            <>
              {projects.length > 8 && (
                <div className="wl-Toolbar">
                  <SearchField text={text} onChange={setText} />
                </div>
              )}
              {shown.length === 0 && (
                <Notice title={trans.__('No project has such a name')} />
              )}
              <ul className="wl-Projects">
                {shown.map(project => (
                  <li key={project.id} className="wl-Project">
                    <div className="wl-Clamped" title={project.name}>
                      <PlaceLink
                        to={{ kind: 'project', id: project.id, tab: 'runs' }}
                      >
                        {project.name}
                      </PlaceLink>
                    </div>
                    <span className="wl-Dim">
                      {[
                        trans._n(
                          '%1 run',
                          '%1 runs',
                          project.runs,
                          project.runs
                        ),
                        project.running > 0
                          ? trans.__('%1 running', project.running)
                          : '',
                        project.updated === null
                          ? ''
                          : formatMoment(project.updated, now, trans)
                      ]
                        .filter(Boolean)
                        .join(' · ')}
                    </span>
                  </li>
                ))}
              </ul>
            </>
          );
        }}
      </Reading>
      <h2>{trans.__('Latest runs')}</h2>
      <RunsTable projectId="" />
    </>
  );
}
