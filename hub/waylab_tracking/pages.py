"""The small web UI: lists of projects and runs, and a page for each run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from waylab_tracking.callers import by_header_or_cookie
from waylab_tracking.charts import draw
from waylab_tracking.database import Database, projects, tasks, users
from waylab_tracking.errors import ApiError
from waylab_tracking.identity import Identity
from waylab_tracking.links import SCHEME, Links
from waylab_tracking.registry import Call
from waylab_tracking.services import console, curves, documents, reports
from waylab_tracking.settings import TrackingSettings
from waylab_tracking.signin import SignIn, SignInError

LOG_LINES = 2000
PAGE_SIZE = 100
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
        "form-action 'self'; frame-ancestors 'self'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Pages:
    """Server-rendered pages without scripts."""

    def __init__(
        self,
        settings: TrackingSettings,
        database: Database,
        identity: Identity,
        links: Links,
    ) -> None:
        """Templates are read when first shown."""
        self._settings = settings
        self._database = database
        self._identity = identity
        self._links = links
        self._sign_in = SignIn(settings, database, identity)
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=select_autoescape(),
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def routes(self) -> list[Route]:
        """Give the pages' addresses, those that the SDK prints among them."""
        run = "/projects/{project}/experiments/{task}"
        return [
            Route("/", self._home),
            Route("/dashboard", self._home),
            Route("/projects", self._home),
            Route("/projects/{project}", self._project),
            Route("/projects/{project}/experiments", self._project),
            Route(run, self._run),
            Route(run + "/{tab:path}", self._run),
            Route("/pipelines/{project}/experiments/{task}", self._run),
            Route("/datasets/simple/{project}/experiments/{task}", self._run),
            Route("/tasks/{task}", self._run),
            Route("/tasks/{task}/{tab:path}", self._run),
            Route("/oauth_callback", self._signed_in),
        ]

    async def _home(self, request: Request) -> Response:
        def read(db: sa.Connection) -> dict[str, Any]:
            by_header_or_cookie(request, db, self._identity)
            count = sa.select(tasks.c.project, sa.func.count().label("runs"))
            grouped = db.execute(count.group_by(tasks.c.project))
            counts = {row.project: row.runs for row in grouped}
            rows = db.execute(sa.select(projects.c.doc).order_by(projects.c.name))
            return {
                "projects": [
                    {**doc, "runs": counts.get(doc["id"], 0)}
                    for doc in rows.scalars()
                    if "hidden" not in doc["system_tags"]
                ],
                "runs": _recent(db, sa.true()),
            }

        return await self._show(request, "home.html", read)

    async def _project(self, request: Request) -> Response:
        wanted = request.path_params["project"]

        def read(db: sa.Connection) -> dict[str, Any]:
            by_header_or_cookie(request, db, self._identity)
            if wanted == "*":
                return {"project": {"name": "All runs"}, "runs": _recent(db, sa.true())}
            project = documents.get_project(db, wanted)
            ids = documents.subprojects(db, [wanted])
            return {
                "project": project,
                "runs": _recent(db, tasks.c.project.in_(ids)),
            }

        return await self._show(request, "project.html", read)

    async def _run(self, request: Request) -> Response:
        wanted = request.path_params["task"]

        def read(db: sa.Connection) -> dict[str, Any]:
            who = by_header_or_cookie(request, db, self._identity)
            task = documents.get_task(db, wanted)

            def ask(handler: Any, **body: Any) -> dict[str, Any]:
                call = Call(db, who, {"task": wanted, **body}, self._identity)
                answer: dict[str, Any] = handler(call)
                return answer

            owner = db.execute(
                sa.select(users.c.name).where(users.c.id == task["user"])
            ).scalar()
            name = db.execute(
                sa.select(projects.c.name).where(projects.c.id == task["project"])
            ).scalar()
            lines = ask(curves.scalar_metrics_iter_histogram, samples=300)
            single = ask(curves.get_task_single_value_metrics, tasks=[wanted])["tasks"]
            log = ask(console.get_task_log, batch_size=LOG_LINES, order="asc")
            images = [
                event
                for metric in ask(reports.debug_images)["metrics"]
                for group in metric["iterations"][:1]
                for event in group["events"]
                if str(event.get("url", "")).startswith(SCHEME.decode())
            ]
            return {
                "task": task,
                "owner": owner or "",
                "project_name": name or "",
                "charts": [(metric, draw(group)) for metric, group in lines.items()],
                "single": single[0]["values"] if single else [],
                "log": log["events"],
                "log_total": log["total"],
                "images": images,
                "plots": ask(reports.get_task_plots)["plots"],
                "failure": _failure(task),
            }

        return await self._show(request, "run.html", read)

    async def _show(self, request: Request, template: str, read: Any) -> Response:
        try:
            values = await self._database.run(read)
        except ApiError as error:
            if error.status == httpx.codes.UNAUTHORIZED:
                return self._sign_in.begin(request)
            return HTMLResponse(
                self._render(request, "error.html", {"message": error.message}),
                status_code=404,
                headers=HEADERS,
            )
        page = self._render(request, template, values)
        return HTMLResponse(
            self._links.outward(page.encode(), request), headers=HEADERS
        )

    def _render(self, request: Request, template: str, values: dict[str, Any]) -> str:
        root = request.scope.get("waylab_prefix", "")
        return self._templates.get_template(template).render(root=root, **values)

    async def _signed_in(self, request: Request) -> Response:
        try:
            return await self._sign_in.finish(request)
        except SignInError as error:
            page = self._render(request, "error.html", {"message": str(error)})
            return HTMLResponse(page, status_code=403, headers=HEADERS)


def _recent(db: sa.Connection, condition: Any) -> list[dict[str, Any]]:
    rows = db.execute(
        sa.select(tasks.c.doc, users.c.name)
        .join(users, users.c.id == tasks.c.user, isouter=True)
        .where(condition)
        .order_by(tasks.c.created.desc())
        .limit(PAGE_SIZE)
    )
    return [{**row.doc, "owner": row.name or ""} for row in rows]


def _failure(task: dict[str, Any]) -> dict[str, Any] | None:
    item = task["configuration"].get("waylab_verdict")
    try:
        verdict = json.loads(item["value"]) if item else None
    except (ValueError, KeyError, TypeError):
        return None
    return verdict if isinstance(verdict, dict) else None
