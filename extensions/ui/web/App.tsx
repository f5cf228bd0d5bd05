import * as React from 'react';

import {
  CompareView,
  ConfigurationView,
  DatasetsView,
  DatasetView,
  ModelView,
  Notice,
  PagesProvider,
  PicturesView,
  PlaceLink,
  PlotsView,
  ProjectsView,
  ProjectView,
  QueuesView,
  RunPanel,
  ServicesProvider,
  usePages,
  useServices,
  WorkersView,
  type CatalogClient,
  type MoreTab,
  type Pages,
  type Place,
  type RunDetails,
  type RunsClient,
  type RunTab,
  type Services
} from '../src';

import { pathOf, placeOf } from './router';
import { plainTexts } from './translate';

/** The whole of the pages: which one is shown follows the browser's address. */
export function App({
  base,
  notice,
  plotFrame,
  client,
  catalog
}: {
  /** The server's path without a slash at its end. */
  readonly base: string;
  /** What the site wants every page to say; empty for nothing. */
  readonly notice: string;
  readonly plotFrame: string;
  readonly client: RunsClient;
  readonly catalog: CatalogClient;
}): JSX.Element {
  const [place, go] = useAddress(base);
  const services = React.useMemo<Services>(
    () => ({
      client,
      trans: plainTexts,
      actions: {
        openRun: run => go({ kind: 'run', id: run.id, tab: 'overview' })
      }
    }),
    [client, go]
  );
  const pages = React.useMemo<Pages>(
    () => ({
      catalog,
      go,
      href: to => base + pathOf(to),
      plotFrame
    }),
    [base, catalog, go, plotFrame]
  );
  return (
    <ServicesProvider value={services}>
      <PagesProvider value={pages}>
        <div className="wl-Root wl-Page">
          <a className="wl-Skip" href="#content">
            {plainTexts.__('Skip to the content')}
          </a>
          <Top place={place} catalog={catalog} />
          {notice && (
            <p className="wl-Callout" role="note">
              {notice}
            </p>
          )}
          <main id="content" tabIndex={-1}>
            <Shown key={keyOf(place)} place={place} />
          </main>
        </div>
      </PagesProvider>
    </ServicesProvider>
  );
}

function useAddress(base: string): [Place, (place: Place) => void] {
  const read = React.useCallback(
    () => placeOf(window.location.pathname.slice(base.length)),
    [base]
  );
  const [place, setPlace] = React.useState(read);
  React.useEffect(() => {
    const moved = (): void => setPlace(read());
    window.addEventListener('popstate', moved);
    return () => window.removeEventListener('popstate', moved);
  }, [read]);
  const go = React.useCallback(
    (next: Place) => {
      window.history.pushState(null, '', base + pathOf(next));
      setPlace(old => {
        if (keyOf(old) !== keyOf(next)) {
          window.scrollTo(0, 0);
        }
        return next;
      });
    },
    [base]
  );
  React.useEffect(() => {
    document.title = `${titleOf(place)} · Waylab`;
  }, [place]);
  return [place, go];
}

/** Two tabs of one thing are one place. */
function keyOf(place: Place): string {
  switch (place.kind) {
    case 'run':
    case 'project':
    case 'dataset':
    case 'model':
      return `${place.kind} ${place.id}`;
    case 'compare':
      return `compare ${place.ids.join(' ')}`;
    default:
      return place.kind;
  }
}

function titleOf(place: Place): string {
  const titles: Record<Place['kind'], string> = {
    home: 'Projects',
    project: 'Project',
    run: 'Run',
    compare: 'Compare',
    queues: 'Queues',
    workers: 'Workers',
    datasets: 'Datasets',
    dataset: 'Dataset',
    model: 'Model',
    missing: 'Not here'
  };
  return titles[place.kind];
}

