"""`waylab backup` and `waylab restore`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from waylab_backup.manifest import Manifest
    from waylab_site.model import Site

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    without_secrets: Annotated[
        bool,
        typer.Option("--without-secrets", help="Leave keys out; they are made anew."),
    ] = False,
    copy: Annotated[
        bool,
        typer.Option("--copy", help="Copy users' files even where links would do."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy databases, settings, users and stored files; Waylab may go on running."""
    from waylab_backup.making import make  # noqa: PLC0415
    from waylab_site.state import State, default_root  # noqa: PLC0415

    with _failing(as_json), _for_its_owner_alone():
        state = State.existing(default_root(os.environ))
        site = _site(state.site_file)
        manifest = make(
            state.root,
            folder.absolute(),
            datetime.now(UTC),
            urls=_urls(site),
            with_secrets=not without_secrets,
            link=not copy,
            elsewhere=(site.tracking.files if site else None) or "",
            say=_say,
        )
    _show(manifest, folder, as_json, "Backed up to")


def restore(
    folder: Annotated[Path, typer.Argument(help="The folder of a backup.")],
    check: Annotated[
        bool, typer.Option("--check", help="Only check the backup; restore nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a backup and make the state folder of it, which must not be there yet."""
    from waylab_backup import restoring  # noqa: PLC0415
    from waylab_site.state import default_root  # noqa: PLC0415

    with _failing(as_json), _for_its_owner_alone():
        if check:
            manifest = restoring.verify(folder.absolute())
        else:
            root, urls = default_root(os.environ), _urls(_site(folder / "waylab.toml"))
            manifest = restoring.restore(folder.absolute(), root, urls=urls, say=_say)
    _show(manifest, folder, as_json, "Checked" if check else "Restored")


@contextmanager
def _for_its_owner_alone() -> Iterator[None]:
    """Write files that no other account may read."""
    mask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(mask)


def _urls(site: Site | None) -> dict[str, str]:
    from waylab_hub.settings import Environment  # noqa: PLC0415

    return Environment.read().databases(site)


def _site(path: Path) -> Site | None:
    from waylab_site.errors import SiteError  # noqa: PLC0415
    from waylab_site.inventory import this_machine  # noqa: PLC0415
    from waylab_site.loading import load  # noqa: PLC0415

    if not path.exists():
        return None
    try:
        return load(path, this_machine())
    except SiteError as error:
        _say(f"Whether the site keeps runs or files elsewhere is not known. {error}")
        return None


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _show(manifest: Manifest, folder: Path, as_json: bool, verb: str) -> None:
    if as_json:
        told = manifest.model_dump(mode="json", exclude={"entries"})
        told |= {"files": len(manifest.entries), "size_bytes": manifest.size_bytes}
        typer.echo(json.dumps(told, indent=2))
        return
    typer.echo(
        f"{verb} {folder}: {len(manifest.entries)} files, "
        f"{manifest.size_bytes / 1e6:.1f} MB, of {manifest.made_at:%Y-%m-%d %H:%M} UTC."
    )
    for inner in manifest.gone:
        typer.echo(f"Deleted while it was made: {inner}")
    if manifest.elsewhere:
        typer.echo(
            f"Not in it: the files in {manifest.elsewhere}. It needs them there, as "
            "they were then."
        )
    if not manifest.with_secrets:
        typer.echo("Without secrets: they are made anew at the first start.")


@contextmanager
def _failing(as_json: bool) -> Iterator[None]:
    from waylab_backup.errors import BackupError  # noqa: PLC0415
    from waylab_hub.errors import HubError  # noqa: PLC0415
    from waylab_site.errors import SiteError  # noqa: PLC0415

    try:
        yield
    except (BackupError, HubError, SiteError) as error:
        if as_json:
            typer.echo(json.dumps({"error": str(error)}))
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
