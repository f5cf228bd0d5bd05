"""The server that tests of what every ClearML Server does are held against.

By themselves they start the embedded one, strict where that is the point. With
`WAYLAB_TEST_API_URL` and the variables beside it they run against the server that these
name: `make verify-server` sets them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from waylab_site.certificates import trusted
from waylab_site.model import Tracking
from waylab_tracking.testing import Server, running_server

API_URL = "WAYLAB_TEST_API_URL"
WEB_URL = "WAYLAB_TEST_WEB_URL"
FILES_URL = "WAYLAB_TEST_FILES_URL"
USER_KEYS = ("WAYLAB_TEST_ACCESS_KEY", "WAYLAB_TEST_SECRET_KEY")
SERVICE_KEYS = ("WAYLAB_TEST_SERVICE_ACCESS_KEY", "WAYLAB_TEST_SERVICE_SECRET_KEY")
VARIABLES = (API_URL, WEB_URL, FILES_URL, *USER_KEYS, *SERVICE_KEYS)
LABEL = "waylab verify-server"
PAGE = 500

IS_GIVEN = API_URL in os.environ
"""Whether the tests run against a server that somebody gave."""
SEVERAL_USERS = pytest.mark.skipif(IS_GIVEN, reason="the given server has two users")
OWN_SERVER = pytest.mark.skipif(IS_GIVEN, reason="the given server is not stopped")
EACH = pytest.mark.parametrize(
    "server",
    ["given"] if IS_GIVEN else ["embedded", "strict"],
    indirect=True,
    scope="module",
)
"""Runs a module's tests against the embedded server as it is, and strict."""


class GivenServer(Server):
    """A server with two accounts: a user's, and one for Waylab itself.

    What tests make on it goes with it at the end; what was there before stays.
    """

    def __init__(self, state: Path) -> None:
        """Read what there is; `state` is a folder for what tests need besides."""
        super().__init__(state, 0, {})
        self._http.close()
        self._http = httpx.Client(
            base_url=self.url, timeout=60, trust_env=False, verify=trusted()
        )
        self._made: list[tuple[bool, str]] = []
        self._known = {kind: self._all(kind) for kind in ("projects", "queues")}
        if "default" not in self._known["queues"].values():
            self.call("queues.create", {"name": "default"})

    @property
    def url(self) -> str:
        """Base of the API."""
        return os.environ[API_URL]

    @property
    def web_url(self) -> str:
        """Base of the pages."""
        return os.environ[WEB_URL]

    @property
    def files_url(self) -> str:
        """Base of the file server."""
        return os.environ[FILES_URL]

    @property
    def is_strict(self) -> bool:
        """It has no extension of ours."""
        return True

    @property
    def refused_extensions(self) -> list[str]:
        """Nobody can read its log here."""
        return []

    @property
    def system(self) -> tuple[str, str]:
        """Keys of the account for Waylab itself."""
        return os.environ[SERVICE_KEYS[0]], os.environ[SERVICE_KEYS[1]]

    def start(self) -> None:
        """Refuse: it runs."""
        msg = "The given server runs: its tests start none."
        raise RuntimeError(msg)

    def create_user(self, name: str, role: str = "user") -> tuple[str, str]:
        """Make a key pair of one of the two accounts, whatever the name."""
        del name
        service = role != "user"
        body = {"label": LABEL}
        made = self._call("auth.create_credentials", body, service=service)
        pair = made["credentials"]
        self._made.append((service, pair["access_key"]))
        return pair["access_key"], pair["secret_key"]

    def call(self, endpoint: str, body: dict[str, Any], *, user: str = "") -> Any:
        """Call as the account for Waylab itself, or as the user."""
        return self._call(endpoint, body, service=not user)

    def _call(self, endpoint: str, body: dict[str, Any], *, service: bool) -> Any:
        first, second = SERVICE_KEYS if service else USER_KEYS
        keys = os.environ[first], os.environ[second]
        login = self._http.post("/auth.login", json={}, auth=keys).raise_for_status()
        headers = {"Authorization": f"Bearer {login.json()['data']['token']}"}
        answer = self._http.post(f"/{endpoint}", json=body, headers=headers)
        answer.raise_for_status()
        return answer.json()["data"]

    def clear(self) -> None:
        """Take away what came since it was looked at first, and the keys made here."""
        for project in self._all("projects").keys() - self._known["projects"].keys():
            for kind in ("tasks", "models"):
                for one in self._all(kind, project=[project]):
                    self.call(f"{kind}.delete", {kind[:-1]: one, "force": True})
        for project in self._all("projects").keys() - self._known["projects"].keys():
            # One that lay in another is gone with it.
            if project in self._all("projects"):
                body = {"project": project, "force": True, "delete_contents": True}
                self.call("projects.delete", body)
        for queue in self._all("queues").keys() - self._known["queues"].keys():
            self.call("queues.delete", {"queue": queue, "force": True})
        for service, key in self._made:
            body = {"access_key": key}
            self._call("auth.revoke_credentials", body, service=service)

    def _all(self, kind: str, **wanted: Any) -> dict[str, str]:
        """Give the names of all of a kind by id."""
        found: dict[str, str] = {}
        for page in range(100):
            body = {"only_fields": ["id", "name"], "page": page, "page_size": PAGE}
            hidden = {"search_hidden": True} if kind in ("projects", "tasks") else {}
            rows = self.call(f"{kind}.get_all", {**body, **hidden, **wanted})[kind]
            found |= {row["id"]: row["name"] for row in rows}
            if len(rows) < PAGE:
                break
        return found


@contextmanager
def any_server(state: Path, *, strict: bool, **settings: str) -> Iterator[Server]:
    """Give the server that the environment names, or run an embedded one."""
    if not IS_GIVEN:
        wanted = {"strict": str(strict).lower(), **settings}
        with running_server(state, record=False, **wanted) as server:
            yield server
        return
    state.mkdir(parents=True, exist_ok=True)
    server = GivenServer(state)
    try:
        yield server
    finally:
        server.clear()
        server.close()


def named(server: Server) -> Tracking:
    """Give a server as a site names it."""
    return Tracking(
        api_url=server.url, web_url=server.web_url, files_url=server.files_url
    )


def ensure_queues(server: Server, *names: str) -> None:
    """Make the queues that a server does not have yet."""
    found = server.call("queues.get_all", {"only_fields": ["name"]})["queues"]
    known = {queue["name"] for queue in found}
    for name in names:
        if name not in known:
            server.call("queues.create", {"name": name})
