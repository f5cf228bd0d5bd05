"""Calls of every route that the server's own OpenAPI describes, made at random.

Requests are drawn from what the server says it takes and from what the SDK's schemas
say it sends, and from what neither allows. Identifiers are often those of things that
exist, so that handlers get beyond their first check.
"""

from __future__ import annotations

import copy
import importlib
import json
import logging
import pkgutil
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from tests.waylab_tracking.conformance import LEFT_OUT, SCHEMAS
from tests.waylab_tracking.door import Door

from waylab_tracking.testing import Server

REF = "#/components/schemas/"
LINES = "application/json-lines"
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CHECKS = [
    checks.not_a_server_error,
    checks.response_schema_conformance,
    checks.content_type_conformance,
]
# After calls of these, things may be gone, or in another state.
ENDS = re.compile(r"delete|remove|reset|move|unregister|stop|edit|publish|close")
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
# What a call is about, if the SDK's schema has it.
SUBJECTS = ("task", "model", "queue", "worker")

Json = dict[str, Any]


@dataclass
class Outcome:
    """How many calls there were, by status, and what was wrong with answers."""

    calls: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def fuzz(server: Server, door: Door, examples: int, start: int) -> Outcome:
    """Call every route `examples` times with good bodies, as often with bad ones."""
    outcome = Outcome()
    with requests.Session() as session:
        session.trust_env = False
        described = session.get(f"{server.url}/openapi.json", timeout=30).json()
        caller = Caller(door, session, settings_of(examples), start, outcome)
        # Not who calls: that one could take its own rights away.
        user = server.call("waylab.ensure_user", {"name": "fuzzed"})["id"]
        known: dict[str, list[str]] = {}
        for path, methods in described["paths"].items():
            # What the call before this one may have deleted is made anew.
            known = _things(door, user) if not known or ENDS.search(path) else known
            for method, operation in methods.items():
                one = _described(described, path, method, operation, known)
                caller.call(schemathesis.openapi.from_dict(one)[path][method])
            known = {} if ENDS.search(path) else known
    return outcome


def settings_of(examples: int) -> settings:
    """Give what holds for every route."""
    return settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Caller:
    """Draws requests for a route, sends them, and notes what is wrong with answers."""

    door: Door
    session: requests.Session
    settings: settings
    start: int
    outcome: Outcome

    def call(self, operation: Any) -> None:
        """Call one route."""
        for mode in MODES:
            strategy = operation.as_strategy(generation_mode=mode)
            send = seed(self.start)(self.settings(given(case=strategy)(self._send)))
            try:
                send()
            except Unsatisfiable:
                continue  # What takes nothing cannot be given anything wrong.
            except (Failure, FailureGroup) as error:
                self.outcome.wrong.append(f"{operation.label}: {error}"[:2000])

    def _send(self, case: Any) -> None:
        door, outcome = self.door, self.outcome
        session = self.session
        answer = case.call(base_url=door.url, session=session, headers=door.headers)
        status = int(answer.status_code)
        outcome.calls += 1
        outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
        case.validate_response(answer, checks=CHECKS)


@schemathesis.serializer(LINES)
def _lines(_: Any, value: Any) -> bytes:
    """Write events as a batch has them, one a line."""
    rows = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(row) for row in rows).encode()


def _described(
    described: Json,
    path: str,
    method: str,
    operation: Json,
    known: dict[str, list[str]],
) -> Json:
    """Describe one route, made richer by the SDK's schemas and by what exists."""
    name = path.lstrip("/")
    one: Json = copy.deepcopy(
        {
            "openapi": described["openapi"],
            "info": described["info"],
            "paths": {path: {method: operation}},
            "components": {"schemas": described["components"]["schemas"]},
        }
    )
    operation = one["paths"][path][method]
    # Bad requests are to be bad in what they say, not in who makes them.
    operation.pop("security", None)
    schemas = one["components"]["schemas"]
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        sent = _sent().get("events.add" if kind == LINES else name)
        if sent is not None:
            schemas[f"Sdk.{name}"] = _hoisted(sent, name, schemas)
            ref = {"$ref": f"{REF}Sdk.{name}"}
            rows = {"type": "array", "items": ref, "minItems": 1, "maxItems": 4}
            both = {"anyOf": [ref, body["schema"]]}
            body["schema"] = rows if kind == LINES else both
    for kind, schema in schemas.items():
        _name_what_exists(schema, known, strict=kind.startswith("Sdk."))
    return one


def _hoisted(schema: Json, name: str, schemas: Json) -> Json:
    """Move a schema's own definitions to where OpenAPI has them."""
    text = json.dumps(schema)
    there = f"{REF}Sdk.{name}."
    moved: Json = json.loads(text.replace("#/definitions/", there))
    named = [one for one in SUBJECTS if one in moved.get("properties", {})]
    moved["required"] = [*{*moved.get("required", ()), *named}]
    for one, definition in moved.pop("definitions", {}).items():
        schemas[f"Sdk.{name}.{one}"] = definition
    for one in re.findall(rf'"{re.escape(there)}(\w+)"', json.dumps(moved)):
        schemas.setdefault(f"Sdk.{name}.{one}", {})
    return moved


def _name_what_exists(
    schema: Any, known: dict[str, list[str]], *, strict: bool
) -> None:
    """Let fields that name things name what there is, always or now and then."""
    if isinstance(schema, list):
        for one in schema:
            _name_what_exists(one, known, strict=strict)
    if not isinstance(schema, dict):
        return
    fields = schema.get("properties")
    for name, plain in list(fields.items()) if isinstance(fields, dict) else ():
        if name in NAMED and (names := known[NAMED[name]]):
            single: Json = {"enum": names}
            some = {"type": "array", "items": single, "minItems": 1, "maxItems": 3}
            wanted = some if "array" in json.dumps(plain) else single
            schema["properties"][name] = (
                wanted if strict else {"anyOf": [wanted, plain]}
            )
    for value in schema.values():
        _name_what_exists(value, known, strict=strict)


def _things(door: Door, user: str) -> dict[str, list[str]]:
    """Make things anew, and give the identifiers of some of each kind."""
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
        "user": [user],
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
