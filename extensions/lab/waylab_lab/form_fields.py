"""Parameters as fields of a form: which there are, and which values do not fit."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from waylab_clearml import bundle, runs
from waylab_clearml.client import Client
from waylab_clearml.errors import ParameterError, SubmitError
from waylab_clearml.notebooks import parse_notebook
from waylab_clearml.parameters import Parameter, infer, validate
from waylab_clearml.submit import BUNDLE_ARTIFACT, PARAMETER_SECTION


def wrong_parameters(
    declared: tuple[Parameter, ...], given: Mapping[str, Any]
) -> dict[str, str]:
    """Give what is wrong with each value, by form field (`parameters.<name>`)."""
    wrong = {}
    for name, value in given.items():
        known = tuple(parameter for parameter in declared if parameter.name == name)
        try:
            validate(known, {name: value})
        except ParameterError as error:
            wrong[f"parameters.{name}"] = str(error)
    return wrong


def repeatable(
    client: Client, run_id: str
) -> tuple[tuple[Parameter, ...], dict[str, str]]:
    """Give the parameters that a run's notebook declares, and the values it had.

    Raises:
        SubmitError: it has no notebook that could be run again.
        ClearMLError: no such run, no access.
    """
    run = runs.get_run(client, run_id)
    found = [one for one in run.artifacts if one.key == BUNDLE_ARTIFACT and one.input]
    if not found:
        msg = f"{run.name!r} did not come from a notebook: clone it in ClearML."
        raise SubmitError(msg)
    with tempfile.TemporaryDirectory(prefix="waylab-form-") as folder:
        frozen = runs.fetch_bundle(client, found[0], Path(folder))
        content = bundle.read_notebook_bytes(frozen.path)
    declared = infer(parse_notebook(content, name=frozen.manifest.notebook))
    given = {
        one.name: one.value
        for one in run.parameters
        if one.section == PARAMETER_SECTION
    }
    return declared, given
