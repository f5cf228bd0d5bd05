import * as React from 'react';

import type { RunsClient } from './client';
import type { Run, RunDetails } from './types';

/** Gives texts in the user's language; `%1`, `%2` stand for the arguments. */
export interface Translate {
  __(text: string, ...args: unknown[]): string;
  _n(one: string, many: string, count: number, ...args: unknown[]): string;
}

/** What only the host of the views can do; what is left out is not offered. */
export interface RunActions {
  /** Shows a run by itself. */
  openRun(run: Pick<Run, 'id' | 'name'>): void;
  /** Opens a run's output notebook beside what is shown. */
  readonly openOutput?: (run: Pick<Run, 'id'>) => Promise<void>;
  /** Asks for changed parameters, then runs the same input again. */
  readonly runAgain?: (run: RunDetails) => void;
  /** Asks whether to stop a run, and if so stops it. */
  readonly abort?: (run: Run) => Promise<void>;
}

/** What every view needs; given once at the root. */
export interface Services {
  readonly client: RunsClient;
  readonly trans: Translate;
  readonly actions: RunActions;
}

const ServicesContext = React.createContext<Services | null>(null);

export const ServicesProvider = ServicesContext.Provider;

/** The services given at the root. */
export function useServices(): Services {
  const services = React.useContext(ServicesContext);
  if (services === null) {
    throw new Error('The views need a ServicesProvider above them.');
  }
  return services;
}
