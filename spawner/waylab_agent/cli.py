"""`waylab agent`: join a site from a machine of its own, and run its agent there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from waylab_agent.__main__ import main as run_agent
from waylab_agent.errors import AgentError
from waylab_agent.joining import join as join_site
from waylab_agent.joining import membership
from waylab_agent.own_engine import check_answers
from waylab_agent.settings import read_settings

app = typer.Typer(
    name="agent",
    help="The agent of a node that is not the hub's machine.",
    no_args_is_help=True,
)

State = Annotated[
    Path | None,
    typer.Option(
        "--state",
        envvar="WAYLAB_AGENT_STATE",
        help="Folder that keeps the node's token, its jobs and their logs.",
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command()
def join(
    url: Annotated[str, typer.Argument(help="The site's address.")],
    token: Annotated[str, typer.Argument(help="The one-time token of the node.")],
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Trade a one-time token for this node's own, and keep it here.

    `waylab node add NAME` on the hub's machine prints the whole command.
    """
    try:
        joined = join_site(url, token, state or default_state())
    except AgentError as error:
        _tell(f"waylab agent join: {error}", as_json)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps({"node": joined.node}))
        return
    engine = joined.settings.get("ENGINE")
    how = f"containers of {engine}" if engine else "processes of this machine"
    typer.echo(
        f"This machine is the node {joined.node} now; its jobs are {how}. Start it: "
        "waylab agent run"
    )


@app.command()
def run(state: State = None, as_json: AsJson = False) -> None:
    """Run the agent of the node that this machine has joined as.

    Variables `WAYLAB_AGENT_*` that are set (ENGINE, SLOTS, …) come before what the
    join has kept. An engine that is set must answer at the start. SIGTERM leaves jobs
    running, SIGINT (Ctrl-C) aborts them. It says what it does in its log; `--json` is
    for the error that keeps it from starting.
    """
    try:
        kept = {"WAYLAB_AGENT_DEVICES": "auto", **membership(state or default_state())}
        check_answers(read_settings(kept))
    except AgentError as error:
        _tell(f"waylab agent run: {error}", as_json)
        raise typer.Exit(1) from error
    raise typer.Exit(run_agent(kept))


def _tell(error: str, as_json: bool) -> None:
    typer.echo(json.dumps({"error": error}) if as_json else error, err=not as_json)


def default_state() -> Path:
    """Give the folder of the agent's state where none is named."""
    return platformdirs.user_data_path("waylab") / "agent"
