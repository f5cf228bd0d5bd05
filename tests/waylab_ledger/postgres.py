"""A real PostgreSQL server of this machine's packages, for as long as tests run."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

ACCOUNT = "postgres"


class NoPostgresError(RuntimeError):
    """There is no server to start here; the text says why."""


@dataclass(frozen=True)
class Server:
    """A running server, reached by a socket in its own folder."""

    folder: Path

    def create_database(self, name: str) -> str:
        """Create an empty database and give its URL."""
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            )
        return f"postgresql+psycopg://{ACCOUNT}@/{name}?host={self.folder}"

    def drop_database(self, name: str) -> None:
        """Remove a database."""
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )

    def _conninfo(self, database: str) -> str:
        return f"host={self.folder} user={ACCOUNT} dbname={database}"


@contextmanager
def running_postgres() -> Iterator[Server]:
    """Start a server on a socket in a folder of its own; it is gone afterwards.

    Raises:
        NoPostgresError: this machine has none, or no account that may run it.
    """
    programs, account = _programs(), _account()
    # The paths of sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="waylab-pg-", dir="/tmp"))
    try:
        if account is not None:
            shutil.chown(folder, account)
        data = folder / "data"
        _run(
            account,
            folder,
            programs / "initdb",
            *("-D", str(data), "-U", ACCOUNT, "-A", "trust", "-E", "UTF8"),
            *("--locale", "C", "--no-instructions"),
        )
        control = (programs / "pg_ctl", "-D", str(data), "-w")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder}"
        log = str(folder / "log")
        _run(account, folder, *control, "-o", options, "-l", log, "start")
        try:
            yield Server(folder)
        finally:
            _run(account, folder, *control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"),
        key=lambda path: float(path.parents[1].name),
    )
    if not versions:
        msg = "no PostgreSQL in /usr/lib/postgresql (Debian: package postgresql)"
        raise NoPostgresError(msg)
    return versions[-1].parent


def _account() -> str | None:
    """Name whom the server runs as: it refuses root."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(ACCOUNT).pw_name
    msg = f"PostgreSQL refuses to run as root, and there is no account {ACCOUNT!r}"
    raise NoPostgresError(msg)


def _run(account: str | None, folder: Path, *command: str | Path) -> None:
    done = subprocess.run(
        command,
        user=account,
        group=account,
        extra_groups=[] if account else None,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode != 0:
        name = Path(command[0]).name
        msg = f"{name} ended with {done.returncode}: {done.stderr.strip()[-500:]}"
        raise NoPostgresError(msg)
