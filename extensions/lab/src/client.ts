import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { LabClient } from './tokens';
import {
  parseLogPage,
  parseNewFile,
  parseParameters,
  parseProjects,
  parseQueues,
  parseRefusal,
  parseRun,
  parseRunDetails,
  parseRunPage,
  parseSavedOutput,
  parseScalars,
  parseStarters,
  parseSubmitted,
  RequestError,
  type GpuWish,
  type LogPage,
  type ParameterField,
  type Parser,
  type Queue,
  type Rerun,
  type Run,
  type RunDetails,
  type RunPage,
  type RunQuery,
  type SavedOutput,
  type Scalars,
  type Starter,
  type Submission,
  type Submitted,
  type Translate
} from './ui';

const KEPT_ANSWERS = 64;

/** Speaks to the server extension `waylab_lab`. */
export class ServerClient implements LabClient {
  constructor(
    private readonly settings: ServerConnection.ISettings,
    private readonly trans: Translate
  ) {}

  async listQueues(): Promise<readonly Queue[]> {
    return (await this._get('queues', {}, parseQueues)).queues;
  }

  async listProjects(): Promise<readonly string[]> {
    return (await this._get('projects', {}, parseProjects)).projects;
  }

  listRuns(query: RunQuery): Promise<RunPage> {
    const { mine, project, queue, state, text, page, pageSize } = query;
    const user = mine ? 'me' : '';
    const asked = { user, project, queue, state, text };
    return this._get(
      'runs',
      { ...asked, page: String(page), page_size: String(pageSize) },
      parseRunPage
    );
  }

  getRun(id: string): Promise<RunDetails> {
    return this._get(runPath(id), {}, parseRunDetails);
  }

  readLog(id: string, after: string | null): Promise<LogPage> {
    return this._get(runPath(id, 'log'), { after: after ?? '' }, parseLogPage);
  }

  scalars(id: string): Promise<Scalars> {
    return this._get(runPath(id, 'scalars'), {}, parseScalars);
  }

  submit(submission: Submission): Promise<Submitted> {
    return this._post(
      'submit',
      {
        path: submission.path,
        queue: submission.queue,
        name: submission.name,
        project: submission.project,
        parameters: submission.parameters,
        files: submission.files,
        time_limit_seconds: submission.timeLimitSeconds,
        ...wishBody(submission),
        idempotency_key: submission.idempotencyKey
      },
      parseSubmitted
    );
  }

  rerun(id: string, wish: Rerun): Promise<Submitted> {
    const { queue, name, parameters, idempotencyKey } = wish;
    return this._post(
      runPath(id, 'rerun'),
      {
        queue,
        name,
        parameters,
        ...wishBody(wish),
        idempotency_key: idempotencyKey
      },
      parseSubmitted
    );
  }

  abort(id: string): Promise<Run> {
    return this._post(runPath(id, 'abort'), {}, parseRun);
  }

  saveOutput(id: string): Promise<SavedOutput> {
    return this._post(runPath(id, 'output'), {}, parseSavedOutput);
  }

  artifactUrl(id: string, key: string): string {
    const url = this._url(runPath(id, 'artifacts', key));
    const xsrf = /(?:^|;\s*)_xsrf=([^;]*)/.exec(document.cookie);
    return xsrf === null ? url : `${url}?_xsrf=${xsrf[1]}`;
  }

  async parametersOf(notebook: object): Promise<readonly ParameterField[]> {
    return (await this._post('parameters', { notebook }, parseParameters))
      .parameters;
  }

  async parametersIn(path: string): Promise<readonly ParameterField[]> {
    return (await this._post('parameters', { path }, parseParameters))
      .parameters;
  }

  async parametersOfRun(id: string): Promise<readonly ParameterField[]> {
    return (await this._get(runPath(id, 'rerun'), {}, parseParameters))
      .parameters;
  }

  async listStarters(): Promise<readonly Starter[]> {
    return (await this._get('starters', {}, parseStarters)).starters;
  }

  async copyStarter(name: string, folder: string): Promise<string> {
    return (await this._post('starters', { name, folder }, parseNewFile)).path;
  }

  /** Reads; an answer that has not changed since the last time is not sent again. */
  private async _get<T>(
    path: string,
    query: Record<string, string>,
    parse: Parser<T>
  ): Promise<T> {
    const url = this._url(path) + URLExt.objectToQueryString(query);
    const kept = this._kept.get(url);
    const headers: Record<string, string> = kept
      ? { 'If-None-Match': kept.etag }
      : {};
    const response = await this._fetch(url, { method: 'GET', headers });
    if (response.status === 304 && kept) {
      return kept.value as T;
    }
    const value = await this._read(response, parse);
    const etag = response.headers.get('ETag');
    if (etag) {
      this._keep(url, { etag, value });
    }
    return value;
  }

  private async _post<T>(
    path: string,
    body: object,
    parse: Parser<T>
  ): Promise<T> {
    const response = await this._fetch(this._url(path), {
      method: 'POST',
      body: JSON.stringify(body)
    });
    return this._read(response, parse);
  }

  private async _fetch(url: string, init: RequestInit): Promise<Response> {
    try {
      return await ServerConnection.makeRequest(url, init, this.settings);
    } catch {
      throw new RequestError(
        this.trans.__(
          'The lab does not answer. Check the connection; nothing is lost.'
        ),
        'unreachable'
      );
    }
  }

  private async _read<T>(response: Response, parse: Parser<T>): Promise<T> {
    const text = await response.text();
    let body: unknown = null;
    try {
      body = JSON.parse(text);
    } catch {
      // Not ours: a proxy's page, say. The status tells enough.
    }
    if (!response.ok) {
      const { message, code, fields } = parseRefusal(body);
      throw new RequestError(
        message ||
          this.trans.__('The lab answered with error %1.', response.status),
        code,
        fields
      );
    }
    return parse(body, this.trans.__('the answer'));
  }

  private _keep(url: string, answer: { etag: string; value: unknown }): void {
    this._kept.delete(url);
    this._kept.set(url, answer);
    if (this._kept.size > KEPT_ANSWERS) {
      this._kept.delete(this._kept.keys().next().value!);
    }
  }

  private _url(path: string): string {
    return URLExt.join(this.settings.baseUrl, 'waylab', 'api', path);
  }

  private readonly _kept = new Map<string, { etag: string; value: unknown }>();
}

function wishBody(wish: GpuWish): object {
  return {
    gpus: wish.gpus,
    gpu_model: wish.gpuModel,
    node: wish.node,
    gpu_min_memory_gib: wish.gpuMinMemoryGib,
    mig_profile: wish.migProfile
  };
}

function runPath(id: string, ...parts: string[]): string {
  return ['runs', id, ...parts].map(encodeURIComponent).join('/');
}
