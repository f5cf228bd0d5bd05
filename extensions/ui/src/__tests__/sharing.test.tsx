import * as React from 'react';

import { act, fireEvent, render, screen, within } from '@testing-library/react';

import type { CatalogClient, Share, Sharing } from '../catalog';
import { RequestError, type RunsClient } from '../client';
import { ServicesProvider } from '../context';
import { PagesProvider } from '../places';
import { SharingView } from '../SharingView';

import { plain } from './samples';

const NOBODY: Sharing = {
  owner: 'ann',
  visibility: 'public',
  own: 'inherit',
  inheritedFrom: '',
  users: [],
  groups: [],
  mayChange: true,
  knownUsers: ['ann', 'bob', 'cara'],
  knownGroups: ['nlp', 'vision']
};

async function show(
  catalog: Partial<CatalogClient>,
  below = false
): Promise<void> {
  render(
    <ServicesProvider
      value={{
        client: {} as RunsClient,
        trans: plain,
        actions: { openRun: () => undefined }
      }}
    >
      <PagesProvider
        value={{
          catalog: catalog as CatalogClient,
          go: () => undefined,
          href: () => '',
          plotFrame: ''
        }}
      >
        <SharingView id="p" below={below} />
      </PagesProvider>
    </ServicesProvider>
  );
  await act(async () => undefined);
}

const told = (change: Partial<Sharing>): Partial<CatalogClient> => ({
  sharing: () => Promise.resolve({ ...NOBODY, ...change })
});

async function press(name: string): Promise<void> {
  await act(async () => {
    fireEvent.click(screen.getByRole('button', { name }));
  });
}

test.each<[Partial<Sharing>, RegExp]>([
  [{}, /^Everybody who may sign in sees this project/],
  [
    { visibility: 'private', users: ['ann'] },
    /^Only ann, the owner, and admins/
  ],
  [
    { visibility: 'group', users: ['ann', 'bob'], groups: ['nlp'] },
    /^Seen by ann \(owner\), bob, the group nlp, and admins/
  ],
  [
    {
      visibility: 'private',
      users: ['ann', ...Array.from({ length: 8 }, (_, n) => `u${n}`)]
    },
    /u5, 2 more users, and admins/
  ],
  [
    { visibility: 'private', users: ['ann'], inheritedFrom: 'vision' },
    /As the project vision says/
  ]
])('who sees a project is told: %#', async (change, says) => {
  await show(told(change));
  expect(screen.getByRole('region').textContent).toMatch(says);
});

test('nobody is offered a change that would be refused', async () => {
  await show(told({ mayChange: false }));
  expect(screen.queryByRole('button')).toBeNull();
});

test('a server that hides nothing shows nothing', async () => {
  await show({ sharing: () => Promise.resolve('unknown') });
  expect(document.body.textContent).toBe('');
});

test('a failure is told, and tried again', async () => {
  let works = false;
  await show({
    sharing: () =>
      works
        ? Promise.resolve(NOBODY)
        : Promise.reject(new Error('The server does not answer.'))
  });
  expect(screen.getByRole('alert').textContent).toMatch(/does not answer/);
  works = true;
  await press('Try again');
  expect(screen.getByRole('region').textContent).toMatch(/^Everybody/);
});

test('groups and users are chosen and sent, and the answer is shown', async () => {
  const sent: Share[] = [];
  await show({
    ...told({}),
    share: (_, wish) => {
      sent.push(wish);
      const groups = wish.groups;
      return Promise.resolve({ ...NOBODY, visibility: 'group', groups });
    }
  });
  await press('Change who sees it…');
  expect(screen.queryByLabelText(/As the project above/)).toBeNull();
  fireEvent.click(screen.getByRole('radio', { name: /^Groups/ }));
  await press('Save');
  expect(screen.getByRole('alert').textContent).toMatch(/^Choose a group/);
  expect(sent).toEqual([]);
  const users = screen.getByRole('group', { name: 'Users' });
  expect(within(users).queryByLabelText('ann')).toBeNull();
  fireEvent.click(within(users).getByLabelText('bob'));
  fireEvent.click(screen.getByLabelText('vision'));
  await press('Save');
  expect(sent).toEqual([
    { visibility: 'group', users: ['bob'], groups: ['vision'] }
  ]);
  expect(screen.queryByRole('form')).toBeNull();
  expect(screen.getByRole('region').textContent).toMatch(/the group vision/);
});

test('a refusal is shown and the form stays as it was filled in', async () => {
  await show({
    ...told({ own: 'private', visibility: 'private', users: ['ann', 'bob'] }),
    share: () => Promise.reject(new RequestError('bob is gone', 'refused'))
  });
  await press('Change who sees it…');
  fireEvent.click(screen.getByLabelText('cara'));
  await press('Save');
  expect(screen.getByRole('alert').textContent).toBe('bob is gone');
  expect(screen.getByLabelText<HTMLInputElement>('cara').checked).toBe(true);
  await press('Cancel');
  expect(screen.queryByRole('form')).toBeNull();
});

test('without groups and other users the form says so', async () => {
  await show(told({ knownUsers: ['ann'], knownGroups: [] }), true);
  await press('Change who sees it…');
  const above = screen.getByRole<HTMLInputElement>('radio', {
    name: /^As the project above/
  });
  expect(above.checked).toBe(true);
  fireEvent.click(screen.getByRole('radio', { name: /^Groups/ }));
  expect(screen.getByText(/This site has no groups yet/)).toBeTruthy();
  expect(screen.getByText('Nobody else has signed in yet.')).toBeTruthy();
});
