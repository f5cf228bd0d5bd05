"""The small web UI: lists of projects and runs, and a page for each run."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from waylab_tracking import run_page, sight
from waylab_tracking.database import Database, projects, tasks, users
from waylab_tracking.entrances import caller
from waylab_tracking.errors import ApiError
from waylab_tracking.identity import Identity
from waylab_tracking.registry import Call
from waylab_tracking.services import documents, reports
from waylab_tracking.services.events import PLOT
from waylab_tracking.settings import TrackingSettings
from waylab_tracking.signin import SignIn, SignInError

PAGE_SIZE = 50
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
        "form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
Values = dict[str, Any]
Read = Callable[[Call], Values]


class Pages:
    """Server-rendered pages without scripts."""

    def __init__(
        self, settings: TrackingSettings, database: Database, identity: Identity
    ) -> None:
        """Templates are read when first shown."""
        self._database = database
        self._identity = identity
        self._sign_in = SignIn(settings, database, identity)
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=select_autoescape(),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["notice"] = settings.notice

    def routes(self) -> list[Route]:
        """Give the pages' addresses, those that the SDK prints among them."""
        return [
            Route("/", self._home),
            Route("/dashboard", self._home),
            Route("/projects", self._home),
            Route("/projects/{project}", self._project),
            Route("/projects/{project}/experiments", self._project),
            *(
                Route(f"{path}/experiments/{{task}}{tab}", self._run)
                for path in (
                    "/projects/{project}",
                    "/pipelines/{project}",
                    "/datasets/simple/{project}",
                )
                for tab in ("", "/{tab:path}")
            ),
            Route("/tasks/{task}/plot", self._plot),
            Route("/tasks/{task}", self._run),
            Route("/tasks/{task}/{tab:path}", self._run),
            Route("/oauth_callback", self._signed_in),
        ]

    async def _home(self, request: Request) -> Response:
        def read(call: Call) -> Values:
            count = sa.select(tasks.c.project, sa.func.count().label("runs"))
            count = count.where(sight.tasks_seen(call.db, call.who))
            grouped = call.db.execute(count.group_by(tasks.c.project))
            counts = {row.project: row.runs for row in grouped}
            seen = sight.projects_seen(call.db, call.who)
            listed = sa.select(projects.c.doc).where(seen)
            rows = call.db.execute(listed.order_by(projects.c.name))
            return {
                "projects": [
                    {**doc, "runs": counts.get(doc["id"], 0)}
                    for doc in rows.scalars()
                    if "hidden" not in doc["system_tags"]
                ],
                **_listed(call, request, sa.true()),
            }

        return await self._show(request, "home.html", read)

    async def _project(self, request: Request) -> Response:
        wanted = request.path_params["project"]

        def read(call: Call) -> Values:
            if wanted == "*":
                found = {"name": "All runs"}
                return {"project": found, **_listed(call, request, sa.true())}
            found = documents.get_project(call.db, wanted)
            below = tasks.c.project.in_(documents.subprojects(call.db, [wanted]))
            return {"project": found, **_listed(call, request, below)}

        return await self._show(request, "project.html", read)

    async def _run(self, request: Request) -> Response:
        task = request.path_params["task"]
        return await self._show(
            request, "run.html", lambda call: run_page.read(call, task, _root(request))
        )

    async def _plot(self, request: Request) -> Response:
        task, asked = request.path_params["task"], request.query_params

        def read(call: Call) -> Values:
            documents.require_task(call.db, task)
            names = [asked.get("variant", "")]
            found = reports.last_reports(
                call.db, [task], PLOT, 1, metric=asked.get("metric"), variants=names
            )
            return {"text": found[-1].get("plot_str") if found else None}

        values = await self._read(request, read)
        if isinstance(values, Response):
            return values
        return Response(
            values["text"] or "null",
            media_type="application/json",
            headers={**HEADERS, "Content-Security-Policy": "sandbox"},
        )

    async def _show(self, request: Request, template: str, read: Read) -> Response:
        values = await self._read(request, read)
        if isinstance(values, Response):
            return values
        return self._page(request, template, HTTPStatus.OK, **values)

    async def _read(self, request: Request, read: Read) -> Values | Response:
        def work(db: sa.Connection) -> Values:
            who = caller(request)
            return {**read(Call(db, who, {}, self._identity)), "me": who.name}

        try:
            return await self._database.run(work)
        except ApiError as error:
            return self.refuse(request, error)

    def refuse(self, request: Request, error: ApiError) -> Response:
        """Ask to sign in, or tell why there is nothing to see."""
        if error.status == HTTPStatus.UNAUTHORIZED:
            return self._sign_in.begin(request)
        message = {"message": error.message}
        forbidden = error.status == HTTPStatus.FORBIDDEN
        status = HTTPStatus.FORBIDDEN if forbidden else HTTPStatus.NOT_FOUND
        return self._page(request, "error.html", status, **message)

    async def _signed_in(self, request: Request) -> Response:
        try:
            return await self._sign_in.finish(request)
        except SignInError as error:
            refused = HTTPStatus.FORBIDDEN
            return self._page(request, "error.html", refused, message=str(error))

    def _page(
        self, request: Request, template: str, status: HTTPStatus, **values: Any
    ) -> Response:
        text = self._templates.get_template(template).render(
            root=_root(request), **values
        )
        return HTMLResponse(text, status_code=status, headers=HEADERS)


def _root(request: Request) -> str:
    return str(request.scope.get("waylab_prefix", ""))


def _listed(call: Call, request: Request, condition: Any) -> Values:
    """Give a page of runs, newest first, that a search leaves."""
    asked = request.query_params
    number = int(asked["page"]) if asked.get("page", "").isdecimal() else 0
    text, state = asked.get("q", "").strip(), asked.get("state", "")
    name = tasks.c.head["name"].as_string()
    found = sa.select(tasks.c.head, users.c.name).where(
        condition, sight.tasks_seen(call.db, call.who)
    )
    if text:
        found = found.where(name.icontains(text, autoescape=True))
    if state:
        found = found.where(tasks.c.status == state)
    rows = call.db.execute(
        found.join(users, users.c.id == tasks.c.user, isouter=True)
        .order_by(tasks.c.created.desc())
        .limit(PAGE_SIZE + 1)
        .offset(number * PAGE_SIZE)
    ).all()
    return {
        "runs": [{**row.head, "owner": row.name or ""} for row in rows[:PAGE_SIZE]],
        "search": {"q": text, "state": state},
        "page": number,
        "more": len(rows) > PAGE_SIZE,
    }
