import * as React from 'react';

import { useServices } from './context';
import { ModelsTable } from './ModelViews';
import { PlaceLink, usePages } from './places';
import { Reading } from './Reading';
import { RunsTable } from './RunsTable';
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
  const { catalog, go } = usePages();
  const read = React.useCallback(() => catalog.projects(), [catalog]);
  const content =
    tab === 'models' ? (
      <ModelsTable projectId={id} />
    ) : (
      <RunsTable projectId={id} />
    );
  return (
    <>
      {id === '' ? (
        <h1>{trans.__('All runs')}</h1>
      ) : (
        <Reading
          read={read}
          everyMs={INTERVAL_MS}
          failure={trans.__('The project cannot be shown')}
        >
          {projects => {
            const project = projects.find(one => one.id === id);
            const below = projects.filter(
              one =>
                project !== undefined && one.name.startsWith(`${project.name}/`)
            );
            return (
              <>
                <h1>{project?.name ?? trans.__('A hidden project')}</h1>
                {project?.description && <p>{project.description}</p>}
                {below.length > 0 && (
                  <ul
                    className="wl-Below"
                    aria-label={trans.__('Projects below')}
                  >
                    {below.map(one => (
                      <li key={one.id}>
                        <PlaceLink
                          to={{ kind: 'project', id: one.id, tab: 'runs' }}
                        >
                          {one.name.slice((project?.name.length ?? 0) + 1)}
                        </PlaceLink>
                      </li>
                    ))}
                  </ul>
                )}
              </>
            );
          }}
        </Reading>
      )}
      <TabBar
        label={trans.__('In this project')}
        tabs={[
          ['runs', trans.__('Runs')],
          ['models', trans.__('Models')]
        ]}
        current={tab}
        onChoose={next => go({ kind: 'project', id, tab: next })}
      >
        {content}
      </TabBar>
    </>
  );
}
