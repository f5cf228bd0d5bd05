"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
User = Annotated[
    str | None,
    typer.Option(
        "--user",
        help="Act as this user (on the hub's machine, by its administrator).",
        metavar="NAME",
    ),
]
RunId = Annotated[
    str,
    typer.Argument(
        help="The run's id, its first letters, or `last` for your newest run.",
        metavar="RUN",
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "-p",
        "--parameter",
        help="A parameter of the notebook; may be given several times.",
        metavar="NAME=VALUE",
    ),
]
Gpus = Annotated[
    int | None,
    typer.Option(help="GPUs that it needs (default: as many as the queue says)."),
]
GpuModel = Annotated[
    str | None,
    typer.Option(help="A part of the GPUs' model, as A100.", metavar="MODEL"),
]
Node = Annotated[
    str | None, typer.Option(help="The node to run on, of those of the queue.")
]
GpuMinMemory = Annotated[
    float | None,
    typer.Option(help="GiB that each GPU must have.", metavar="GIB"),
]
MigProfile = Annotated[
    str | None,
    typer.Option(
        help="Slices of GPUs instead of whole ones, as 1g.10gb.", metavar="PROFILE"
    ),
]
