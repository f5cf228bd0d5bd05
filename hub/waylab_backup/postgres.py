"""Databases of PostgreSQL, by its own `pg_dump` and `pg_restore`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import sqlalchemy as sa

from waylab_backup.errors import BackupError, DatabaseError

PACKAGES = Path("/usr/lib/postgresql")


def dump(name: str, url: str, target: Path) -> None:
    """Write a database, as it is at one moment, into a file.

    Raises:
        DatabaseError: there is no `pg_dump`, or it fails.
    """
    _run(name, "pg_dump", url, "--format=custom", f"--file={target}")


def refuse_filled(name: str, url: str) -> None:
    """See that a database can be filled.

    Raises:
        BackupError: it holds tables.
        DatabaseError: it does not answer.
    """
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            tables = sa.inspect(connection).get_table_names()
    except sa.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        msg = f"The database of the {name} does not answer: {reason}."
        raise DatabaseError(msg) from error
    finally:
        engine.dispose()
    if tables:
        msg = (
            f"The database of the {name} holds {len(tables)} tables, such as "
            f"{tables[0]}: name an empty one."
        )
        raise BackupError(msg)


def fill(name: str, url: str, source: Path) -> None:
    """Fill an empty database from a dump, wholly or not at all.

    Raises:
        DatabaseError: there is no `pg_restore`, or it fails.
    """
    options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-acl")
    _run(name, "pg_restore", url, *options, str(source))


def _run(name: str, program: str, url: str, *options: str) -> None:
    parsed = sa.make_url(url).set(drivername="postgresql")
    # Not in the command line, which every account of the machine can see.
    environment = {**os.environ}
    if parsed.password:
        environment["PGPASSWORD"] = str(parsed.password)
    address = parsed.set(password=None).render_as_string()
    done = subprocess.run(  # noqa: S603 - the program is named here.
        [_find(name, program), f"--dbname={address}", "--no-password", *options],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it says nothing"])[0]
        msg = (
            f"{program} failed for the {name}: {reason}. It must not be older than "
            "the server, and must reach it."
        )
        raise DatabaseError(msg)


def _find(name: str, program: str) -> str:
    if found := shutil.which(program):
        return found
    versions = sorted(
        PACKAGES.glob(f"*/bin/{program}"), key=lambda path: float(path.parents[1].name)
    )
    if not versions:
        msg = (
            f"The {name} is in PostgreSQL and there is no {program} here: install its "
            "client programs (Debian: package postgresql-client)."
        )
        raise DatabaseError(msg)
    return str(versions[-1])