const SECTIONS: readonly (readonly [
  Place,
  readonly Place['kind'][],
  string
])[] = [
  [
    { kind: 'home' },
    ['home', 'project', 'run', 'compare', 'model'],
    'Projects'
  ],
  [{ kind: 'datasets' }, ['datasets', 'dataset'], 'Datasets'],
  [{ kind: 'queues' }, ['queues'], 'Queues'],
  [{ kind: 'workers' }, ['workers'], 'Workers']
];

function Top({
  place,
  catalog
}: {
  readonly place: Place;
  readonly catalog: CatalogClient;
}): JSX.Element {
  const [me, setMe] = React.useState('');
  React.useEffect(() => {
    // Who looks is no more than a courtesy: the page says itself when it is nobody.
    catalog.me().then(
      found => setMe(found.name),
      () => undefined
    );
  }, [catalog]);
  return (
    <header className="wl-Top">
      <strong>Waylab</strong>
      <nav aria-label={plainTexts.__('Pages')}>
        {SECTIONS.map(([to, kinds, label]) => (
          <PlaceLink
            key={to.kind}
            to={to}
            className={`wl-Top-link ${kinds.includes(place.kind) ? 'wl-mod-current' : ''}`}
            current={to.kind === place.kind}
          >
            {plainTexts.__(label)}
          </PlaceLink>
        ))}
      </nav>
      {me && <span className="wl-Top-me">{me}</span>}
    </header>
  );
}

function Shown({ place }: { readonly place: Place }): JSX.Element {
  const { trans } = useServices();
  switch (place.kind) {
    case 'home':
      return <ProjectsView />;
    case 'project':
      return <ProjectView id={place.id} tab={place.tab} />;
    case 'run':
      return <RunPage id={place.id} tab={place.tab} />;
    case 'compare':
      return <CompareView ids={place.ids} tab={place.tab} />;
    case 'queues':
      return <QueuesView />;
    case 'workers':
      return <WorkersView />;
    case 'datasets':
      return <DatasetsView />;
    case 'dataset':
      return <DatasetView id={place.id} />;
    case 'model':
      return <ModelView id={place.id} />;
    case 'missing':
      return (
        <Notice kind="error" title={trans.__('There is no such page')}>
          <PlaceLink to={{ kind: 'home' }}>
            {trans.__('All projects')}
          </PlaceLink>
        </Notice>
      );
  }
}

function RunPage({
  id,
  tab
}: {
  readonly id: string;
  readonly tab: RunTab;
}): JSX.Element {
  const { trans } = useServices();
  const { go } = usePages();
  const more = React.useMemo<readonly MoreTab[]>(
    () => [
      {
        name: 'plots',
        label: trans.__('Plots'),
        view: run => <PlotsView {...run} />
      },
      {
        name: 'images',
        label: trans.__('Images'),
        view: run => <PicturesView {...run} />
      },
      {
        name: 'configuration',
        label: trans.__('Configuration'),
        view: run => <ConfigurationView {...run} />
      }
    ],
    [trans]
  );
  const [project, setProject] = React.useState('');
  const onChange = React.useCallback((run: RunDetails) => {
    document.title = `${run.name} · Waylab`;
    setProject(run.project);
  }, []);
  return (
    <>
      <Trail project={project} />
      <RunPanel
        id={id}
        visible
        more={more}
        tab={tab}
        onTab={next => go({ kind: 'run', id, tab: next as RunTab })}
        onChange={onChange}
      />
    </>
  );
}

/** The way back to the list that a run is in. */
function Trail({ project }: { readonly project: string }): JSX.Element {
  const { trans } = useServices();
  const { catalog } = usePages();
  const [id, setId] = React.useState('');
  React.useEffect(() => {
    let ended = false;
    catalog.projectNamed(project).then(
      found => ended || setId(found?.id ?? ''),
      // Then the way leads to all runs.
      () => undefined
    );
    return () => {
      ended = true;
    };
  }, [catalog, project]);
  return (
    <nav className="wl-Trail" aria-label={trans.__('Where this is')}>
      <PlaceLink to={{ kind: 'project', id, tab: 'runs' }}>
        {id ? project : trans.__('All runs')}
      </PlaceLink>
    </nav>
  );
}
