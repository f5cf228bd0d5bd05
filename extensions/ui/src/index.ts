/** Waylab's views: everything that a host needs. */

export * from './catalog';
export * from './client';
export { CompareView } from './CompareView';
export * from './context';
export { formatBytes } from './format';
export { MIN_NAME, rerunOf, submissionOf, type FormValues } from './form';
export { choiceOf } from './gpus';
export { RunListModel } from './listModel';
export { DatasetsView, DatasetView } from './DatasetViews';
export { ModelView } from './ModelViews';
export * from './parse';
export { Notice } from './parts';
export * from './places';
export { ProjectsView } from './ProjectsView';
export { ProjectView } from './ProjectView';
export { ConfigurationView, PicturesView, PlotsView } from './ResultViews';
export { RunForm, type FormChoices } from './RunForm';
export { RunPanel, type MoreTab } from './RunPanel';
export { RunsList } from './RunsList';
export { SharingView } from './SharingView';
export * from './types';
export { QueuesView, WorkersView } from './WorkViews';
