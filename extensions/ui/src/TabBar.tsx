import * as React from 'react';

/** Tabs over their content, walked by arrow keys. */
export function TabBar<T extends string>({
  label,
  tabs,
  current,
  onChoose,
  children
}: {
  readonly label: string;
  readonly tabs: readonly (readonly [T, string])[];
  readonly current: T;
  readonly onChoose: (tab: T) => void;
  readonly children: React.ReactNode;
}): JSX.Element {
  const base = React.useId();
  const bar = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    // Where the tabs are wider than the screen, the chosen one is to be seen.
    const node = bar.current;
    const chosen = node?.querySelector<HTMLElement>('[aria-selected=true]');
    if (node && chosen) {
      node.scrollLeft = chosen.offsetLeft - node.offsetLeft - 40;
    }
  }, [current]);
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const at = tabs.findIndex(([name]) => name === current);
    const next: Record<string, number> = {
      ArrowRight: (at + 1) % tabs.length,
      ArrowLeft: (at + tabs.length - 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1
    };
    if (event.key in next) {
      onChoose(tabs[next[event.key]][0]);
      bar.current?.querySelectorAll('button')[next[event.key]].focus();
      event.preventDefault();
    }
  };
  return (
    <>
      <div
        className="wl-Tabs"
        role="tablist"
        aria-label={label}
        ref={bar}
        onKeyDown={onKeyDown}
      >
        {tabs.map(([name, text]) => (
          <button
            key={name}
            type="button"
            id={`${base}-${name}`}
            className={`wl-Tab ${name === current ? 'wl-mod-current' : ''}`}
            role="tab"
            aria-selected={name === current}
            aria-controls={`${base}-content`}
            tabIndex={name === current ? 0 : -1}
            onClick={() => onChoose(name)}
          >
            {text}
          </button>
        ))}
      </div>
      <div
        id={`${base}-content`}
        className="wl-Panel-content"
        role="tabpanel"
        aria-labelledby={`${base}-${current}`}
      >
        {children}
      </div>
    </>
  );
}
