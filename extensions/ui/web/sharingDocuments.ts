import { RequestError, type Sharing, type Visibility } from '../src';

import { object, objects, text, texts, type Json } from './json';

/** What a server says that shows everything to everybody. */
export const SHARING_UNKNOWN = /Invalid request path/;

const KINDS: Readonly<Record<string, Visibility>> = {
  public: 'public',
  private: 'private',
  group: 'group',
  inherit: 'inherit'
};

/** Reads the answer of `waylab.get_sharing` about one project. */
export function sharingOf(answer: Json): Sharing {
  const [found] = objects(answer.projects);
  if (found === undefined) {
    throw new RequestError('There is no such project.', 'not-found');
  }
  const project = object(found);
  return {
    owner: text(project.owner),
    // What is not understood is not taken for open to all.
    visibility: KINDS[text(project.visibility)] ?? 'private',
    own: KINDS[text(project.own)] ?? 'private',
    inheritedFrom: text(project.inherited_from),
    users: texts(project.users),
    groups: texts(project.groups),
    mayChange: project.may_change === true,
    knownUsers: texts(answer.known_users),
    knownGroups: texts(answer.known_groups)
  };
}
