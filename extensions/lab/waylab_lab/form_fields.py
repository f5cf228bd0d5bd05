"""What forms have in common: a notebook's parameters, and the GPUs asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from waylab_clearml import bundle, runs
from waylab_clearml.client import Client
from waylab_clearml.errors import ParameterError, SubmitError
from waylab_clearml.notebooks import parse_notebook
from waylab_clearml.options import (
    MODEL_LENGTH,
    MOST_GPUS,
    MOST_MEMORY_GIB,
    NODE_LENGTH,
    PROFILE_LENGTH,
    WISHES,
    GpuWish,
)
from waylab_clearml.parameters import Parameter, infer, validate
from waylab_clearml.submit import BUNDLE_ARTIFACT, PARAMETER_SECTION


class GpuFields(BaseModel):
    """The fields of a form that ask for GPUs, each under the name of its option."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)
    gpus: int | None = Field(None, ge=0, le=MOST_GPUS)
    gpu_model: str | None = Field(None, max_length=MODEL_LENGTH)
    node: str | None = Field(None, max_length=NODE_LENGTH)
    gpu_min_memory_gib: float | None = Field(
        None, ge=0, le=MOST_MEMORY_GIB, allow_inf_nan=False
    )
    mig_profile: str | None = Field(None, max_length=PROFILE_LENGTH)

    @property
    def gpu_wish(self) -> GpuWish | None:
        """Give what is asked for; None from a client that speaks of none of it."""
        if not self.model_fields_set.intersection(WISHES):
            return None
        return GpuWish(
            self.gpus,
            self.gpu_model or None,
            self.node or None,
            self.gpu_min_memory_gib,
            self.mig_profile or None,
        )


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
