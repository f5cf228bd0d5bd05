"""Where requests of the official clients are not as their own schemas say.

The server reads requests leniently because of these. What is not in the table fails the
tests: a new version of the SDK or the agent, then, tells what is new in it.
"""

from __future__ import annotations

import copy
import importlib
import json
import pkgutil
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft7Validator, ValidationError
from tests.waylab_tracking.conformance import VERSIONS, official, shape_of, strict

from waylab_tracking.testing import Exchange

BATCHES = {"events.add_batch": "events.add"}
EVERYWHERE = "*"
# Names that users gave, and figures that not every machine has.
_VARYING = (
    (re.compile(r"^last_metrics\..+"), "last_metrics.*"),
    (re.compile(r"^(metadata|hyperparams)\.[^.]+"), r"\1.*"),
    (re.compile(r"^machine_stats\..+"), "machine_stats.*"),
)


class Departure(NamedTuple):
    """A field of a request, and what is wrong with it."""

    client: str
    endpoint: str
    field: str
    problem: str


KNOWN: frozenset[Departure] = frozenset(
    {
        Departure("agent", "events.add_batch", "level", "enum str"),
        Departure("agent", "tasks.dequeue", "new_status", "unknown"),
        Departure("agent", "tasks.edit", "runtime", "unknown"),
        Departure("agent", "tasks.get_all", "search_hidden", "unknown"),
        Departure("agent", "workers.status_report", "is_daemon", "unknown"),
        Departure("agent", "workers.status_report", "machine_stats", "type NoneType"),
        Departure("agent", "workers.status_report", "machine_stats.*", "type float"),
        Departure("agent", "workers.status_report", "tags", "unknown"),
        Departure("agent", "workers.unregister", "queues", "unknown"),
        Departure("sdk", EVERYWHERE, "method", "unknown"),
        Departure("sdk", "events.add_batch", "allow_locked", "unknown"),
        Departure("sdk", "events.add_batch", "level", "enum str"),
        Departure("sdk", "events.add_batch", "model_event", "unknown"),
        Departure("sdk", "models.get_all", "_or_", "unknown"),
        Departure("sdk", "models.get_all", "metadata.*.value", "unknown"),
        Departure("sdk", "projects.get_all", "include_stats", "unknown"),
        Departure("sdk", "tasks.get_all", "_or_", "unknown"),
        Departure("sdk", "tasks.get_all", "created", "unknown"),
        Departure("sdk", "tasks.get_all", "last_metrics.*", "unknown"),
        Departure("sdk", "tasks.get_all", "task_types", "unknown"),
    }
)


class Requests:
    """Checks what the official clients send, what has one shape once."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str, Any]] = set()

    def departures(self, exchanges: Iterable[Exchange]) -> set[Departure]:
        """Give the departures in requests."""
        found: set[Departure] = set()
        for exchange in exchanges:
            client = exchange.client.partition("-")[0].replace("clearml", "sdk")
            if client not in ("sdk", "agent"):
                continue
            for body in _bodies(exchange):
                shape = (client, exchange.endpoint, shape_of(body))
                if shape not in self._seen:
                    self._seen.add(shape)
                    found |= set(_departures(client, exchange.endpoint, body))
        return found


CHECKER = Requests()


def unknown(exchanges: Iterable[Exchange]) -> list[Departure]:
    """Give the departures that the table does not have."""
    return sorted(CHECKER.departures(exchanges) - KNOWN)


def page() -> str:
    """Give the page of the reference that lists them."""
    rows = [
        f"| {_CLIENTS[one.client]} | {_shown(one.endpoint)} | `{one.field}` |"
        f" {_in_words(one.problem)} |"
        for one in sorted(KNOWN)
    ]
    return "\n".join([_PAGE, *rows, ""])


_CLIENTS = {"agent": "agent", "sdk": "SDK"}
_PAGE = """\
# What the official clients send that their schemas do not have

The packages `clearml` and `clearml-agent` come with a schema of each request. Tests
hold the requests that the two make against them; here is where they depart. The server
takes all of this: fields that it does not know pass by, and only what a field is used
for is checked. `python -m tests.waylab_tracking.departures` writes this page from the
table that the tests use.

| client | endpoint | field | how it departs |
|---|---|---|---|"""


def _in_words(problem: str) -> str:
    kind, _, given = problem.partition(" ")
    words = {
        "unknown": "the schema does not have it",
        "missing": "it is left out, though required",
        "type": f"it is a {given.replace('NoneType', 'null')}, which it may not be",
        "enum": "it has a value that is not in its list",
    }
    return words.get(kind, problem)


def _shown(endpoint: str) -> str:
    return "all" if endpoint == EVERYWHERE else f"`{endpoint}`"


def _bodies(exchange: Exchange) -> Iterator[Any]:
    text = exchange.request.strip()
    lines = text.splitlines() if exchange.endpoint in BATCHES else [text]
    yield from (json.loads(line) for line in lines if line)


def _departures(client: str, endpoint: str, body: Any) -> Iterator[Departure]:
    schema = _schemas(client).get(BATCHES.get(endpoint, endpoint))
    if schema is None:
        return
    if "anyOf" in schema:
        # An event: its type says which of the schemas is its own.
        schema = _of_type(schema, body.get("type"))
    for error in Draft7Validator(schema).iter_errors(body):
        yield from _told(client, endpoint, error)


def _told(client: str, endpoint: str, error: ValidationError) -> Iterator[Departure]:
    path = [EVERYWHERE if isinstance(one, int) else one for one in error.absolute_path]
    where = ".".join(path)
    prefix = f"{where}." if where else ""
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for name in error.instance.keys() - known.keys():
            # The SDK's own attribute leaks into all of its requests.
            at = EVERYWHERE if name == "method" else endpoint
            place = name if name == "method" else _steady(f"{prefix}{name}")
            yield Departure(client, at, place, "unknown")
    elif error.validator == "required":
        missing = sorted({*error.validator_value} - {*error.instance})
        for name in missing:
            yield Departure(client, endpoint, _steady(f"{prefix}{name}"), "missing")
    else:
        problem = f"{error.validator} {type(error.instance).__name__}"
        yield Departure(client, endpoint, _steady(where), problem)


def _steady(field: str) -> str:
    for pattern, instead in _VARYING:
        field = pattern.sub(instead, field)
    return field


def _of_type(schema: dict[str, Any], kind: Any) -> dict[str, Any]:
    definitions = schema["definitions"]
    found: dict[str, Any] = next(
        (
            one
            for one in definitions.values()
            if one.get("properties", {}).get("type", {}).get("const") == kind
        ),
        {"not": {}},
    )
    return {**found, "definitions": definitions}


@cache
def _schemas(client: str) -> dict[str, dict[str, Any]]:
    """Give what a client's own package says that it sends, else the SDK."""
    sent = {name: request for name, (request, _) in official().items()}
    for version in VERSIONS if client == "agent" else ():
        if version.startswith("clearml_agent"):
            package = importlib.import_module(version)
            for module in pkgutil.iter_modules(package.__path__):
                service = importlib.import_module(f"{version}.{module.name}")
                for one in getattr(service, "response_mapping", {}):
                    sent[f"{one._service}.{one._action}"] = one
    found: dict[str, dict[str, Any]] = {}
    for name, request in sent.items():
        schema = getattr(request, "_schema", None)
        if schema:
            found[name] = strict(copy.deepcopy(schema))
    return found


if __name__ == "__main__":
    Path("docs/reference/clearml-clients.md").write_text(page(), encoding="utf-8")
