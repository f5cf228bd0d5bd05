import * as React from 'react';

import type { RunState } from './types';

interface IconProps {
  readonly className?: string;
  readonly children: React.ReactNode;
}

function Icon({ className, children }: IconProps): JSX.Element {
  return (
    <svg
      className={`wl-Icon ${className ?? ''}`}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

const STATE_SHAPES: Record<RunState, React.ReactNode> = {
  draft: <circle cx="8" cy="8" r="6" strokeDasharray="2.4 2.4" />,
  queued: (
    <>
      <circle cx="8" cy="8" r="6.2" />
      <path d="M8 4.6V8l2.3 1.6" />
    </>
  ),
  running: (
    <>
      <circle cx="8" cy="8" r="6.2" opacity="0.25" />
      <path className="wl-Icon-turning" d="M8 1.8a6.2 6.2 0 0 1 6.2 6.2" />
    </>
  ),
  completed: (
    <>
      <circle cx="8" cy="8" r="6.2" />
      <path d="M5.2 8.2l2 2 3.7-4.2" />
    </>
  ),
  failed: (
    <>
      <circle cx="8" cy="8" r="6.2" />
      <path d="M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4" />
    </>
  ),
  aborted: (
    <>
      <circle cx="8" cy="8" r="6.2" />
      <path d="M5.2 8h5.6" />
    </>
  )
};

/** The sign of a state; the word for it must stand beside it or be read out. */
export function StateIcon({
  state
}: {
  readonly state: RunState;
}): JSX.Element {
  return <Icon className={`wl-state-${state}`}>{STATE_SHAPES[state]}</Icon>;
}

export function SearchIcon(): JSX.Element {
  return (
    <Icon>
      <circle cx="7" cy="7" r="4.2" />
      <path d="M10.2 10.2L14 14" />
    </Icon>
  );
}

export function CloseIcon(): JSX.Element {
  return (
    <Icon>
      <path d="M4 4l8 8M12 4l-8 8" />
    </Icon>
  );
}

export function NotebookIcon(): JSX.Element {
  return (
    <Icon>
      <rect x="3" y="1.8" width="10" height="12.4" rx="1.4" />
      <path d="M5.6 1.8v12.4M8 5.2h2.8M8 8h2.8" />
    </Icon>
  );
}

export function AgainIcon(): JSX.Element {
  return (
    <Icon>
      <path d="M13.4 8A5.4 5.4 0 1 1 11.6 4" />
      <path d="M13.6 1.8v3.1h-3.1" />
    </Icon>
  );
}

export function StopIcon(): JSX.Element {
  return (
    <Icon>
      <rect x="3.6" y="3.6" width="8.8" height="8.8" rx="1.4" />
    </Icon>
  );
}

export function OutsideIcon(): JSX.Element {
  return (
    <Icon>
      <path d="M6.4 3.4H3.2v9.4h9.4V9.6" />
      <path d="M9.2 2.4h4.4v4.4M13.4 2.6L7.8 8.2" />
    </Icon>
  );
}

export function DownloadIcon(): JSX.Element {
  return (
    <Icon>
      <path d="M8 2.2v7.6M4.8 7L8 10.2 11.2 7M2.8 13.4h10.4" />
    </Icon>
  );
}
