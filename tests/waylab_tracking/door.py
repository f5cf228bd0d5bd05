"""Plain HTTP clients at the server's doors."""

from __future__ import annotations

from typing import Any, Protocol

import httpx

from waylab_site.certificates import trusted
from waylab_tracking.testing import Server


class Door:
    """One principal's connection."""

    def __init__(self, server: Server, keys: tuple[str, str], token: str = "") -> None:
        self.url = server.url
        self.http = httpx.Client(
            base_url=server.url, trust_env=False, verify=trusted(), timeout=30
        )
        self.token = token or self._login(keys)

    def _login(self, keys: tuple[str, str]) -> str:
        answer = self.http.post("/auth.login", auth=keys).raise_for_status()
        return str(answer.json()["data"]["token"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def post(self, endpoint: str, /, **body: Any) -> httpx.Response:
        return self.http.post(f"/{endpoint}", json=body, headers=self.headers)

    def call(self, endpoint: str, /, **body: Any) -> Any:
        answer = self.post(endpoint, **body)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def refused(self, endpoint: str, /, **body: Any) -> tuple[int, int]:
        """Give the HTTP status and the subcode of a refusal."""
        answer = self.post(endpoint, **body)
        meta = answer.json()["meta"]
        assert meta["result_code"] == answer.status_code
        return answer.status_code, meta["result_subcode"]

    def task(self, name: str = "a task", **fields: Any) -> str:
        made = self.call("tasks.create", name=name, type="training", **fields)
        return str(made["id"])

    def upload(self, path: str, content: bytes = b"content") -> httpx.Response:
        files = {path: (path.rpartition("/")[2], content)}
        return self.http.post("/files/", files=files, headers=self.headers)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers={**self.headers, **headers})

    def close(self) -> None:
        self.http.close()


class Enter(Protocol):
    """Lets a user of that name in, as often as you like."""

    def __call__(self, name: str, role: str = "user") -> Door: ...
