import type {
  LogPage,
  Queue,
  Rerun,
  RunDetails,
  RunPage,
  RunQuery,
  SavedOutput,
  Scalars,
  Run,
  Submission,
  Submitted
} from './types';

/** The one way from the views to a server. Every promise may reject with RequestError. */
export interface RunsClient {
  listQueues(): Promise<readonly Queue[]>;
  listProjects(): Promise<readonly string[]>;
  listRuns(query: RunQuery): Promise<RunPage>;
  getRun(id: string): Promise<RunDetails>;
  /** Gives what came after a cursor (null: from the beginning). */
  readLog(id: string, after: string | null): Promise<LogPage>;
  scalars(id: string): Promise<Scalars>;
  submit(submission: Submission): Promise<Submitted>;
  rerun(id: string, wish: Rerun): Promise<Submitted>;
  abort(id: string): Promise<Run>;
  /** Saves the output notebook, as it stands, among the user's files. */
  saveOutput(id: string): Promise<SavedOutput>;
  /** An address that the browser may follow to download a file of a run. */
  artifactUrl(id: string, key: string): string;
  /** An address at which the browser shows such a file; empty where it would not. */
  viewUrl?(id: string, key: string): string;
}

/** A request that was refused or got no answer; `fields` says what is wrong where. */
export class RequestError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly fields: Readonly<Record<string, string>> = {}
  ) {
    super(message);
    this.name = 'RequestError';
  }
}

/** The sentence to show for anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
