/** The task behind a version of a dataset, and the list of its files. Pure. */

import type { Dataset, DatasetDetails, DatasetFile } from '../src';

import {
  list,
  number,
  object,
  objects,
  parsed,
  text,
  texts,
  time,
  type Json
} from './json';
import { STATES, type Names } from './runDocuments';

export function datasetOf(task: Json, names: Names): Dataset {
  const runtime = object(task.runtime);
  const project = text(task.project);
  const links = number(runtime.ds_link_count) ?? 0;
  const files = number(runtime.ds_file_count);
  return {
    id: text(task.id),
    name: text(task.name),
    version: text(runtime.version),
    project: names.project(project),
    projectId: project,
    owner: names.user(text(task.user)),
    state: STATES[text(task.status)] ?? 'draft',
    created: time(task.created),
    files: files === null ? null : files + links,
    bytes: number(runtime.ds_total_size),
    tags: texts(task.tags)
  };
}

/** What changed, and the versions that it was made from, as the SDK noted them. */
export function lineageOf(
  task: Json
): Pick<
  DatasetDetails,
  'compressedBytes' | 'added' | 'removed' | 'modified' | 'lineage'
> {
  const runtime = object(task.runtime);
  const item = object(object(task.configuration)['Dataset Struct']);
  const nodes = parsed(item.value);
  const idAt = (place: unknown): string =>
    text(object(nodes[text(place)]).job_id);
  return {
    compressedBytes: number(runtime.ds_total_size_compressed),
    added: number(runtime.ds_change_add) ?? 0,
    removed: number(runtime.ds_change_remove) ?? 0,
    modified: number(runtime.ds_change_modify) ?? 0,
    lineage: Object.values(nodes)
      .map(object)
      .map(node => ({
        id: text(node.job_id),
        name: text(node.name),
        version: text(node.version),
        bytes: number(node.job_size),
        parents: list(node.parents).map(idAt).filter(Boolean)
      }))
  };
}

/** The link to the list of a version's files; empty while there is none. */
export function stateFile(task: Json): string {
  const artifacts = objects(object(task.execution).artifacts);
  return text(artifacts.find(one => text(one.key) === 'state')?.uri);
}

export function filesOf(state: Json, id: string): DatasetFile[] {
  return [
    ...objects(state.dataset_file_entries),
    ...objects(state.dataset_link_entries)
  ]
    .map(entry => ({
      path: text(entry.relative_path),
      bytes: number(entry.size),
      hash: text(entry.hash),
      inherited: text(entry.parent_dataset_id) !== id
    }))
    .sort((one, other) => one.path.localeCompare(other.path));
}
