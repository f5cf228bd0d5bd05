import * as React from 'react';

import type { CatalogClient } from './catalog';

export type RunTab =
  | 'overview'
  | 'parameters'
  | 'configuration'
  | 'log'
  | 'scalars'
  | 'plots'
  | 'images'
  | 'artifacts';

export type CompareTab = 'parameters' | 'metrics' | 'scalars';

/** Everything that has a page of its own. An empty project means all of them. */
export type Place =
  | { readonly kind: 'home' }
  | {
      readonly kind: 'project';
      readonly id: string;
      readonly tab: 'runs' | 'models';
    }
  | { readonly kind: 'run'; readonly id: string; readonly tab: RunTab }
  | {
      readonly kind: 'compare';
      readonly ids: readonly string[];
      readonly tab: CompareTab;
    }
  | { readonly kind: 'queues' }
  | { readonly kind: 'workers' }
  | { readonly kind: 'datasets' }
  | { readonly kind: 'dataset'; readonly id: string }
  | { readonly kind: 'model'; readonly id: string }
  | { readonly kind: 'missing' };

/** What a host of whole pages gives beside `Services`. */
export interface Pages {
  readonly catalog: CatalogClient;
  /** The address of a place, for links. */
  href(place: Place): string;
  /** Shows a place without loading the page anew. */
  go(place: Place): void;
  /** A page that draws Plotly figures posted to it, without any rights of ours. */
  readonly plotFrame: string;
}

const PagesContext = React.createContext<Pages | null>(null);

export const PagesProvider = PagesContext.Provider;

/** The pages' services, given at the root. */
export function usePages(): Pages {
  const pages = React.useContext(PagesContext);
  if (pages === null) {
    throw new Error('These views need a PagesProvider above them.');
  }
  return pages;
}

/** A real link, that stays in the page for a plain click. */
export function PlaceLink({
  to,
  className = 'wl-Link',
  children,
  label,
  current = false
}: {
  readonly to: Place;
  readonly className?: string;
  readonly children: React.ReactNode;
  readonly label?: string;
  readonly current?: boolean;
}): JSX.Element {
  const { href, go } = usePages();
  return (
    <a
      className={className}
      href={href(to)}
      aria-label={label}
      aria-current={current ? 'page' : undefined}
      onClick={event => {
        const plain = !(
          event.metaKey ||
          event.ctrlKey ||
          event.shiftKey ||
          event.altKey
        );
        if (event.button === 0 && plain) {
          event.preventDefault();
          go(to);
        }
      }}
    >
      {children}
    </a>
  );
}
