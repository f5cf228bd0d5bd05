"""What a job is made of: fetched from its task, checked, unpacked."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from waylab_clearml import bundle as bundles
from waylab_clearml.client import Client, task_folder
from waylab_clearml.errors import BundleError, Forbidden, NotebookError, NotFound
from waylab_clearml.names import name_book
from waylab_clearml.notebooks import read_notebook
from waylab_clearml.submit import BUNDLE_ARTIFACT
from waylab_clearml.verdict import Reason
from waylab_runner.errors import failed


@dataclass(frozen=True)
class Inputs:
    """The job's notebook (a NotebookNode), its parameters and its places.

    `folder` is the task's folder on the file server, `notebook_path` the notebook's
    place below the folder that the bundle was unpacked into.
    """

    folder: str
    notebook: Any
    notebook_path: PurePosixPath
    hyperparams: Mapping[str, Any]


def fetch(client: Client, task: Mapping[str, Any], into: Path) -> Inputs:
    """Fetch and unpack a task's bundle.

    Raises:
        JobEnd: `bundle-invalid` or `notebook-invalid`.
        ClearMLError: the server is away or refuses.
    """
    archive = into.parent / "bundle.zip"
    try:
        expected = _download(client, task, archive)
        manifest = bundles.unpack(archive, into, expected)
    except BundleError as error:
        raise failed(Reason.BUNDLE_INVALID, str(error)) from error
    finally:
        archive.unlink(missing_ok=True)
    try:
        notebook = read_notebook(into / manifest.notebook)
    except NotebookError as error:
        raise failed(Reason.NOTEBOOK_INVALID, str(error)) from error
    project_id = str(task.get("project") or "")
    names = name_book(client).names("projects", [project_id])
    return Inputs(
        folder=task_folder(
            names.get(project_id, "unknown"), str(task["name"]), str(task["id"])
        ),
        notebook=importlib.import_module("nbformat").from_dict(notebook),
        notebook_path=PurePosixPath(manifest.notebook),
        hyperparams=task.get("hyperparams") or {},
    )


def _download(client: Client, task: Mapping[str, Any], archive: Path) -> str:
    """Write the task's bundle to a file; give the hash that it should have."""
    artifacts = (task.get("execution") or {}).get("artifacts") or ()
    found = next(
        (
            one
            for one in artifacts
            if one.get("key") == BUNDLE_ARTIFACT and one.get("mode") == "input"
        ),
        None,
    )
    if found is None:
        raise failed(
            Reason.BUNDLE_INVALID,
            "The task has no input artifact `bundle`: submit the notebook with "
            "`waylab run` or from the lab.",
        )
    try:
        with archive.open("wb") as file:
            for piece in client.download(str(found.get("uri"))):
                file.write(piece)
    except (NotFound, Forbidden) as error:
        raise failed(
            Reason.BUNDLE_INVALID, f"The bundle cannot be fetched: {error}"
        ) from error
    return str(found.get("hash") or "")
