"""One server of the two: its API and its files, by a user's keys."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx

from waylab_migrate.errors import MigrationError

Json = dict[str, Any]
TRIES = 6
TIMEOUT_SECONDS = 120.0
BUSY = (429, 502, 503, 504)
UNAUTHORIZED = 401
PAGE = 200
EVENTS = 1000
PIECE_BYTES = 1 << 20


class RefusedError(MigrationError):
    """A server refused a call; `subcode` is ClearML's."""

    def __init__(self, text: str, status: int, subcode: int) -> None:
        """`status` is that of HTTP."""
        super().__init__(text)
        self.status = status
        self.subcode = subcode


class Remote:
    """A connection; calls that a server is too busy for are tried again."""

    def __init__(self, url: str, files_url: str, keys: tuple[str, str]) -> None:
        """Nothing is sent before the first call."""
        self.url = url.rstrip("/")
        self.files_url = files_url.rstrip("/")
        self._keys = keys
        self._token = ""
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS)

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def call(self, endpoint: str, /, **body: Any) -> Json:
        """Call; raises `RefusedError`, or `MigrationError` if nobody answers."""
        return self._post(endpoint, json.dumps(body).encode(), "application/json")

    def add_events(self, events: list[Json]) -> None:
        """Add events; all of them, or it raises."""
        lines = "\n".join(map(json.dumps, events)).encode()
        told = self._post("events.add_batch", lines, "application/json-lines")
        if told.get("added") != len(events):
            msg = f"{self.url} took {told.get('added')} of {len(events)} events"
            raise MigrationError(msg)

    def listed(self, service: str, /, **body: Any) -> Iterator[Json]:
        """Give all that a `get_all` lists, oldest first."""
        page = 0
        while True:
            found = self.call(
                f"{service}.get_all",
                page=page,
                page_size=PAGE,
                order_by=["created", "id"],
                search_hidden=True,
                **body,
            )[service]
            yield from found
            if len(found) < PAGE:
                return
            page += 1

    def events(self, owner: str, kind: str, *, of_model: bool) -> Iterator[list[Json]]:
        """Give a task's (or model's) events of one kind, piece by piece."""
        scroll: Json = {}
        while True:
            answer = self.call(
                "events.get_task_events",
                task=owner,
                event_type=kind,
                batch_size=EVENTS,
                order="asc",
                model_events=of_model,
                **scroll,
            )
            if not answer["events"]:
                return
            yield answer["events"]
            scroll = {"scroll_id": answer["scroll_id"]}

    def download(self, path: str, target: Path | None = None) -> tuple[str, int] | None:
        """Give a file's SHA-256 and size, writing it too; None if there is none."""
        url = f"{self.files_url}/{path}"
        for attempt in range(TRIES):
            try:
                with self._http.stream("GET", url, headers=self._bearer()) as answer:
                    if answer.status_code == httpx.codes.NOT_FOUND:
                        return None
                    if not self._again(answer.status_code, attempt):
                        _require(answer, url)
                        return _taken(answer, target)
            except httpx.TransportError as error:
                self._wait(attempt, error)
        msg = f"{url} cannot be read"
        raise MigrationError(msg)

    def upload(self, path: str, source: Path) -> None:
        """Put a file; one of the same path is replaced."""
        for attempt in range(TRIES):
            try:
                with source.open("rb") as file:
                    part = {unquote(path): (unquote(path).rpartition("/")[2], file)}
                    answer = self._http.post(
                        f"{self.files_url}/", files=part, headers=self._bearer()
                    )
            except httpx.TransportError as error:
                self._wait(attempt, error)
                continue
            if not self._again(answer.status_code, attempt):
                _require(answer, f"{self.files_url}/{path}")
                return
        msg = f"{self.files_url}/{path} cannot be written"
        raise MigrationError(msg)

    def _post(self, endpoint: str, content: bytes, kind: str) -> Json:
        for attempt in range(TRIES):
            try:
                answer = self._http.post(
                    f"{self.url}/{endpoint}",
                    content=content,
                    headers={**self._bearer(), "Content-Type": kind},
                )
            except httpx.TransportError as error:
                self._wait(attempt, error)
                continue
            if not self._again(answer.status_code, attempt):
                return _data(answer, f"{self.url}/{endpoint}")
        msg = f"{self.url} stays too busy for {endpoint}"
        raise MigrationError(msg)

    def _bearer(self) -> dict[str, str]:
        if not self._token:
            try:
                answer = self._http.post(f"{self.url}/auth.login", auth=self._keys)
            except httpx.TransportError as error:
                msg = f"{self.url} does not answer: {error}"
                raise MigrationError(msg) from error
            self._token = str(_data(answer, f"{self.url}/auth.login")["token"])
        return {"Authorization": f"Bearer {self._token}"}

    def _again(self, status: int, attempt: int) -> bool:
        if attempt == TRIES - 1:
            return False
        if status == UNAUTHORIZED and attempt == 0:
            self._token = ""
            return True
        if status in BUSY:
            time.sleep(2**attempt / 4)
            return True
        return False

    def _wait(self, attempt: int, error: httpx.TransportError) -> None:
        if attempt == TRIES - 1:
            msg = f"{self.url} does not answer: {error or type(error).__name__}"
            raise MigrationError(msg) from error
        time.sleep(2**attempt / 4)


def quoted(path: str) -> str:
    """Give a path as a link has it."""
    return quote(path, safe="/%")


def _taken(answer: httpx.Response, target: Path | None) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    file = target.open("wb") if target else None
    try:
        for piece in answer.iter_bytes(PIECE_BYTES):
            digest.update(piece)
            size += len(piece)
            if file:
                file.write(piece)
    finally:
        if file:
            file.close()
    return digest.hexdigest(), size


def _require(answer: httpx.Response, url: str) -> None:
    if not answer.is_success:
        msg = f"{url} answers {answer.status_code}"
        raise RefusedError(msg, answer.status_code, 0)


def _data(answer: httpx.Response, url: str) -> Json:
    try:
        told = answer.json()
        meta, data = told["meta"], told["data"]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{url} is no ClearML API: it answers {answer.status_code}"
        raise MigrationError(msg) from error
    if not answer.is_success:
        text = f"{url} refuses: {meta.get('result_msg')}"
        raise RefusedError(
            text, answer.status_code, int(meta.get("result_subcode") or 0)
        )
    return dict(data or {})
