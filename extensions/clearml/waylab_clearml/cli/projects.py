"""`waylab projects ...`."""

from __future__ import annotations

from typing import Annotated

import typer

from waylab_clearml.cli.connection import connected, tell
from waylab_clearml.cli.options import Json, User
from waylab_clearml.cli.output import print_json, print_table
from waylab_clearml.sharing import Sharing, Visibility, list_projects, share

app = typer.Typer(help="See and set who sees which project.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False, user: User = None) -> None:
    """List the projects that you see, and who else sees them."""
    with connected(user, as_json=as_json) as client:
        found = list_projects(client)
    if as_json:
        print_json(found)
        return
    print_table(
        ["PROJECT", "OWNER", "SEEN BY", "AS"],
        [
            [one.name, one.owner, _members(one), one.inherited_from or "-"]
            for one in found
        ],
    )


@app.command("share")
def share_(  # noqa: PLR0913, PLR0917 - one argument per option.
    project: Annotated[
        str, typer.Argument(help="The project's name or id.", metavar="PROJECT")
    ],
    visibility: Annotated[
        Visibility,
        typer.Option(
            "--visibility",
            help="Who sees it: `public` everybody, `private` you and --with, `group` "
            "also --group, `inherit` whoever sees the project above.",
        ),
    ],
    members: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            help="A user who sees it; may be given several times.",
            metavar="NAME",
        ),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            help="A group whose members see it; may be given several times.",
            metavar="NAME",
        ),
    ] = None,
    as_json: Json = False,
    user: User = None,
) -> None:
    """Set who sees a project, and those below it that say nothing else.

    The members given are all that it then has: name those again who shall stay.
    """
    with connected(user, as_json=as_json) as client:
        found = share(
            client, project, visibility, users=members or (), groups=groups or ()
        )
    if as_json:
        print_json(found)
        return
    tell(f"{found.name} is seen by {_members(found)}.")


def _members(one: Sharing) -> str:
    if one.visibility is Visibility.PUBLIC:
        return "everybody"
    return ", ".join([*one.users, *(f"group {name}" for name in one.groups)])
