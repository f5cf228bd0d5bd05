import { RequestError } from '../src';

import { list, object, text, type Json } from './json';

/** An answer that came with the page: what was asked, and data or a refusal. */
interface First {
  readonly key: string;
  readonly data: Json;
  readonly error: string;
}

/** Calls the API at the page's own origin, as the person who is signed in. */
export class Api {
  /**
   * `first` is what the server put into the page, `base` its path without a slash at
   * the end, `origin` where it is.
   */
  constructor(
    readonly base: string,
    first: unknown,
    private readonly origin: string
  ) {
    for (const one of list(first).map(object)) {
      const key = keyOf(text(one.endpoint), object(one.body));
      this._first.set(key, {
        key,
        data: object(one.data),
        error: text(one.error)
      });
    }
  }

  /** Calls an endpoint; rejects with RequestError. The first time, what came is used. */
  async call(endpoint: string, body: Json = {}): Promise<Json> {
    const key = keyOf(endpoint, body);
    const first = this._first.get(key);
    if (first !== undefined) {
      this._first.delete(key);
      if (first.error) {
        throw new RequestError(first.error, 'refused');
      }
      return first.data;
    }
    return this._ask(endpoint, body);
  }

  /** Reads a file of the server as JSON; `address` must be of its own. */
  async file(address: string): Promise<Json> {
    const answer = await this._fetch(address, {});
    if (!answer.ok) {
      throw new RequestError(
        `The file is not to be had (${answer.status}).`,
        'refused'
      );
    }
    return object(await answer.json());
  }

  /** The path below the base of a link to a file of ours; empty for any other link. */
  ownFile(link: string): string {
    try {
      const url = new URL(link, this.origin);
      const path = `${this.base}/files/`;
      return url.origin === this.origin && url.pathname.startsWith(path)
        ? `${url.pathname}${url.search}`
        : '';
    } catch {
      return '';
    }
  }

  private async _ask(endpoint: string, body: Json): Promise<Json> {
    const answer = await this._fetch(`${this.base}/${endpoint}`, {
      method: 'POST',
      // Named, so that no form of another site can send such a request.
      headers: { 'Content-Type': 'application/json', 'X-Waylab-Page': '1' },
      body: JSON.stringify(body)
    });
    if (answer.status === 401) {
      throw new RequestError(
        'You are signed out. Load this page again to sign in.',
        'signed-out'
      );
    }
    let envelope: Json;
    try {
      envelope = object(await answer.json());
    } catch {
      throw new RequestError(`The server answered ${answer.status}.`, 'failed');
    }
    const meta = object(envelope.meta);
    if (!answer.ok || meta.result_code !== 200) {
      throw new RequestError(
        text(meta.result_msg) || `The server answered ${answer.status}.`,
        answer.status === 404 ? 'not-found' : 'refused'
      );
    }
    return object(envelope.data);
  }

  private async _fetch(address: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(`${this.origin}${address}`, {
        ...init,
        credentials: 'same-origin'
      });
    } catch {
      throw new RequestError('The server does not answer.', 'unreachable');
    }
  }

  private readonly _first = new Map<string, First>();
}

/** One text for one question, whatever the order of its fields. */
function keyOf(endpoint: string, body: Json): string {
  const fields = Object.keys(body).sort();
  return `${endpoint} ${JSON.stringify(fields.map(name => [name, body[name]]))}`;
}
