import * as React from 'react';

import type { Share, Sharing } from './catalog';
import { useServices, type Translate } from './context';
import { usePolled } from './hooks';
import { Trouble } from './parts';
import { usePages } from './places';
import { SharingForm } from './SharingForm';

const INTERVAL_MS = 60_000;
const NAMES_SHOWN = 6;

/** Who sees a project; who may change that gets a form for it. */
export function SharingView({
  id,
  below
}: {
  readonly id: string;
  /** Whether there is a project above it, whose members it can take over. */
  readonly below: boolean;
}): JSX.Element | null {
  const { trans } = useServices();
  const { catalog } = usePages();
  const read = React.useCallback(() => catalog.sharing(id), [catalog, id]);
  const { value, error, refresh } = usePolled(read, INTERVAL_MS, true);
  const [saved, setSaved] = React.useState<Sharing | null>(null);
  const [editing, setEditing] = React.useState(false);
  const button = React.useRef<HTMLButtonElement>(null);
  React.useEffect(() => setSaved(null), [value]);
  const shown = saved ?? value;

  const close = (): void => {
    setEditing(false);
    // The form is gone: who came by keys goes on from where it was opened.
    window.setTimeout(() => button.current?.focus(), 0);
  };
  const save = async (wish: Share): Promise<void> => {
    setSaved(await catalog.share(id, wish));
    close();
  };

  if (shown === null) {
    return error ? (
      <p className="wl-Sharing" role="alert">
        {trans.__('Who sees this project cannot be told: %1', error)}{' '}
        <button type="button" className="wl-Button" onClick={refresh}>
          {trans.__('Try again')}
        </button>
      </p>
    ) : (
      <p className="wl-Sharing wl-Dim" role="status">
        {trans.__('Who sees this project?')}
      </p>
    );
  }
  if (shown === 'unknown') {
    return null;
  }
  return (
    <section
      className="wl-Sharing"
      aria-label={trans.__('Who sees this project')}
    >
      {error && <Trouble message={trans.__('Not up to date: %1', error)} />}
      <p>
        {sentence(shown, trans)}{' '}
        {shown.inheritedFrom && (
          <span className="wl-Dim">
            {trans.__('As the project %1 says.', shown.inheritedFrom)}
          </span>
        )}{' '}
        {shown.mayChange && !editing && (
          <button
            ref={button}
            type="button"
            className="wl-Button"
            onClick={() => setEditing(true)}
          >
            {trans.__('Change who sees it…')}
          </button>
        )}
      </p>
      {editing && (
        <SharingForm
          sharing={shown}
          below={below}
          onSave={save}
          onCancel={close}
        />
      )}
    </section>
  );
}

function sentence(sharing: Sharing, trans: Translate): string {
  const { visibility, owner, groups } = sharing;
  const others = sharing.users.filter(one => one !== owner);
  if (visibility === 'public') {
    return trans.__('Everybody who may sign in sees this project.');
  }
  const named = [
    trans.__('%1 (owner)', owner),
    ...some(others, trans),
    ...groups.map(one => trans.__('the group %1', one))
  ];
  return named.length === 1
    ? trans.__('Only %1, the owner, and admins see this project.', owner)
    : trans.__('Seen by %1, and admins.', named.join(', '));
}

function some(names: readonly string[], trans: Translate): readonly string[] {
  const more = names.length - NAMES_SHOWN;
  return more > 0
    ? [
        ...names.slice(0, NAMES_SHOWN),
        trans._n('%1 more user', '%1 more users', more, more)
      ]
    : names;
}
