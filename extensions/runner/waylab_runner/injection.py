"""Parameters from the task into the notebook: checked, then injected by papermill."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from waylab_clearml.errors import ParameterError
from waylab_clearml.options import OPTION_SECTION, TIME_LIMIT
from waylab_clearml.parameters import (
    ParameterValue,
    infer,
    is_plain_name,
    validate,
)
from waylab_clearml.submit import PARAMETER_SECTION
from waylab_clearml.verdict import Reason
from waylab_runner.errors import failed


def values_for(
    notebook: Mapping[str, Any], hyperparams: Mapping[str, Any]
) -> dict[str, ParameterValue]:
    """Give the values to inject: the task's text, read as the notebook's types.

    Raises:
        JobEnd: `parameter-invalid`; the message names the parameter.
    """
    section: Mapping[str, Any] = hyperparams.get(PARAMETER_SECTION) or {}
    given: dict[str, ParameterValue] = {}
    for key, item in section.items():
        name = str(item.get("name") or key)
        # Injected names become code: only a plain identifier is let through.
        if not is_plain_name(name):
            raise failed(
                Reason.PARAMETER_INVALID,
                f"The parameter name {name[:60]!r} is not a plain Python name.",
            )
        given[name] = str(item.get("value") if item.get("value") is not None else "")
    declared = infer(notebook)
    try:
        values = validate(declared, given)
    except ParameterError as error:
        raise failed(Reason.PARAMETER_INVALID, str(error)) from error
    return values if declared else {}


def time_limit_for(hyperparams: Mapping[str, Any]) -> float | None:
    """Give the time limit in seconds, or None for none.

    Raises:
        JobEnd: `parameter-invalid`; the value is no number above 0.
    """
    item = (hyperparams.get(OPTION_SECTION) or {}).get(TIME_LIMIT) or {}
    text = str(item.get("value") or "").strip()
    if not text or text in {"None", "0"}:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise failed(
            Reason.PARAMETER_INVALID,
            f"{OPTION_SECTION}/{TIME_LIMIT} is {text[:60]!r}, but takes a number of "
            "seconds above 0, or nothing for no limit.",
        )
    return seconds


def inject(notebook: Any, values: Mapping[str, ParameterValue]) -> Any:
    """Give the notebook with a cell that assigns the values, where they count."""
    if not values:
        return notebook
    # papermill takes 0.5 s to import: only where there is something to inject.
    parameterize = importlib.import_module("papermill.parameterize")
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])
    notebook.metadata.setdefault("papermill", {})
    kernel = notebook.metadata.get("kernelspec") or {}
    return parameterize.parameterize_notebook(
        notebook,
        dict(values),
        kernel_name=kernel.get("name") or "python3",
        language=kernel.get("language") or "python",
    )
