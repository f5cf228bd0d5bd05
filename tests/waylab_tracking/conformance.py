"""Checks answers against the JSON schemas that ship with the official SDK."""

from __future__ import annotations

import copy
import importlib
import json
import logging
import pkgutil
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from jsonschema import Draft7Validator, ValidationError

from waylab_tracking.testing import Exchange

SCHEMAS = "clearml.backend_api.services.v2_23"
# These the SDK ships for the enterprise server only.
LEFT_OUT = {"datasets", "dataviews", "frames", "pipelines"}
# The keys of these answers are the names of metrics.
FREE_FORM = {
    # A text without an envelope.
    "events.download_task_log",
    "events.multi_task_scalar_metrics_iter_histogram",
    "events.scalar_metrics_iter_histogram",
}
# Of tasks; the SDK of 2.1 takes them as they come.
KNOWN_TYPES = ("report",)
# ClearML Server answers so, though its schemas do not say it.
KNOWN_EXTRAS = {
    # Triggers of the SDK's read it.
    "model": {"last_change": {"type": ["string", "null"]}},
    "project": {"parent": {"type": ["string", "null"]}},
    "projects_get_all_response_single": {"parent": {"type": ["string", "null"]}},
    "last_metrics_event": {
        "count": {"type": "integer"},
        "first_value": {"type": "number"},
        "first_value_iteration": {"type": "integer"},
        "mean_value": {"type": "number"},
    },
}


@dataclass(frozen=True)
class Answer:
    """What the SDK knows of an endpoint's answer."""

    kind: Any
    validator: Draft7Validator


def violations(exchanges: Iterable[Exchange]) -> list[str]:
    """Tell what in good answers the SDK's schemas do not allow."""
    found: dict[str, None] = {}
    for exchange in exchanges:
        known = answers().get(exchange.endpoint)
        if known is None or exchange.status != HTTPStatus.OK:
            continue
        for error in map(_deepest, known.validator.iter_errors(exchange.data)):
            where = "/".join(str(part) for part in error.absolute_path)
            found[f"{exchange.endpoint} {where}: {error.message[:300]}"] = None
        try:
            known.kind(**exchange.data)
        except (TypeError, ValueError) as error:
            found[f"{exchange.endpoint}: the SDK cannot read it: {error}"] = None
    return list(found)


VERSIONS = (
    *(f"clearml.backend_api.services.{name}" for name in ("v2_9", "v2_13", "v2_20")),
    *(f"clearml_agent.backend_api.services.{name}" for name in ("v2_4", "v2_5")),
    SCHEMAS,
)


@cache
def official() -> dict[str, tuple[Any, Any]]:
    """Give request and answer of all that the SDK and the agent have schemas of.

    Of several versions it is the SDK's newest.
    """
    logging.getLogger("clearml").setLevel(logging.ERROR)
    found: dict[str, tuple[Any, Any]] = {}
    for version in VERSIONS:
        package = importlib.import_module(version)
        for module in pkgutil.iter_modules(package.__path__):
            service = importlib.import_module(f"{version}.{module.name}")
            for request, kind in getattr(service, "response_mapping", {}).items():
                found[f"{request._service}.{request._action}"] = (request, kind)
    return found


@cache
def answers() -> dict[str, Answer]:
    """Give the answers that the SDK knows, by endpoint."""
    logging.getLogger("clearml").setLevel(logging.ERROR)
    package = importlib.import_module(SCHEMAS)
    found: dict[str, Answer] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name in LEFT_OUT:
            continue
        service = importlib.import_module(f"{SCHEMAS}.{module.name}")
        for request, kind in service.response_mapping.items():
            name = f"{request._service}.{request._action}"
            schema = copy.deepcopy(kind._schema)
            for part, extras in KNOWN_EXTRAS.items():
                known = schema.get("definitions", {}).get(part)
                if known is not None:
                    known["properties"] |= extras
            _define_what_is_missing(schema)
            if kinds := schema["definitions"].get("task_type_enum"):
                kinds["enum"] = [*kinds["enum"], *KNOWN_TYPES]
            if name not in FREE_FORM:
                found[name] = Answer(kind, Draft7Validator(_strict(schema)))
    return found


def _deepest(error: ValidationError) -> ValidationError:
    """Go down to what is wrong inside an `anyOf` or `oneOf`."""
    while error.context:
        error = max(error.context, key=lambda one: len(one.absolute_path))
    return error


def _define_what_is_missing(schema: dict[str, Any]) -> None:
    """Let pass what the SDK's own schema refers to and does not have."""
    definitions = schema.setdefault("definitions", {})
    for name in re.findall(r'"#/definitions/(\w+)"', json.dumps(schema)):
        definitions.setdefault(name, {})


def _strict(schema: Any) -> Any:
    """Refuse fields that a schema does not name."""
    if isinstance(schema, dict):
        for part in list(schema.values()):
            _strict(part)
        if "properties" in schema and isinstance(schema["properties"], dict):
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        for part in schema:
            _strict(part)
    return schema
