import type { Api } from './api';
import { objects, object, text, type Json } from './json';
import type { Names } from './runDocuments';

const FRESH_MS = 30_000;

export const PROJECT_FIELDS = [
  'id',
  'name',
  'description',
  'last_update',
  'system_tags',
  'own_tasks'
];

/** What is asked for the names of users, projects and queues; the server sends it ahead. */
export const QUESTIONS = {
  me: ['users.get_current_user', {}],
  users: ['users.get_all_ex', { only_fields: ['id', 'name'] }],
  projects: [
    'projects.get_all_ex',
    {
      check_own_contents: true,
      only_fields: PROJECT_FIELDS,
      search_hidden: true
    }
  ],
  queues: ['queues.get_all', {}]
} as const;

/** The names behind ids, asked for at most every half minute. */
export class Directory {
  constructor(private readonly api: Api) {}

  async names(): Promise<Names> {
    const [users, projects, queues] = await Promise.all([
      this.read('users'),
      this.read('projects'),
      this.read('queues')
    ]);
    const named = (some: readonly Json[]): ((id: string) => string) => {
      const known = new Map(some.map(one => [text(one.id), text(one.name)]));
      return id => known.get(id) ?? '';
    };
    const hidden = named(projects);
    return {
      user: named(users),
      // Datasets lie in hidden projects, whose names end in a part of the SDK's own.
      project: id => hidden(id).replace(/\/\.(?:datasets|pipelines)\/.*$/, ''),
      queue: named(queues)
    };
  }

  async read(
    what: 'users' | 'projects' | 'queues',
    freshMs = FRESH_MS
  ): Promise<readonly Json[]> {
    const known = this._known.get(what);
    if (known !== undefined && Date.now() - known.at < freshMs) {
      return known.items;
    }
    const [endpoint, body] = QUESTIONS[what];
    const answer = this.api.call(endpoint, body);
    const items = answer.then(found => objects(found[what]));
    this._known.set(what, { at: Date.now(), items });
    // A failure is not kept: the next reading asks again.
    items.catch(() => this._known.delete(what));
    return items;
  }

  async me(): Promise<Json> {
    this._me ??= this.api
      .call(...QUESTIONS.me)
      .then(found => object(found.user));
    this._me.catch(() => (this._me = null));
    return this._me;
  }

  private _me: Promise<Json> | null = null;
  private readonly _known = new Map<
    string,
    { at: number; items: Promise<readonly Json[]> }
  >();
}
