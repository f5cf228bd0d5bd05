"""`waylab runs ...`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from waylab_clearml.cli.connection import connected, tell
from waylab_clearml.cli.following import follow, print_log, tell_end
from waylab_clearml.cli.options import (
    GpuMinMemory,
    GpuModel,
    Gpus,
    Json,
    MigProfile,
    Node,
    Parameters,
    RunId,
    User,
)
from waylab_clearml.cli.output import duration, moment, print_json, print_table
from waylab_clearml.cli.run import read_parameters, report
from waylab_clearml.client import Client
from waylab_clearml.errors import NotFound
from waylab_clearml.options import GpuWish
from waylab_clearml.runs import (
    LogLine,
    RunQuery,
    RunState,
    abort,
    get_run,
    list_runs,
    read_log,
    rerun,
)

app = typer.Typer(help="List, follow, stop and repeat runs.", no_args_is_help=True)

FULL_ID = 32
SHORT_ID = 8
SEARCHED_RUNS = 500
LAST = "last"


@app.command("list")
def list_(  # noqa: PLR0913, PLR0917 - one argument per option.
    everyone: Annotated[
        bool, typer.Option("--everyone", help="Everyone's runs, not only yours.")
    ] = False,
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only of this queue.")] = None,
    state: Annotated[RunState | None, typer.Option(help="Only in this state.")] = None,
    text: Annotated[str, typer.Option(help="Only with this in the name.")] = "",
    page: Annotated[int, typer.Option(help="Which page, from 0.", min=0)] = 0,
    page_size: Annotated[
        int, typer.Option(help="Runs on a page.", min=1, max=500)
    ] = 20,
    as_json: Json = False,
    user: User = None,
) -> None:
    """List runs, newest first."""
    query = RunQuery(
        user=None if everyone else "me",
        project=project,
        queue=queue,
        state=state,
        text=text,
        page=page,
        page_size=page_size,
    )
    with connected(user, as_json=as_json) as client:
        found = list_runs(client, query)
    if as_json:
        print_json(found)
        return
    print_table(
        ["RUN", "STATE", "PROGRESS", "DURATION", "CREATED", "QUEUE", "OWNER", "NAME"],
        [
            [
                run.id[:SHORT_ID],
                run.state.value,
                f"{run.progress.percent} %" if run.progress else "-",
                duration(run.duration_seconds),
                moment(run.created),
                run.queue or "-",
                run.owner,
                run.name,
            ]
            for run in found.runs
        ],
    )
    if found.total > len(found.runs):
        tell(f"{len(found.runs)} of {found.total} runs; more with --page {page + 1}.")


@app.command()
def show(run_id: RunId, as_json: Json = False, user: User = None) -> None:
    """Show one run: state, parameters, files, and why it ended as it did."""
    with connected(user, as_json=as_json) as client:
        run = get_run(client, resolve(client, run_id))
    if as_json:
        print_json(run)
        return
    facts = {
        "Run": run.id,
        "Name": run.name,
        "Project": run.project,
        "Owner": run.owner,
        "State": run.state.value + (" (stopping)" if run.stopping else ""),
        "Reason": run.reason,
        "Message": run.message,
        "Queue": run.queue + (f", place {run.position}" if run.position else ""),
        "Worker": run.worker,
        "Created": moment(run.created),
        "Duration": duration(run.duration_seconds),
        "Page": run.web_url,
    }
    for name, value in facts.items():
        if value:
            sys.stdout.write(f"{name + ':':<10}{value}\n")
    for parameter in run.parameters:
        full = f"{parameter.section}/{parameter.name}"
        sys.stdout.write(f"Parameter {full} = {parameter.value}\n")
    for artifact in run.artifacts:
        size = f" ({artifact.size_bytes} bytes)" if artifact.size_bytes else ""
        sys.stdout.write(f"File      {artifact.key}: {artifact.uri}{size}\n")
    if run.verdict is not None and run.verdict.traceback:
        sys.stdout.write("\n".join(["", *run.verdict.traceback, ""]))


@app.command()
def log(
    run_id: RunId,
    follow_: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run's end.")
    ] = False,
    as_json: Json = False,
    user: User = None,
) -> None:
    """Print a run's console."""
    with connected(user, as_json=as_json) as client:
        full = resolve(client, run_id)
        if as_json:
            print_json(_all_lines(client, full))
        elif follow_:
            raise typer.Exit(tell_end(follow(client, full, show_log=True)))
        else:
            print_log(client, full, None)


@app.command("abort")
def abort_(run_id: RunId, as_json: Json = False, user: User = None) -> None:
    """Stop a run, or take it out of its queue."""
    with connected(user, as_json=as_json) as client:
        run = abort(client, resolve(client, run_id))
    if as_json:
        print_json(run)
        return
    state = "stopping" if run.stopping else run.state.value
    tell(f"Run {run.id} ({run.name}) is {state}.")


@app.command("open")
def open_(run_id: RunId, as_json: Json = False, user: User = None) -> None:
    """Print the address of a run's page, and open it if this is a terminal."""
    with connected(user, as_json=as_json) as client:
        run = get_run(client, resolve(client, run_id))
    if as_json:
        print_json({"id": run.id, "web_url": run.web_url})
        return
    sys.stdout.write(f"{run.web_url}\n")
    if sys.stdout.isatty():
        typer.launch(run.web_url)


@app.command("rerun")
def rerun_(  # noqa: PLR0913, PLR0917 - one argument per option.
    run_id: RunId,
    parameter: Parameters = None,
    queue: Annotated[
        str | None, typer.Option(help="Another queue than the run's own.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Another name than the run's own.")
    ] = None,
    gpus: Gpus = None,
    gpu_model: GpuModel = None,
    node: Node = None,
    gpu_min_memory: GpuMinMemory = None,
    mig_profile: MigProfile = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to the end.")] = False,
    as_json: Json = False,
    user: User = None,
) -> None:
    """Run the same notebook again, as it was, with edited parameters.

    An option of GPUs takes the place of all that the run asked for (`--node ""`
    leaves them to the queue); without one it asks for the same again.
    """
    wish = GpuWish(gpus, gpu_model, node, gpu_min_memory, mig_profile)
    with connected(user, as_json=as_json) as client:
        submitted = rerun(
            client,
            resolve(client, run_id),
            read_parameters(parameter or []),
            queue=queue,
            name=name,
            gpus=None if wish == GpuWish() else wish,
        )
        report(client, submitted, wait=wait, as_json=as_json)


def resolve(client: Client, text: str) -> str:
    """Give the id of the run that a person means.

    Raises:
        NotFound: no run, or several, begin like that.
    """
    if len(text) >= FULL_ID:
        return text
    if text == LAST:
        newest = list_runs(client, RunQuery(page_size=1)).runs
        if not newest:
            msg = "You have no runs yet."
            raise NotFound(msg)
        return newest[0].id
    for user in ("me", None):
        page = list_runs(client, RunQuery(user=user, page_size=SEARCHED_RUNS))
        found = [run for run in page.runs if run.id.startswith(text.lower())]
        if len(found) == 1:
            return found[0].id
        if found:
            msg = f"{len(found)} runs begin with {text!r}: give more letters."
            raise NotFound(msg)
    msg = f"No run begins with {text!r}; see `waylab runs list --everyone`."
    raise NotFound(msg)


def _all_lines(client: Client, run_id: str) -> list[LogLine]:
    lines: list[LogLine] = []
    cursor: str | None = None
    while True:
        page = read_log(client, run_id, after=cursor)
        lines += page.lines
        cursor = page.cursor or cursor
        if page.complete:
            return lines
