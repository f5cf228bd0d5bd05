import * as React from 'react';

import type { ProjectDetails } from './catalog';
import { useServices } from './context';
import { ModelsTable } from './ModelViews';
import { PlaceLink, usePages } from './places';
import { Reading } from './Reading';
import { RunsTable } from './RunsTable';
import { SharingView } from './SharingView';
import { TabBar } from './TabBar';

const INTERVAL_MS = 15_000;

/** A project: its runs or its models, and the projects below it. */
export function ProjectView({
  id,
  tab
}: {
  readonly id: string;
  readonly tab: 'runs' | 'models';
}): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const read = React.useCallback(() => catalog.project(id), [catalog, id]);
  return id === '' ? (
    <>
      <h1>{trans.__('All runs')}</h1>
      <Tabs id={id} tab={tab} />
    </>
  ) : (
    <Reading<ProjectDetails>
      read={read}
      everyMs={INTERVAL_MS}
      failure={trans.__('The project cannot be shown')}
    >
      {project => (
        <>
          <h1>{project.name}</h1>
          {project.description && <p>{project.description}</p>}
          <SharingView id={id} below={project.name.includes('/')} />
          {project.below.length > 0 && (
            <ul className="wl-Below" aria-label={trans.__('Projects below')}>
              {project.below.map(one => (
                <li key={one.id}>
                  <PlaceLink to={{ kind: 'project', id: one.id, tab: 'runs' }}>
                    {one.name}
                  </PlaceLink>
                </li>
              ))}
            </ul>
          )}
          <Tabs id={id} tab={tab} />
        </>
      )}
    </Reading>
  );
}

function Tabs({
  id,
  tab
}: {
  readonly id: string;
  readonly tab: 'runs' | 'models';
}): JSX.Element {
  const { trans } = useServices();
  const { go } = usePages();
  return (
    <TabBar
      label={trans.__('In this project')}
      tabs={[
        ['runs', trans.__('Runs')],
        ['models', trans.__('Models')]
      ]}
      current={tab}
      onChoose={next => go({ kind: 'project', id, tab: next })}
    >
      {tab === 'models' ? (
        <ModelsTable projectId={id} />
      ) : (
        <RunsTable projectId={id} />
      )}
    </TabBar>
  );
}
