"""Checks answers against the JSON schemas that ship with the official SDK."""

from __future__ import annotations

import copy
import importlib
import json
import logging
import pkgutil
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from jsonschema import Draft7Validator, ValidationError
from tests.waylab_tracking import own_schemas

from waylab_tracking.testing import Exchange

SCHEMAS = "clearml.backend_api.services.v2_23"
# These the SDK ships for the enterprise server only.
LEFT_OUT = {"datasets", "dataviews", "frames"}
# A text without an envelope.
FREE_FORM = {"events.download_task_log"}
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


# Lists with more in them than the plain ones have.
KNOWN_MORE: dict[str, dict[str, Any]] = {
    "reports.get_all_ex": {
        "task": {"report": {"type": "string"}, "report_assets": {"type": "array"}}
    },
}
Shape = Any


@dataclass(frozen=True)
class Answer:
    """What is known of an endpoint's answer; `kind` is what the SDK reads it with."""

    kind: Any
    validator: Draft7Validator


class Checker:
    """Checks answers, those of one shape once."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, Shape]] = set()

    def violations(self, exchanges: Iterable[Exchange]) -> list[str]:
        """Tell what in good answers the schemas do not allow."""
        found: dict[str, None] = {}
        for exchange in exchanges:
            known = answers().get(exchange.endpoint)
            if known is None or exchange.status != HTTPStatus.OK:
                continue
            shape = (exchange.endpoint, shape_of(exchange.data))
            if shape not in self._seen:
                self._seen.add(shape)
                found |= dict.fromkeys(_violations(exchange, known))
        return list(found)


def violations(exchanges: Iterable[Exchange]) -> list[str]:
    """Tell what in good answers the schemas do not allow."""
    return Checker().violations(exchanges)


def shape_of(value: Any) -> Shape:
    """Give what schemas look at: names, types, and texts that may be of an enum."""
    if isinstance(value, dict):
        return frozenset((name, shape_of(one)) for name, one in value.items())
    if isinstance(value, list):
        return ("list", frozenset(map(shape_of, value)))
    if isinstance(value, str):
        return value if len(value) <= LONGEST_WORD and value.isidentifier() else "..."
    if isinstance(value, bool) or value is None:
        return str(type(value))
    # Enums of numbers are of 0 and 1.
    return (str(type(value)), min(value, 2), value < 0)


LONGEST_WORD = 24
CHECKER = Checker()


def _violations(exchange: Exchange, known: Answer) -> Iterator[str]:
    for error in map(_deepest, known.validator.iter_errors(exchange.data)):
        where = "/".join(str(part) for part in error.absolute_path)
        yield f"{exchange.endpoint} {where}: {error.message[:300]}"
    if known.kind is None:
        return
    try:
        known.kind(**exchange.data)
    except (TypeError, ValueError) as error:
        yield f"{exchange.endpoint}: the SDK cannot read it: {error}"


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
    """Give the answers that are known, by endpoint."""
    found = {
        name: Answer(kind, Draft7Validator(_schema(name, kind._schema)))
        for name, (_, kind) in official().items()
        if name not in FREE_FORM
    }
    for name, other in own_schemas.ALIASES.items():
        schema = official()[other][1]._schema
        found[name] = Answer(None, Draft7Validator(_schema(name, schema)))
    everything = official()["tasks.get_all"][1]._schema
    for name in KNOWN_MORE:
        found[name] = Answer(None, Draft7Validator(_schema(name, everything)))
    for name, schema in own_schemas.SCHEMAS.items():
        found[name] = Answer(None, Draft7Validator(strict(copy.deepcopy(schema))))
    return found


def _schema(name: str, official_schema: dict[str, Any]) -> dict[str, Any]:
    """Give a schema of the official packages, strict but for what is known."""
    schema = copy.deepcopy(official_schema)
    definitions = schema.setdefault("definitions", {})
    for part, extras in (*KNOWN_EXTRAS.items(), *KNOWN_MORE.get(name, {}).items()):
        if part in definitions:
            definitions[part]["properties"] |= extras
    if kinds := definitions.get("task_type_enum"):
        kinds["enum"] = [*kinds["enum"], *KNOWN_TYPES]
    return strict(schema)


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


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Make a schema refuse fields that it does not name."""
    _define_what_is_missing(schema)
    _close(schema)
    return schema


def _close(schema: Any) -> None:
    if isinstance(schema, dict):
        for part in list(schema.values()):
            _close(part)
        if "properties" in schema and isinstance(schema["properties"], dict):
            schema.setdefault("additionalProperties", False)
    elif isinstance(schema, list):
        for part in schema:
            _close(part)
