"""The command `waylab`: run notebooks, follow runs, look at queues, operate a site.

Verbs of other parts (`up`, `status`, ...) join through the entry point group
`waylab.commands`; they are imported only if asked for, so that everything else works
(and answers quickly) where those parts are not installed.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

OWN_VERBS = frozenset({"run", "runs", "queues", "projects", "credentials"})
COMMANDS = "waylab.commands"


def main() -> None:
    """Run the command line of this process; exits."""
    arguments = sys.argv[1:]
    verb = next((one for one in arguments if not one.startswith("-")), "")
    application(operator_verbs=verb not in OWN_VERBS)()


def application(*, operator_verbs: bool = True) -> typer.Typer:
    """Build the command line, with the verbs of other parts or without."""
    import typer  # noqa: PLC0415 - everything here is imported when needed.

    from waylab_clearml.cli import (  # noqa: PLC0415
        credentials,
        projects,
        queues,
        run,
        runs,
    )

    app = typer.Typer(
        name="waylab",
        help="Waylab: notebooks on the team's machines, results in ClearML.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_top)
    app.command("run")(run.run)
    app.add_typer(runs.app, name="runs")
    app.add_typer(projects.app, name="projects")
    app.command("queues")(queues.queues)
    app.command("credentials")(credentials.credentials)
    if operator_verbs:
        _add_operator_verbs(app)
    return app


def _top() -> None:
    """Waylab: notebooks on the team's machines, results in ClearML."""


def _add_operator_verbs(app: typer.Typer) -> None:
    import typer  # noqa: PLC0415

    for entry in sorted(entry_points(group=COMMANDS), key=lambda one: one.name):
        try:
            command: Any = entry.load()
        except (ImportError, AttributeError):
            continue  # That part is not installed here, as in a lab.
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=entry.name)
        else:
            app.command(entry.name)(command)
