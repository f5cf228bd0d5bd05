import * as React from 'react';

import type { Share, Sharing, Visibility } from './catalog';
import { messageOf } from './client';
import { useServices, type Translate } from './context';
import { SearchField } from './RunFilters';

const SEARCHED_FROM = 10;

/** The choice of who sees a project. */
export function SharingForm({
  sharing,
  below,
  onSave,
  onCancel
}: {
  readonly sharing: Sharing;
  /** Whether there is a project above it, whose members it can take over. */
  readonly below: boolean;
  /** Rejects with what is wrong; the form then stays as it was filled in. */
  readonly onSave: (wish: Share) => Promise<void>;
  readonly onCancel: () => void;
}): JSX.Element {
  const { trans } = useServices();
  const [visibility, setVisibility] = React.useState(() =>
    sharing.own === 'inherit' && !below ? 'public' : sharing.own
  );
  const [users, setUsers] = React.useState<ReadonlySet<string>>(
    () => new Set(sharing.users.filter(one => one !== sharing.owner))
  );
  const [groups, setGroups] = React.useState<ReadonlySet<string>>(
    () => new Set(sharing.groups)
  );
  const [busy, setBusy] = React.useState(false);
  const [error, setError] = React.useState('');
  const first = React.useRef<HTMLInputElement>(null);
  React.useEffect(() => first.current?.focus(), []);
  const limited = visibility === 'private' || visibility === 'group';

  const submit = async (): Promise<void> => {
    if (visibility === 'group' && groups.size === 0) {
      setError(trans.__('Choose a group, or make the project private.'));
      return;
    }
    setBusy(true);
    setError('');
    try {
      await onSave({
        visibility,
        users: limited ? [...users].sort() : [],
        groups: visibility === 'group' ? [...groups].sort() : []
      });
    } catch (problem) {
      setError(messageOf(problem));
      setBusy(false);
    }
  };
  return (
    <form
      className="wl-SharingForm"
      aria-label={trans.__('Change who sees this project')}
      onSubmit={event => {
        event.preventDefault();
        void submit();
      }}
      onKeyDown={event => event.key === 'Escape' && onCancel()}
    >
      <fieldset className="wl-Fieldset">
        <legend>{trans.__('Who sees its runs, models and files?')}</legend>
        {choices(below, trans).map(([value, label, help]) => (
          <label key={value} className="wl-Option">
            <input
              ref={value === visibility ? first : undefined}
              type="radio"
              name="visibility"
              value={value}
              checked={value === visibility}
              onChange={() => {
                setVisibility(value);
                setError('');
              }}
            />
            <span>
              <strong>{label}</strong>
              <span className="wl-Help">{help}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {visibility === 'group' && (
        <Members
          legend={trans.__('Groups')}
          known={sharing.knownGroups}
          chosen={groups}
          empty={trans.__(
            'This site has no groups yet. An admin declares them in waylab.toml ([[groups]]).'
          )}
          onChange={setGroups}
        />
      )}
      {limited && (
        <Members
          legend={trans.__('Users')}
          known={sharing.knownUsers.filter(one => one !== sharing.owner)}
          chosen={users}
          empty={trans.__('Nobody else has signed in yet.')}
          onChange={setUsers}
        />
      )}
      {error && (
        <div className="wl-Error" role="alert">
          {error}
        </div>
      )}
      <div className="wl-SharingForm-buttons">
        <button type="submit" className="wl-Button wl-mod-main" disabled={busy}>
          {busy ? trans.__('Saving…') : trans.__('Save')}
        </button>
        <button
          type="button"
          className="wl-Button"
          disabled={busy}
          onClick={onCancel}
        >
          {trans.__('Cancel')}
        </button>
      </div>
    </form>
  );
}

function choices(
  below: boolean,
  trans: Translate
): readonly (readonly [Visibility, string, string])[] {
  const all: readonly (readonly [Visibility, string, string])[] = [
    [
      'inherit',
      trans.__('As the project above'),
      trans.__('Whoever sees that one.')
    ],
    ['public', trans.__('Everybody'), trans.__('Whoever may sign in.')],
    ['private', trans.__('Private'), trans.__('Its owner, and users by name.')],
    [
      'group',
      trans.__('Groups'),
      trans.__('Its owner, members of groups, and users by name.')
    ]
  ];
  return below ? all : all.slice(1);
}

/** Names to tick; of many, those that a text is in. */
function Members({
  legend,
  known,
  chosen,
  empty,
  onChange
}: {
  readonly legend: string;
  readonly known: readonly string[];
  readonly chosen: ReadonlySet<string>;
  /** What to say where there is nobody to choose. */
  readonly empty: string;
  readonly onChange: (chosen: ReadonlySet<string>) => void;
}): JSX.Element {
  const { trans } = useServices();
  const [text, setText] = React.useState('');
  // Who was chosen and is known no more can be taken out, and is not lost unseen.
  const all = [...new Set([...known, ...chosen])].sort();
  const shown = all.filter(one =>
    one.toLowerCase().includes(text.toLowerCase())
  );
  return (
    <fieldset className="wl-Fieldset">
      <legend>{legend}</legend>
      {all.length === 0 && <div className="wl-Help">{empty}</div>}
      {all.length >= SEARCHED_FROM && (
        <SearchField text={text} onChange={setText} />
      )}
      {all.length > 0 && shown.length === 0 && (
        <div className="wl-Help">{trans.__('No such name.')}</div>
      )}
      <div className="wl-Members">
        {shown.map(one => (
          <label key={one} className="wl-Member" title={one}>
            <input
              type="checkbox"
              checked={chosen.has(one)}
              onChange={() => {
                const next = new Set(chosen);
                if (!next.delete(one)) {
                  next.add(one);
                }
                onChange(next);
              }}
            />
            <span>{one}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
