"""`waylab migrate`: copy all from one server to another."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer


def migrate(  # noqa: PLR0913, PLR0917 - one option an argument.
    source: Annotated[str, typer.Option("--from", help="API of the source.")],
    target: Annotated[str, typer.Option("--to", help="API of the target.")],
    source_files: Annotated[
        str, typer.Option("--from-files", help="Its file server; default: API/files.")
    ] = "",
    target_files: Annotated[
        str, typer.Option("--to-files", help="Its file server; default: API/files.")
    ] = "",
    journal: Annotated[
        Path, typer.Option(help="The journal; the same one goes on after a stop.")
    ] = Path("waylab-migrate.jsonl"),
    skip_running: Annotated[
        bool, typer.Option("--skip-running", help="Leave running tasks out.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what there is to copy.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Copy projects, tasks, events, models, datasets and files to another server.

    The keys are in WAYLAB_FROM_ACCESS_KEY, WAYLAB_FROM_SECRET_KEY, WAYLAB_TO_ACCESS_KEY
    and WAYLAB_TO_SECRET_KEY.
    """
    from waylab_migrate.copying import Copying, look, refuse_same  # noqa: PLC0415
    from waylab_migrate.errors import MigrationError  # noqa: PLC0415
    from waylab_migrate.journal import Journal  # noqa: PLC0415
    from waylab_migrate.remote import Remote  # noqa: PLC0415
    from waylab_migrate.verifying import differences, gone  # noqa: PLC0415

    def say(line: str) -> None:
        if not as_json:
            sys.stderr.write(f"{line}\n")

    with _failing(as_json, MigrationError), contextlib.ExitStack() as stack:
        here = Remote(source, source_files or f"{source}/files", _keys("FROM"))
        stack.callback(here.close)
        there = Remote(target, target_files or f"{target}/files", _keys("TO"))
        stack.callback(there.close)
        refuse_same(here, there)
        there.call("users.get_current_user")
        found = look(here)
        if dry_run:
            typer.echo(json.dumps(found.counts()))
            return
        if found.running and not skip_running:
            msg = f"{len(found.running)} tasks run: wait for them, or --skip-running"
            raise MigrationError(msg)
        book = Journal(journal, (here.url, there.url))
        stack.callback(book.close)
        copying = Copying(here, there, book, say)
        copying.run(found)
        say("verifying")
        wrong = list(differences(here, there, book, found, copying.rewriter()))
        missing = gone(book)
        told = {**found.counts(), "differences": wrong, "files_gone": missing}
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        for line in wrong:
            typer.echo(line)
        for path in missing:
            typer.echo(f"the source has no file {path}")
        typer.echo(f"{len(found.tasks)} tasks, {len(wrong)} differences")
    if wrong:
        raise typer.Exit(1)


def _keys(side: str) -> tuple[str, str]:
    names = [f"WAYLAB_{side}_{kind}_KEY" for kind in ("ACCESS", "SECRET")]
    for name in names:
        if not os.environ.get(name):
            from waylab_migrate.errors import MigrationError  # noqa: PLC0415

            msg = f"{name} is not set: a key pair of a user who may read all"
            raise MigrationError(msg)
    return os.environ[names[0]], os.environ[names[1]]


@contextlib.contextmanager
def _failing(as_json: bool, kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except (kind, OSError) as error:
        text = str(error)
        typer.echo(json.dumps({"error": text}) if as_json else text, err=not as_json)
        raise typer.Exit(1) from error
