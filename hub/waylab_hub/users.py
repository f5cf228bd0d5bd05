"""The users of a site: a small SQLite file that the hub and the CLI both open.

Every change of a password (and every new user) gets a new `generation`. The hub notes
which generation its sessions belong to (`applied`), so that a password changed, or a
user removed and made again while the hub was down, ends the old sessions all the same.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from waylab_hub import passwords
from waylab_hub.errors import UserError

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,62}")
_MIGRATIONS = (
    """
    CREATE TABLE users (
        name TEXT PRIMARY KEY,
        password_hash TEXT NOT NULL,
        admin INTEGER NOT NULL,
        first INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        generation TEXT NOT NULL,
        applied TEXT NOT NULL DEFAULT ''
    );
    CREATE UNIQUE INDEX one_first_admin ON users (first) WHERE first;
    CREATE TABLE removed (name TEXT PRIMARY KEY, removed_at TEXT NOT NULL);
    """,
)
_BUSY_SECONDS = 10.0


@dataclass(frozen=True)
class User:
    """A user as stored, without the password's hash."""

    name: str
    admin: bool
    first: bool
    created_at: datetime
    generation: str
    applied: str


class Users:
    """The users' store; safe to use from several processes and threads."""

    def __init__(self, path: Path) -> None:
        """Open the file, made 0600 and brought up to date if need be.

        Raises:
            UserError: it cannot be opened, or is of a newer Waylab.
        """
        self._path = path
        try:
            path.touch(mode=0o600, exist_ok=True)
            with self._connect() as db:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("BEGIN IMMEDIATE")
                (version,) = db.execute("PRAGMA user_version").fetchone()
                if version > len(_MIGRATIONS):
                    msg = f"{path} is of a newer Waylab: install that version again."
                    raise UserError(msg)
                for migration in _MIGRATIONS[version:]:
                    for statement in migration.split(";\n"):
                        db.execute(statement)
                db.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
        except (OSError, sqlite3.Error) as error:
            msg = f"The users in {path} cannot be opened: {error}."
            raise UserError(msg) from error

    def add(
        self, name: str, password: str, *, admin: bool = False, first: bool = False
    ) -> User:
        """Add a user.

        Raises:
            UserError: the name is malformed or taken.
            PasswordError: the password is not accepted.
        """
        if not _NAME.fullmatch(name):
            msg = (
                f"{name!r} is not a user name: take lower-case letters, digits and "
                ". _ @ + - (not in front), at most 63."
            )
            raise UserError(msg)
        passwords.check(password, name)
        row = (name, passwords.hash_password(password), admin, first, _now(), _new())
        try:
            with self._connect() as db:
                db.execute(
                    "INSERT INTO users (name, password_hash, admin, first, created_at,"
                    " generation) VALUES (?, ?, ?, ?, ?, ?)",
                    row,
                )
        except sqlite3.IntegrityError as error:
            msg = (
                f"There is a user {name!r} already: `waylab users passwd {name}` gives "
                "a new password."
            )
            raise UserError(msg) from error
        return self._known(name)

    def get(self, name: str) -> User | None:
        """Give a user, None if there is no such one."""
        with self._connect() as db:
            row = db.execute(f"{_SELECT} WHERE name = ?", (name,)).fetchone()
        return _user(row) if row else None

    def all(self) -> tuple[User, ...]:
        """Give all users by name."""
        with self._connect() as db:
            rows = db.execute(f"{_SELECT} ORDER BY name").fetchall()
        return tuple(_user(row) for row in rows)

    def first_admin(self) -> User | None:
        """Give the user that was made at the first start."""
        return next((user for user in self.all() if user.first), None)

    def verify(self, name: str, password: str) -> User | None:
        """Give the user if the password is right; takes as long if there is none."""
        with self._connect() as db:
            row = db.execute(
                "SELECT password_hash FROM users WHERE name = ?", (name,)
            ).fetchone()
        if passwords.matches(row[0] if row else None, password):
            return self.get(name)
        return None

    def set_password(self, name: str, password: str) -> User:
        """Give a user a new password; sessions of the old one end.

        Raises:
            UserError: there is no such user.
            PasswordError: the password is not accepted.
        """
        self._known(name)
        passwords.check(password, name)
        hashed = passwords.hash_password(password)
        with self._connect() as db:
            db.execute(
                "UPDATE users SET password_hash = ?, generation = ? WHERE name = ?",
                (hashed, _new(), name),
            )
        return self._known(name)

    def set_admin(self, name: str, admin: bool) -> User:
        """Make a user an admin, or no longer one.

        Raises:
            UserError: there is no such user, or it is the first admin.
        """
        if self._known(name).first and not admin:
            msg = f"{name!r} is the first admin and stays one."
            raise UserError(msg)
        with self._connect() as db:
            db.execute("UPDATE users SET admin = ? WHERE name = ?", (admin, name))
        return self._known(name)

    def remove(self, name: str) -> None:
        """Remove a user, and note that the hub and tracking have to follow.

        Raises:
            UserError: there is no such user, or it is the first admin.
        """
        if self._known(name).first:
            msg = (
                f"{name!r} is the first admin, in whose name this machine's command "
                "line acts: it cannot be removed."
            )
            raise UserError(msg)
        with self._connect() as db:
            db.execute("DELETE FROM users WHERE name = ?", (name,))
            db.execute("INSERT OR REPLACE INTO removed VALUES (?, ?)", (name, _now()))

    def apply_generation(self, user: User) -> None:
        """Note that the hub's sessions are of the user's present password."""
        with self._connect() as db:
            db.execute(
                "UPDATE users SET applied = ? WHERE name = ? AND generation = ?",
                (user.generation, user.name, user.generation),
            )

    def removals(self) -> tuple[str, ...]:
        """Give the removed users whom the hub or tracking may still know."""
        with self._connect() as db:
            rows = db.execute("SELECT name FROM removed ORDER BY name").fetchall()
        return tuple(str(name) for (name,) in rows)

    def forget_removal(self, name: str) -> None:
        """Note that hub and tracking have followed."""
        with self._connect() as db:
            db.execute("DELETE FROM removed WHERE name = ?", (name,))

    def _known(self, name: str) -> User:
        user = self.get(name)
        if user is None:
            known = ", ".join(user.name for user in self.all()) or "none"
            msg = f"There is no user {name!r}. The users: {known}."
            raise UserError(msg)
        return user

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS)
        try:
            with connection:
                yield connection
        finally:
            connection.close()


_SELECT = "SELECT name, admin, first, created_at, generation, applied FROM users"


def _user(row: tuple[str, int, int, str, str, str]) -> User:
    name, admin, first, created_at, generation, applied = row
    return User(
        name=name,
        admin=bool(admin),
        first=bool(first),
        created_at=datetime.fromisoformat(created_at),
        generation=generation,
        applied=applied,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _new() -> str:
    return secrets.token_hex(8)
