/** A model's document as the views want it. Pure. */

import type { Model, ModelDetails } from '../src';

import { object, text, texts, time, type Json } from './json';
import type { Names } from './runDocuments';

export function modelOf(model: Json, names: Names): Model {
  const project = text(model.project);
  return {
    id: text(model.id),
    name: text(model.name) || text(model.id),
    projectId: project,
    project: names.project(project),
    owner: names.user(text(model.user)),
    framework: text(model.framework),
    published: model.ready === true,
    created: time(model.created),
    tags: texts(model.tags)
  };
}

/** The model by itself; its lineage is for who can ask for other models. */
export function modelDetailsOf(
  model: Json,
  names: Names,
  ownFile: (link: string) => string
): Omit<ModelDetails, 'madeBy' | 'parent' | 'children'> {
  const uri = text(model.uri);
  const design = object(model.design);
  return {
    ...modelOf(model, names),
    comment: text(model.comment),
    uri,
    address: ownFile(uri),
    // The SDK keeps a configuration's text in this field; other clients, an object.
    design:
      'design' in design
        ? text(design.design)
        : Object.keys(design).length > 0
          ? JSON.stringify(design, null, 2)
          : '',
    labels: Object.entries(object(model.labels)).map(([label, number]) => [
      label,
      text(number)
    ]),
    metadata: Object.entries(object(model.metadata)).map(([key, item]) => ({
      key,
      type: text(object(item).type),
      value: text(object(item).value)
    }))
  };
}
