"""The operator's verbs of the command `waylab`: up, status, restart, doctor, users.

They join the command line by the entry points `waylab.commands`. Modules that only one
verb needs are imported by that verb, so that the others start quickly.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waylab_hub.errors import HubError, UserError
from waylab_site.errors import SiteError
from waylab_site.state import State, default_root
from waylab_spawner.errors import SpawnerError

if TYPE_CHECKING:
    from waylab_hub.users import User, Users

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="The user's name.")]
Days = Annotated[
    float | None,
    typer.Option(min=0, help="As the key of that name in [tracking]; 0 for never."),
]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin.")
]

users = typer.Typer(
    help="Add, list, change and remove the users who may sign in.",
    no_args_is_help=True,
)


def up(
    site: Annotated[
        Path | None,
        typer.Option(help="A waylab.toml to start with; kept in the state folder."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start Waylab and stay until Ctrl-C, which stops everything."""
    from waylab_hub.settings import Environment  # noqa: PLC0415
    from waylab_hub.up import up as run  # noqa: PLC0415

    logging.basicConfig(
        format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )

    def say(line: str) -> None:
        typer.echo(json.dumps({"message": line}) if as_json else line)
        sys.stdout.flush()

    with _failing(as_json):
        run(_root(), Environment.read(), say, site)


def status(as_json: AsJson = False) -> None:
    """Show how the programs of a running Waylab are."""
    from waylab_hub import control  # noqa: PLC0415

    with _failing(as_json):
        socket = State.existing(_root()).supervisor_socket
        answer = control.ask(socket, {"verb": "status"}, timeout_seconds=10.0)
    _show_status(answer, as_json)


def restart(
    program: Annotated[
        str,
        typer.Argument(help="hub, board, tracking, agent or proxy.", metavar="PROGRAM"),
    ],
    as_json: AsJson = False,
) -> None:
    """Restart one program; labs and jobs go on."""
    from waylab_hub import control  # noqa: PLC0415

    with _failing(as_json):
        socket = State.existing(_root()).supervisor_socket
        question = {"verb": "restart", "program": program}
        answer = control.ask(socket, question, timeout_seconds=180.0)
    _show_status(answer, as_json)


def doctor(as_json: AsJson = False) -> None:
    """Check this machine, the state folder and what runs; exit 1 if one is bad."""
    from waylab_hub.checks import Verdict  # noqa: PLC0415
    from waylab_hub.doctor import examine  # noqa: PLC0415
    from waylab_hub.settings import Environment  # noqa: PLC0415

    with _failing(as_json):
        checks = list(examine(_root(), Environment.read()))
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        for check in checks:
            typer.echo(f"{check.verdict.value:8} {check.name}: {check.text}")
    if any(check.verdict is Verdict.BAD for check in checks):
        raise typer.Exit(1)


def expired(
    archived_days: Days = None,
    logs_days: Days = None,
    images_days: Days = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1000, help="Show so many, the oldest first.")
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """Show what the site's rules, or other ones, remove of old runs; remove nothing."""
    rules = {
        "archived_days": archived_days,
        "logs_days": logs_days,
        "images_days": images_days,
    }
    with _failing(as_json):
        found = asyncio.run(_expired({**rules, "limit": limit}))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for one in found["runs"]:
        size = f"{one['size_bytes'] / 1e6:.1f} MB"
        kept = f"; kept by the model {one['kept_by']}" if one["kept_by"] else ""
        typer.echo(
            f"{one['task']} {one['part']:6} {size:>12} since {one['last_update'][:10]} "
            f"{one['user']}: {one['name']}{kept}"
        )
    said = ", ".join(f"{name} = {days:g}" for name, days in found["rules"].items())
    typer.echo(f"{found['total']} in all, by {said} (0: never).")


@users.command("list")
def users_list(as_json: AsJson = False) -> None:
    """List the users."""
    with _failing(as_json):
        found = _users().all()
    if as_json:
        typer.echo(json.dumps([_as_json(user) for user in found], indent=2))
        return
    for user in found:
        role = "admin" if user.admin else "user"
        typer.echo(f"{user.name:32} {role:6} since {user.created_at:%Y-%m-%d}")


