"""Calls of every route that the server's own OpenAPI describes, made at random.

Requests are drawn from what the server says it takes and from what the SDK's schemas
say it sends, and from what neither allows. Identifiers are often those of things that
exist, so that handlers get beyond their first check.
"""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import checks
from schemathesis.generation import GenerationMode
from tests.waylab_tracking.conformance import LEFT_OUT, SCHEMAS
from tests.waylab_tracking.door import Door

from waylab_tracking.testing import Server

REF = "#/components/schemas/"
LINES = "application/json-lines"
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
# Which things a field names.
NAMED = {
    "task": "task",
    "tasks": "task",
    "parent": "task",
    "model": "model",
    "queue": "queue",
    "project": "project",
    "projects": "project",
    "project_name": "name",
    "queue_name": "name",
    "worker": "worker",
    "user": "user",
    "id": "any",
    "ids": "any",
}

Json = dict[str, Any]


@dataclass
class Outcome:
    """How many calls there were, by status, and what was wrong with answers."""

    calls: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def fuzz(server: Server, door: Door, examples: int, start: int) -> Outcome:
    """Call every route `examples` times with good bodies, and as often with bad ones."""
    outcome = Outcome()
    with requests.Session() as session:
        session.trust_env = False
        for path, method in _operations(server):
            # Things that a call before this one deleted are made anew.
            schema = schemathesis.openapi.from_dict(_described(server, door))
            operation = schema[path][method]
            for mode in MODES:
                try:
                    strategy = operation.as_strategy(generation_mode=mode)
                    _send(strategy, session, door, examples, start, outcome)
                except Exception as error:  # noqa: BLE001 - whatever a check raises
                    outcome.wrong.append(f"{method} {path}: {error}"[:2000])
    return outcome


def _send(  # noqa: PLR0913
    strategy: Any,
    session: requests.Session,
    door: Door,
    examples: int,
    start: int,
    outcome: Outcome,
) -> None:
    @seed(start)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def send(case: Any) -> None:
        answer = case.call(base_url=door.url, session=session, headers=door.headers)
        outcome.calls += 1
        status = int(answer.status_code)
        outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
        case.validate_response(
            answer,
            checks=[
                checks.not_a_server_error,
                checks.response_schema_conformance,
                checks.content_type_conformance,
            ],
        )

    send()


@schemathesis.serializer(LINES)
def _lines(_: Any, value: Any) -> bytes:
    """Write events as a batch has them, one a line."""
    rows = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(row) for row in rows).encode()


def _operations(server: Server) -> Iterator[tuple[str, str]]:
    for path, methods in _own(server)["paths"].items():
        for method in methods:
            yield path, method


def _own(server: Server) -> Json:
    found = requests.get(f"{server.url}/openapi.json", timeout=30)
    described: Json = found.json()
    return described


def _described(server: Server, door: Door) -> Json:
    """Give the server's description, made richer by the SDK's and by what exists."""
    described = _own(server)
    known = _things(door)
    schemas = described["components"]["schemas"]
    for path, methods in described["paths"].items():
        name = path.lstrip("/")
        sent = _sent().get(name)
        for operation in methods.values():
            for kind, body in (
                operation.get("requestBody", {}).get("content", {}).items()
            ):
                if kind == LINES:
                    sent = _sent()["events.add"]
                if sent is not None:
                    schemas[f"Sdk.{name}"] = _hoisted(sent, name, schemas)
                    ref = {"$ref": f"{REF}Sdk.{name}"}
                    rows = {"type": "array", "items": ref, "minItems": 1, "maxItems": 4}
                    both = {"anyOf": [ref, body["schema"]]}
                    body["schema"] = rows if kind == LINES else both
    for schema in schemas.values():
        _name_what_exists(schema, known)
    return described


def _hoisted(schema: Json, name: str, schemas: Json) -> Json:
    """Move a schema's own definitions to where OpenAPI has them."""
    text = json.dumps(schema)
    there = f"{REF}Sdk.{name}."
    moved: Json = json.loads(text.replace("#/definitions/", there))
    for one, definition in moved.pop("definitions", {}).items():
        schemas[f"Sdk.{name}.{one}"] = definition
    for one in re.findall(rf'"{re.escape(there)}(\w+)"', json.dumps(moved)):
        schemas.setdefault(f"Sdk.{name}.{one}", {})
    return moved


def _name_what_exists(schema: Any, known: dict[str, list[str]]) -> None:
    """Let fields that name things mostly name what there is."""
    if isinstance(schema, list):
        for one in schema:
            _name_what_exists(one, known)
    if not isinstance(schema, dict):
        return
    fields = schema.get("properties")
    for name, plain in list(fields.items()) if isinstance(fields, dict) else ():
        if name in NAMED and (names := known[NAMED[name]]):
            one: Json = {"enum": names}
            some = {"type": "array", "items": one, "minItems": 1, "maxItems": 3}
            single = "array" not in json.dumps(plain)
            fields[name] = {"anyOf": [one if single else some, plain]}
    for one in schema.values():
        _name_what_exists(one, known)


def _things(door: Door) -> dict[str, list[str]]:
    """Make things anew, and give the identifiers of some of each kind."""
    mark = door.call("users.get_current_user")["user"]["id"]
    project = door.post("projects.create", name="fuzz/project").json()["data"].get("id")
    found = door.call("projects.get_all", name="^fuzz/project$")["projects"]
    project = project or (found[0]["id"] if found else "")
    task = door.task("fuzzed", project=project)
    point = {"type": "training_stats_scalar", "metric": "m", "variant": "v", "value": 1}
    door.call("events.add", task=task, iter=1, **point)
    running = door.task("fuzzed and running", project=project)
    door.call("tasks.started", task=running)
    waiting = door.task("fuzzed and waiting", project=project)
    door.post("queues.create", name="fuzz")
    door.post("tasks.enqueue", task=waiting, queue_name="fuzz")
    model = door.call("models.create", name="fuzzed", project=project, uri="s3://b/m")
    door.call("workers.register", worker="fuzz:0", queues=[])
    queues = [one["id"] for one in door.call("queues.get_all")["queues"]][:5]
    known = {
        "task": [task, running, waiting],
        "model": [model["id"]],
        "queue": queues,
        "project": [project] if project else [],
        "worker": ["fuzz:0"],
        "user": [mark],
        "name": ["fuzz", "fuzz/project"],
    }
    return {**known, "any": [one for some in known.values() for one in some]}


@cache
def _sent() -> dict[str, Json]:
    """Give the schemas of what the SDK sends, by endpoint."""
    logging.getLogger("clearml").setLevel(logging.ERROR)
    package = importlib.import_module(SCHEMAS)
    found: dict[str, Json] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in LEFT_OUT:
            service = importlib.import_module(f"{SCHEMAS}.{module.name}")
            for request in service.response_mapping:
                if schema := getattr(request, "_schema", None):
                    found[f"{request._service}.{request._action}"] = schema
    return found
