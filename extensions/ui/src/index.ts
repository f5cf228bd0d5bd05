/** Waylab's views: everything that a host needs. */

export * from './client';
export * from './context';
export { formatBytes } from './format';
export { MIN_NAME, rerunOf, submissionOf, type FormValues } from './form';
export { choiceOf } from './gpus';
export { RunListModel } from './listModel';
export * from './parse';
export { RunForm, type FormChoices } from './RunForm';
export { RunPanel } from './RunPanel';
export { RunsList } from './RunsList';
export * from './types';