@users.command("add")
def users_add(
    name: Name,
    admin: Annotated[bool, typer.Option("--admin", help="Make an admin.")] = False,
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Add a user; prints a generated password unless one is given."""
    with _failing(as_json):
        store = _users()
        password, made = _password(password_stdin)
        user = store.add(name, password, admin=admin)
        asyncio.run(_make_known(store, user))
    _show_user(user, made, as_json, f"Added {user.name}.")


@users.command("passwd")
def users_passwd(
    name: Name, password_stdin: FromStdin = False, as_json: AsJson = False
) -> None:
    """Give a user a new password; open sessions end."""
    with _failing(as_json):
        password, made = _password(password_stdin)
        user = _users().set_password(name, password)
    _show_user(user, made, as_json, f"{user.name} has a new password.")


@users.command("remove")
def users_remove(name: Name, as_json: AsJson = False) -> None:
    """Remove a user: sessions, labs and keys end; the home folder stays."""
    with _failing(as_json):
        store = _users()
        home = State.existing(_root()).homes
        store.remove(name)
        done = asyncio.run(_follow_removals(store))
    if as_json:
        typer.echo(json.dumps({"name": name, "removed": True, "followed": done}))
        return
    typer.echo(f"Removed {name}. The files stay in {home}.")
    if not done:
        typer.echo("What the hub knows of the user ends with its next start.")


def _root() -> Path:
    return default_root(os.environ)


def _users() -> Users:
    from waylab_hub.users import Users as Store  # noqa: PLC0415

    return Store(State.existing(_root()).hub / "users.sqlite")


def _password(from_stdin: bool) -> tuple[str, str | None]:
    """Give the password, and the same again if it was made here."""
    from waylab_hub import passwords  # noqa: PLC0415

    if not from_stdin:
        made = passwords.generate()
        return made, made
    line = sys.stdin.readline().rstrip("\n")
    if not line:
        msg = "There is no password on stdin: write one line with it."
        raise UserError(msg)
    return line, None


async def _make_known(store: Users, user: User) -> None:
    """Tell tracking of a user at once, if Waylab runs; else its next start does."""
    from waylab_hub.provisioning import ensure_users  # noqa: PLC0415

    tracking = _tracking()
    if tracking is None:
        return
    async with tracking:
        try:
            await ensure_users(tracking, store)
        except SpawnerError as error:
            typer.echo(f"{user.name} is added. {error}", err=True)


async def _expired(rules: dict[str, object]) -> dict[str, Any]:
    tracking = _tracking()
    if tracking is None:
        msg = "The embedded tracking server does not run here: start it by `make up`."
        raise UserError(msg)
    async with tracking:
        return dict(await tracking.call("waylab.get_expired", rules))


async def _follow_removals(store: Users) -> bool:
    from waylab_hub import ports  # noqa: PLC0415
    from waylab_hub.assemble import SUPERVISOR  # noqa: PLC0415
    from waylab_hub.hub_api import HubApi  # noqa: PLC0415
    from waylab_hub.programs import hub_url, keyring_folder  # noqa: PLC0415
    from waylab_hub.provisioning import follow_removals  # noqa: PLC0415

    state = State.existing(_root())
    kept = ports.read(state.ports_file)
    tracking = _tracking()
    if kept is None or (tracking is None and kept.clearml is None):
        return False
    hub = HubApi(hub_url(kept), state.secret(f"{SUPERVISOR}-token"))
    async with tracking or contextlib.nullcontext(), hub:
        keyring = keyring_folder(state)
        return not await follow_removals(store, hub, tracking, keyring)


def _tracking() -> Any:
    from waylab_hub import ports  # noqa: PLC0415
    from waylab_hub.programs import tracking_url  # noqa: PLC0415
    from waylab_hub.provisioning import SYSTEM_KEY_FILE  # noqa: PLC0415
    from waylab_spawner.tracking import KeyPair, Tracking  # noqa: PLC0415

    state = State.existing(_root())
    kept = ports.read(state.ports_file)
    if kept is None or not state.lock("tracking").is_held():
        return None
    keys = KeyPair.from_file(state.secrets / SYSTEM_KEY_FILE)
    return Tracking(tracking_url(kept), keys, patience_seconds=3.0)


def _show_user(user: User, made: str | None, as_json: bool, said: str) -> None:
    if as_json:
        shown = {**_as_json(user), **({"password": made} if made else {})}
        typer.echo(json.dumps(shown))
        return
    typer.echo(said)
    if made:
        typer.echo(f"Password: {made}")


def _as_json(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "admin": user.admin,
        "first": user.first,
        "created_at": user.created_at.isoformat(),
    }


def _show_status(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    typer.echo(f"Waylab at {answer['url']}, state in {answer['home']}")
    for program in answer["programs"]:
        minutes = max(0.0, time.time() - float(program["since"])) / 60
        ends = f", ended {program['restarts']} times" if program["restarts"] else ""
        pid = f"process {program['pid']}" if program["pid"] else "no process"
        typer.echo(
            f"  {program['name']:10} {program['condition']:9} "
            f"for {minutes:.0f} min, {pid}{ends}"
        )


@contextmanager
def _failing(as_json: bool) -> Iterator[None]:
    """Turn an error into one sentence and exit status 1."""
    try:
        yield
    except (HubError, SiteError, SpawnerError) as error:
        if as_json:
            typer.echo(json.dumps({"error": str(error)}))
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
