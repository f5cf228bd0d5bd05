"""Every route x every kind of caller, made from the table of `access` itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.waylab_tracking.ground import MARK, Caller, Ground

from waylab_tracking.access import ROUTES, ROWS, Entrance, Kind, Need, Right, Role
from waylab_tracking.app import Server as Application
from waylab_tracking.bundle import FOLDER
from waylab_tracking.registry import ENDPOINTS
from waylab_tracking.settings import TrackingSettings
from waylab_tracking.testing import Server

UNKNOWN = {
    Kind.TASK: (400, 101),
    Kind.REPORTER: (400, 101),
    Kind.MODEL: (400, 201),
    Kind.PROJECT: (400, 401),
}
PASSES = (0, 0)
"""Whatever the handler then says: the table let the call through."""
NONE_ADDED = (400, 131)
REFUSALS = {(401, 20), (403, 0), NONE_ADDED, *UNKNOWN.values()}
EXAMPLES: dict[str, Any] = {"metric": {"metric": "m"}, "requirements": {}}
ONE_A_ROLE = ("nobody", "owner", "owner's job", "admin", "system", "agent")
STRANGERS = ("other user", "other's job", "other agent")
# What a handler may say of a thing that the body does not name at all.
NEEDED = [
    (name, need)
    for name, row in sorted(ROWS.items())
    for need in row.needs
    if not need.field.startswith("metrics.") or name == "events.plots"
]


@pytest.fixture(scope="module")
def ground(server: Server) -> Iterator[Ground]:
    ground = Ground(server)
    yield ground
    ground.close()


def test_every_endpoint_has_a_row_and_every_row_an_endpoint() -> None:
    assert set(ENDPOINTS) == set(ROWS)


def test_every_route_has_a_row_and_every_row_a_route(tmp_path: Path) -> None:
    application = Application(TrackingSettings(state=tmp_path))

    found = {
        (method, route.path)
        for route in application.routes()
        for method in route.methods or ()
        if method != "HEAD"
    }
    application.database.close()

    assert found == set(ROUTES)


def test_a_route_without_a_row_keeps_the_server_from_starting(tmp_path: Path) -> None:
    async def answer(_: Request) -> Response:
        return Response("open to everybody")

    application = Application(TrackingSettings(state=tmp_path))
    with pytest.raises(LookupError, match="GET /forgotten has no row"):
        application.guarded(Route("/forgotten", answer))
    application.database.close()


@pytest.mark.parametrize("name", sorted(ROWS))
def test_roles(ground: Ground, name: str) -> None:
    answers = {
        who: _codes(_ask(ground, name, ground.callers[who], {})) for who in ONE_A_ROLE
    }

    refused = {who for who, answer in answers.items() if answer == (403, 0)}
    strangers = {who for who, answer in answers.items() if answer == (401, 20)}
    assert strangers == {"nobody"}
    assert refused == {
        who
        for who in ONE_A_ROLE
        if ground.callers[who].role not in {None, *ROWS[name].roles}
    }


@pytest.mark.parametrize(
    ("name", "need"), NEEDED, ids=[f"{name}-{need.field}" for name, need in NEEDED]
)
def test_things(ground: Ground, name: str, need: Need) -> None:
    answers = {}
    expected = {
        who: _expected(name, caller, need) for who, caller in ground.callers.items()
    }
    for who, caller in ground.callers.items():
        thing = ground.standing(need.kind)
        if expected[who] == PASSES and need.right is not Right.SEE:
            taken = caller.role is Role.AGENT
            thing = ground.spoilable(need.kind, taken=taken)
        answers[who] = _thing_status(ground, name, caller, need, thing)

    assert answers == expected


@pytest.mark.parametrize("name", sorted(ROWS))
def test_nothing_of_what_is_hidden_is_told(ground: Ground, name: str) -> None:
    told = {}
    for who in STRANGERS:
        caller = ground.callers[who]
        bodies = [{"search_hidden": True, "include_system": True}]
        bodies += [_body(n, ground.standing(n.kind)) for n in ROWS[name].needs]
        texts = [_ask(ground, name, caller, body).text for body in bodies]
        # What was asked for by its id is named in the refusal.
        learnt = [one for one in ground.ids if one in texts[0]]
        if caller.role is Role.AGENT and ground.waiting in texts[0]:
            learnt, texts = [], []  # Whatever waits is for every agent to take.
        told[who] = learnt + [text for text in texts if MARK in text]

    assert told == {who: [] for who in STRANGERS}


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
def test_routes(ground: Ground, method: str, path: str) -> None:
    entrance, needs = ROUTES[method, path]

    answers = {
        who: _route_status(ground, method, path, caller)
        for who, caller in ground.callers.items()
    }

    def expected(caller: Caller) -> int:
        if entrance in (Entrance.OPEN, Entrance.API):
            # Nobody came from the provider of sign-ins.
            return 403 if path == "/oauth_callback" else 200
        if caller.role is None:
            return 401
        if caller.role is Role.AGENT:
            return 403
        if entrance is Entrance.FILES and method != "GET":
            # Of many files, the answer says for each whether it went.
            return 200 if caller.owns or path.endswith("many") else 403
        hides = bool(needs) or entrance is Entrance.FILES
        return 404 if hides and not caller.sees else 200

    assert answers == {who: expected(one) for who, one in ground.callers.items()}


def _expected(name: str, caller: Caller, need: Need) -> tuple[int, int]:
    if caller.role is None:
        return 401, 20
    if caller.role not in ROWS[name].roles:
        return 403, 0
    if not caller.sees and need.kind is not Kind.WORKER:
        lines = need.each and need.field.startswith("lines.")
        return NONE_ADDED if lines else UNKNOWN[need.kind]
    owns = caller.owns or need.right is Right.SEE
    return PASSES if owns else (403, 0)


def _thing_status(
    ground: Ground, name: str, caller: Caller, need: Need, thing: str
) -> tuple[int, int]:
    answer = _ask(ground, name, caller, _body(need, thing))
    found = _codes(answer)
    if need.each and need.field == "ids" and answer.is_success:
        failed = answer.json()["data"]["failed"]
        found = tuple(failed[0]["error"]["codes"]) if failed else PASSES
    return found if found in REFUSALS else PASSES


def _codes(answer: Any) -> tuple[int, int]:
    if not answer.headers["content-type"].startswith("application/json"):
        return PASSES  # A log, as text.
    meta = answer.json()["meta"]
    return meta["result_code"], meta["result_subcode"]


def _ask(ground: Ground, name: str, caller: Caller, body: dict[str, Any]) -> Any:
    if "lines" in body:
        return ground.http.post(
            f"/{name}",
            content=json.dumps(body["lines"]),
            headers={**caller.headers, "Content-Type": "application/json-lines"},
        )
    fields = ENDPOINTS[name].takes.model_fields
    required = [one for one, field in fields.items() if field.is_required()]
    empty = {one: EXAMPLES.get(one, []) for one in required}
    return ground.http.post(f"/{name}", json=empty | body, headers=caller.headers)


def _body(need: Need, thing: str) -> dict[str, Any]:
    outer, _, inner = need.field.rpartition(".")
    if outer == "lines":
        return {"lines": {inner: thing, "type": "log", "msg": "x"}}
    if outer:
        return {outer: [{inner: thing}]}
    event = {"type": "log", "msg": "x"} if need.kind is Kind.REPORTER else {}
    return {inner: [thing] if inner.endswith("s") else thing, **event}


def _route_status(ground: Ground, method: str, path: str, caller: Caller) -> int:
    file = f"{path.partition('{')[0]}{ground.file}"
    if "{path:path}" in path and method == "DELETE":
        made = ground.file.replace(".txt", f".{len(caller.token)}{caller.role}.txt")
        ground.ann.upload(made).raise_for_status()
        file = f"/files/{made}"
    named = {
        "{project}": ground.project,
        "{task}": ground.task,
        "{tab:path}": "output/log",
        "{model}": ground.model,
        "{name}": json.loads((FOLDER / "manifest.json").read_text("utf-8"))["plot"],
        "/{endpoint:endpoint}": "/debug.ping",
        "{version:version}": "2.23",
    }
    for name, value in named.items():
        path = path.replace(name, value)
    if "{path:path}" in path:
        path = file
    options: dict[str, Any] = {"headers": caller.headers}
    if method == "POST" and path.endswith("delete_many"):
        options["json"] = {"files": [ground.file + ".gone"]}
    elif method == "POST" and path.startswith("/files"):
        new = ground.file.replace(".txt", ".new")
        options["files"] = {new: ("new", b"x")}
    return int(ground.http.request(method, path, **options).status_code)
