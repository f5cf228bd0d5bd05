import type { RunPage, RunState } from './types';

/** What the views know beside runs: projects, results, models, datasets, who works. */

export interface Project {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** Runs in it and in all below it. */
  readonly runs: number;
  readonly running: number;
  readonly updated: number | null;
}

/** One project; the names of those below it are as seen from it. */
export interface ProjectDetails extends Named {
  readonly description: string;
  readonly below: readonly Named[];
}

export type Visibility = 'public' | 'private' | 'group' | 'inherit';

/** Who sees a project, and whom it could be shown to. */
export interface Sharing {
  readonly owner: string;
  /** How it works out. */
  readonly visibility: Visibility;
  /** What it says itself. */
  readonly own: Visibility;
  /** The project above that says so; empty if it is this one. */
  readonly inheritedFrom: string;
  readonly users: readonly string[];
  readonly groups: readonly string[];
  readonly mayChange: boolean;
  readonly knownUsers: readonly string[];
  readonly knownGroups: readonly string[];
}

/** What to set: users and groups beside the owner. */
export interface Share {
  readonly visibility: Visibility;
  readonly users: readonly string[];
  readonly groups: readonly string[];
}

/** Which runs of a place to list, newest first; an empty project is all of them. */
export interface RunsAsked {
  readonly projectId: string;
  readonly mine: boolean;
  readonly state: RunState | '';
  readonly text: string;
  readonly page: number;
  readonly pageSize: number;
}

/** A part of a list whose length nobody counts. */
export interface Slice<T> {
  readonly items: readonly T[];
  readonly more: boolean;
}

export interface ConfigurationText {
  readonly name: string;
  readonly kind: string;
  readonly text: string;
}

/** A plot: a picture, a table, or a Plotly figure as its JSON text. */
export interface Plot {
  readonly metric: string;
  readonly variant: string;
  readonly iteration: number;
  /** An address or data of an image that may be shown; empty for none. */
  readonly picture: string;
  readonly table: PlotTable | null;
  readonly figure: string;
  /** Whether its kinds of traces are the usual ones, drawn in a plane. */
  readonly plain: boolean;
}

export interface PlotTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Picture {
  readonly metric: string;
  readonly variant: string;
  readonly iteration: number;
  readonly address: string;
  readonly name: string;
}

export interface Named {
  readonly id: string;
  readonly name: string;
}

export interface RunModel extends Named {
  readonly input: boolean;
}

export interface Model extends Named {
  readonly projectId: string;
  readonly project: string;
  readonly owner: string;
  readonly framework: string;
  readonly published: boolean;
  readonly created: number | null;
  readonly tags: readonly string[];
}

export interface ModelDetails extends Model {
  readonly comment: string;
  readonly uri: string;
  /** Where the browser may get the weights; empty if they lie elsewhere. */
  readonly address: string;
  readonly design: string;
  readonly labels: readonly (readonly [string, string])[];
  readonly metadata: readonly MetadataItem[];
  readonly madeBy: Named | null;
  readonly parent: Named | null;
  readonly children: readonly Named[];
}

export interface MetadataItem {
  readonly key: string;
  readonly type: string;
  readonly value: string;
}

export interface Dataset extends Named {
  readonly version: string;
  readonly project: string;
  readonly projectId: string;
  readonly owner: string;
  readonly state: RunState;
  readonly created: number | null;
  readonly files: number | null;
  readonly bytes: number | null;
  readonly tags: readonly string[];
}

export interface DatasetDetails extends Dataset {
  readonly compressedBytes: number | null;
  readonly added: number;
  readonly removed: number;
  readonly modified: number;
  /** This version and those it is made from; `parents` are ids among them. */
  readonly lineage: readonly DatasetNode[];
  /** Other versions of the same dataset. */
  readonly versions: readonly Dataset[];
}

export interface DatasetNode extends Named {
  readonly version: string;
  readonly bytes: number | null;
  readonly parents: readonly string[];
}

export interface DatasetFile {
  readonly path: string;
  readonly bytes: number | null;
  readonly hash: string;
  /** Whether it came with an earlier version. */
  readonly inherited: boolean;
}

export interface QueueLine extends Named {
  readonly entries: readonly QueueEntry[];
  readonly workers: readonly string[];
}

export interface QueueEntry {
  readonly run: Named;
  readonly owner: string;
  readonly since: number | null;
}

export interface Worker {
  readonly id: string;
  readonly owner: string;
  readonly queues: readonly Named[];
  readonly run: Named | null;
  readonly iteration: number;
  readonly lastSeen: number | null;
}

/** One figure of a worker over time: percent, or bytes a second. */
export interface WorkerFigure {
  readonly metric: string;
  readonly variant: string;
  readonly times: readonly number[];
  readonly values: readonly (number | null)[];
}

/** The way from the pages to a server, beside `RunsClient`. May reject with RequestError. */
export interface CatalogClient {
  me(): Promise<Named>;
  projects(): Promise<readonly Project[]>;
  project(id: string): Promise<ProjectDetails>;
  /** Who sees a project; `unknown` on a server that hides nothing from anybody. */
  sharing(id: string): Promise<Sharing | 'unknown'>;
  /** Sets who sees a project; gives how it then is. */
  share(id: string, wish: Share): Promise<Sharing>;
  /** The project of that name; null if there is none to be seen. */
  projectNamed(name: string): Promise<Named | null>;
  runsOf(asked: RunsAsked): Promise<Slice<RunPage['runs'][number]>>;
  configurations(run: string): Promise<readonly ConfigurationText[]>;
  plots(run: string): Promise<readonly Plot[]>;
  pictures(run: string): Promise<readonly Picture[]>;
  modelsOfRun(run: string): Promise<readonly RunModel[]>;
  models(projectId: string, page: number): Promise<Slice<Model>>;
  model(id: string): Promise<ModelDetails>;
  datasets(page: number): Promise<Slice<Dataset>>;
  dataset(id: string): Promise<DatasetDetails>;
  datasetFiles(id: string): Promise<readonly DatasetFile[]>;
  queueLines(): Promise<readonly QueueLine[]>;
  workers(): Promise<readonly Worker[]>;
  /** What a worker's machine did in the last hour; empty where nobody keeps it. */
  workerFigures(id: string): Promise<readonly WorkerFigure[]>;
}
