import { messageOf, type RunsClient } from './client';
import type { Run, RunQuery } from './types';

export type RunFilter = Omit<RunQuery, 'page' | 'pageSize'>;

export const NO_FILTER: RunFilter = {
  mine: true,
  project: '',
  queue: '',
  state: '',
  text: ''
};

/** The list as it now stands. A new object for each change. */
export interface RunListSnapshot {
  readonly filter: RunFilter;
  /** `stale`: shown from before, since the last attempt to refresh failed. */
  readonly status: 'loading' | 'ready' | 'stale' | 'error';
  readonly error: string;
  readonly total: number;
  readonly pages: ReadonlyMap<number, readonly Run[]>;
}

/**
 * A list of any length, of which only the pages in view are held fresh.
 *
 * `refresh` is to be called again and again by whoever owns the model.
 */
export class RunListModel {
  constructor(
    private readonly client: Pick<RunsClient, 'listRuns'>,
    readonly pageSize = 50
  ) {}

  get snapshot(): RunListSnapshot {
    return this._snapshot;
  }

  /** Calls a listener at each change; gives the way to end that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  };

  readonly getSnapshot = (): RunListSnapshot => this._snapshot;

  /** The run in a row, or undefined while its page is not here yet. */
  row(index: number): Run | undefined {
    return this._snapshot.pages.get(Math.floor(index / this.pageSize))?.[
      index % this.pageSize
    ];
  }

  /** Starts over with another filter. Rejects never: the snapshot holds the error. */
  async setFilter(change: Partial<RunFilter>): Promise<void> {
    const filter = { ...this._snapshot.filter, ...change };
    this._generation += 1;
    this._view = [0, 0];
    this._set({
      filter,
      status: 'loading',
      error: '',
      total: 0,
      pages: new Map()
    });
    await this.refresh().catch(() => undefined);
  }

  /**
   * Tells which rows are in view; fetches their pages if they are not here.
   *
   * One fetch runs at a time: pages that were only scrolled past are never asked for.
   */
  async setView(first: number, last: number): Promise<void> {
    this._view = [first, last];
    if (this._filling) {
      return;
    }
    this._filling = true;
    try {
      for (let missing = this._missing(); missing.length > 0;) {
        await this._fetch(missing);
        missing = this._missing();
      }
    } catch {
      // The snapshot tells it, and the next refresh tries again.
    } finally {
      this._filling = false;
    }
  }

  /**
   * Fetches the pages in view anew.
   *
   * Rejects if the server does, so that a poll can back off; the snapshot tells it too.
   */
  async refresh(): Promise<void> {
    await this._fetch(this._pagesInView());
  }

  private async _fetch(wanted: readonly number[]): Promise<void> {
    const generation = this._generation;
    const { filter } = this._snapshot;
    try {
      const answers = await Promise.all(
        wanted.map(page =>
          this.client.listRuns({ ...filter, page, pageSize: this.pageSize })
        )
      );
      if (generation !== this._generation) {
        return;
      }
      const total = answers[0].total;
      // Where the list grew or shrank, rows have moved: pages out of view are stale.
      const moved = total !== this._snapshot.total;
      const pages = new Map(moved ? [] : this._snapshot.pages);
      wanted.forEach((page, index) => pages.set(page, answers[index].runs));
      this._set({ filter, status: 'ready', error: '', total, pages });
    } catch (error) {
      if (generation === this._generation) {
        this._set({
          ...this._snapshot,
          status: this._snapshot.pages.size > 0 ? 'stale' : 'error',
          error: messageOf(error)
        });
      }
      throw error;
    }
  }

  /** The pages in view that are not here, once it is known how many there are. */
  private _missing(): number[] {
    return this._snapshot.status === 'loading'
      ? []
      : this._pagesInView().filter(page => !this._snapshot.pages.has(page));
  }

  private _pagesInView(): number[] {
    const [first, last] = this._view;
    const from = Math.floor(first / this.pageSize);
    const to = Math.max(from, Math.floor(last / this.pageSize));
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  }

  private _set(snapshot: RunListSnapshot): void {
    this._snapshot = snapshot;
    this._listeners.forEach(listener => listener());
  }

  private _snapshot: RunListSnapshot = {
    filter: NO_FILTER,
    status: 'loading',
    error: '',
    total: 0,
    pages: new Map()
  };
  private _view: [number, number] = [0, 0];
  private _filling = false;
  private _generation = 0;
  private readonly _listeners = new Set<() => void>();
}
