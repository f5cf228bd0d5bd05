"""`waylab run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from waylab_clearml.cli.connection import INTERRUPTED, connected, tell
from waylab_clearml.cli.following import follow, tell_end
from waylab_clearml.cli.options import (
    GpuMinMemory,
    GpuModel,
    Gpus,
    Json,
    MigProfile,
    Node,
    Parameters,
    User,
)
from waylab_clearml.cli.output import print_json
from waylab_clearml.client import Client
from waylab_clearml.errors import ParameterError
from waylab_clearml.queues import list_queues
from waylab_clearml.submit import Submission, Submitted, submit


def run(  # noqa: PLR0913, PLR0917 - one argument per option.
    notebook: Annotated[Path, typer.Argument(help="The notebook to run (.ipynb).")],
    queue: Annotated[
        str, typer.Option(help="The queue to put it into; see `waylab queues`.")
    ] = "default",
    parameter: Parameters = None,
    name: Annotated[
        str | None, typer.Option(help="The run's name; default: the notebook's.")
    ] = None,
    project: Annotated[str, typer.Option(help="The project to record it in.")] = (
        "Notebooks"
    ),
    file: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file or folder that the notebook needs; may be given several "
            "times. Must be below the notebook's folder (or --root).",
            metavar="PATH",
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="The folder that paths are kept relative to."),
    ] = None,
    time_limit: Annotated[
        int | None,
        typer.Option(help="End the run after so many seconds.", metavar="SECONDS"),
    ] = None,
    gpus: Gpus = None,
    gpu_model: GpuModel = None,
    node: Node = None,
    gpu_min_memory: GpuMinMemory = None,
    mig_profile: MigProfile = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="A tag; may be given several times.")
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Follow it to the end: exit status 0 if completed, 1 if failed, 3 if "
            "aborted.",
        ),
    ] = False,
    as_json: Json = False,
    user: User = None,
) -> None:
    """Run a notebook on a queue."""
    with connected(user, as_json=as_json) as client:
        submitted = submit(
            client,
            Submission(
                notebook=notebook,
                queue=queue,
                name=name,
                project=project,
                parameters=read_parameters(parameter or []),
                files=tuple(path.absolute() for path in file or ()),
                root=root,
                tags=tuple(tag or ()),
                time_limit_seconds=time_limit,
                gpus=gpus,
                gpu_model=gpu_model,
                node=node,
                gpu_min_memory_gib=gpu_min_memory,
                mig_profile=mig_profile,
            ),
        )
        report(client, submitted, wait=wait, as_json=as_json)


def read_parameters(given: list[str]) -> dict[str, str]:
    """Read `name=value` texts.

    Raises:
        ParameterError: one has no `=`.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            msg = f"-p {text!r} is not of the form name=value."
            raise ParameterError(msg)
        found[name.strip()] = value
    return found


def report(client: Client, submitted: Submitted, *, wait: bool, as_json: bool) -> None:
    """Tell of a submitted run, and wait for its end if asked to; exits if waited."""
    try:
        if not as_json:
            place = f", place {submitted.position}" if submitted.position else ""
            tell(f"Run {submitted.task_id} is in queue {submitted.queue}{place}.")
            tell(submitted.web_url)
            _warn_if_unserved(client, submitted.queue)
        if not wait:
            if as_json:
                print_json(submitted)
            return
        ended = follow(client, submitted.task_id, show_log=not as_json)
    except KeyboardInterrupt:
        tell(
            f"Not waiting any longer; the run goes on. To stop it: waylab runs abort "
            f"{submitted.task_id}"
        )
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(ended)
    raise typer.Exit(tell_end(ended))


def _warn_if_unserved(client: Client, name: str) -> None:
    for queue in list_queues(client):
        if queue.name == name and not queue.slots:
            tell(f"No agent serves queue {name} now: the run waits until one does.")
