"""The small web UI: lists of projects and runs, and a page for each run."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import sqlalchemy as sa
from itsdangerous import BadSignature, URLSafeTimedSerializer
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from waylab_tracking.charts import draw
from waylab_tracking.database import Database, projects, tasks, users
from waylab_tracking.errors import ApiError, unauthorized
from waylab_tracking.identity import (
    Identity,
    Principal,
    user_by_id,
    user_by_name,
)
from waylab_tracking.links import SCHEME, Links
from waylab_tracking.registry import Call
from waylab_tracking.services import documents, events
from waylab_tracking.settings import TrackingSettings

COOKIE = "waylab-tracking"
STATE_COOKIE = "waylab-tracking-state"
SESSION_SECONDS = 8 * 3600
STATE_SECONDS = 600
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
            Route("/tasks/{task}", self._run),
            Route("/tasks/{task}/{tab:path}", self._run),
            Route("/oauth_callback", self._signed_in),
        ]

    async def _home(self, request: Request) -> Response:
        def read(db: sa.Connection) -> dict[str, Any]:
            caller(request, db, self._identity)
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
            caller(request, db, self._identity)
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
            who = caller(request, db, self._identity)
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
            curves = ask(events.scalar_metrics_iter_histogram, samples=300)
            single = ask(events.get_task_single_value_metrics, tasks=[wanted])["tasks"]
            log = ask(events.get_task_log, batch_size=LOG_LINES, order="asc")
            images = [
                event
                for metric in ask(events.debug_images)["metrics"]
                for group in metric["iterations"][:1]
                for event in group["events"]
                if str(event.get("url", "")).startswith(SCHEME.decode())
            ]
            return {
                "task": task,
                "owner": owner or "",
                "project_name": name or "",
                "charts": [(metric, draw(lines)) for metric, lines in curves.items()],
                "single": single[0]["values"] if single else [],
                "log": log["events"],
                "log_total": log["total"],
                "images": images,
                "plots": ask(events.get_task_plots)["plots"],
                "failure": _failure(task),
            }

        return await self._show(request, "run.html", read)

    async def _show(self, request: Request, template: str, read: Any) -> Response:
        try:
            values = await self._database.run(read)
        except ApiError as error:
            if error.status == httpx.codes.UNAUTHORIZED:
                return self._sign_in(request)
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

    def _sign_in(self, request: Request) -> Response:
        if not self._settings.oauth_client_id:
            challenge = 'Basic realm="Waylab tracking: access key and secret key"'
            return Response(
                "Sign in with an access key and its secret key.\n",
                status_code=401,
                headers={**HEADERS, "WWW-Authenticate": challenge},
            )
        root = request.scope.get("waylab_prefix", "")
        nonce = secrets.token_urlsafe(16)
        verifier = secrets.token_urlsafe(48)
        state = {
            "nonce": nonce,
            "verifier": verifier,
            "next": f"{root}{request.url.path}",
        }
        hashed = hashlib.sha256(verifier.encode()).digest()
        query = {
            "client_id": self._settings.oauth_client_id,
            "redirect_uri": self._callback(request),
            "response_type": "code",
            "state": nonce,
            "code_challenge": base64.urlsafe_b64encode(hashed).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        target = f"{self._settings.oauth_authorize_url}?{urlencode(query)}"
        response = RedirectResponse(target, status_code=302)
        self._set_cookie(
            request, response, STATE_COOKIE, self._signer("state").dumps(state), 600
        )
        return response

    async def _signed_in(self, request: Request) -> Response:
        try:
            state = self._signer("state").loads(
                request.cookies.get(STATE_COOKIE, ""), max_age=STATE_SECONDS
            )
        except BadSignature:
            state = {}
        code = request.query_params.get("code", "")
        if not code or state.get("nonce") != request.query_params.get("state"):
            return self._refuse(request, "The sign-in was interrupted. Try again.")
        try:
            name = await self._ask_provider(request, code, state["verifier"])
        except (httpx.HTTPError, ValueError, KeyError) as error:
            return self._refuse(
                request, f"The sign-in provider refused ({type(error).__name__})."
            )
        try:
            user = await self._database.run(lambda db: user_by_name(db, name))
        except ApiError:
            return self._refuse(request, f"{name} has no runs here yet: start a lab.")
        response = RedirectResponse(state["next"], status_code=302)
        response.delete_cookie(STATE_COOKIE)
        self._set_cookie(
            request,
            response,
            COOKIE,
            self._signer("session").dumps(user.id),
            SESSION_SECONDS,
        )
        return response

    async def _ask_provider(self, request: Request, code: str, verifier: str) -> str:
        settings = self._settings
        secret_file = settings.oauth_client_secret_file
        secret = secret_file.read_text("utf-8").strip() if secret_file else ""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            answer = await client.post(
                settings.oauth_token_url,
                data={
                    "client_id": settings.oauth_client_id,
                    "client_secret": secret,
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": self._callback(request),
                    "code_verifier": verifier,
                },
            )
            token = answer.raise_for_status().json()["access_token"]
            answer = await client.get(
                settings.oauth_userinfo_url,
                headers={"Authorization": f"Bearer {token}"},
            )
            return str(answer.raise_for_status().json()[settings.oauth_name_claim])

    def _callback(self, request: Request) -> str:
        # Host-free: the provider is on the same public address as we are.
        return f"{request.scope.get('waylab_prefix', '')}/oauth_callback"

    def _refuse(self, request: Request, message: str) -> Response:
        page = self._render(request, "error.html", {"message": message})
        return HTMLResponse(page, status_code=403, headers=HEADERS)

    def _set_cookie(
        self, request: Request, response: Response, name: str, value: str, age: int
    ) -> None:
        response.set_cookie(
            name,
            value,
            max_age=age,
            path=request.scope.get("waylab_prefix", "") or "/",
            httponly=True,
            samesite="lax",
            secure=self._settings.public_url.startswith("https:"),
        )

    def _signer(self, salt: str) -> URLSafeTimedSerializer:
        return signer(self._identity, salt)


def signer(identity: Identity, salt: str) -> URLSafeTimedSerializer:
    """Give what signs and reads cookies of one kind."""
    return URLSafeTimedSerializer(identity.cookie_secret, salt=salt)


def caller(request: Request, db: sa.Connection, identity: Identity) -> Principal:
    """Tell who looks at a page or a file: by cookie, token or keys (401 otherwise)."""
    # The API's door reads tokens; importing it at the top would be a circle.
    from waylab_tracking.app import principal  # noqa: PLC0415

    if "authorization" in request.headers:
        return principal(request, db, identity, keys=True)
    try:
        user = signer(identity, "session").loads(
            request.cookies.get(COOKIE, ""), max_age=SESSION_SECONDS
        )
    except BadSignature as error:
        msg = "not signed in"
        raise unauthorized(msg, 20) from error
    return user_by_id(db, user)


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
