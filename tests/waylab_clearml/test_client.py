"""The seam to the server: log-in, patience, refusals, files."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from waylab_clearml.client import Client, task_folder
from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import (
    Forbidden,
    NotFound,
    ProtocolError,
    Unauthorized,
    Unreachable,
)
from waylab_clearml.names import current_user, ensure_project
from waylab_tracking.testing import Server, running_server


def test_wrong_keys_are_unauthorized(server: Server) -> None:
    wrong = Credentials(server.url, server.url, server.files_url, "no", "no")
    with Client(wrong) as client, pytest.raises(Unauthorized):
        client.call("tasks.get_all")


def test_the_system_principal_acts_for_a_user(server: Server, ann: Client) -> None:
    access, secret = server.system
    credentials = Credentials(
        server.url, server.url, server.files_url, access, secret, impersonate="ann"
    )
    with Client(credentials) as client:
        assert current_user(client) == current_user(ann)


def test_a_server_that_is_away_is_named(server: Server) -> None:
    nowhere = Credentials(
        "http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9", "a", "b"
    )
    with (
        Client(nowhere, timeout_seconds=0.3) as client,
        pytest.raises(Unreachable, match=r"127\.0\.0\.1:9 .* Is it running"),
    ):
        client.call("tasks.get_all")


def test_a_call_outlasts_a_restart_of_the_server(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        access, secret = server.create_user("ann")
        credentials = Credentials(
            server.url, server.url, server.files_url, access, secret
        )
        with Client(credentials, timeout_seconds=30) as client:
            before = current_user(client)
            server.kill()
            starting = threading.Thread(target=server.start)
            starting.start()
            try:
                assert current_user(client) == before
            finally:
                starting.join()


def test_a_server_that_is_no_clearml_is_told_apart(server: Server) -> None:
    wrong = Credentials(f"{server.url}/files", server.url, server.files_url, "a", "b")
    with Client(wrong) as client, pytest.raises(ProtocolError, match="HTTP 40"):
        client.call("tasks.get_all")


@pytest.fixture
def folder(ann: Client) -> str:
    project = ensure_project(ann, "Files/of ann")
    body = {"name": 'odd "name" ä{b}/c', "project": project, "type": "training"}
    task_id = ann.call("tasks.create", body)["id"]
    return task_folder("Files/of ann", body["name"], task_id)


@pytest.mark.parametrize("content", [b"", b"x" * 3_000_000])
def test_a_file_comes_back_as_it_was_sent(
    ann: Client, folder: str, content: bytes
) -> None:
    url = ann.upload(f"{folder}/artifacts/a/b c%20d.bin", content, "text/plain")
    assert ann.read(url, limit_bytes=4_000_000) == content


def test_a_file_object_is_sent_whole(ann: Client, folder: str) -> None:
    url = ann.upload(f"{folder}/artifacts/a/f", io.BytesIO(b"abc"), "text/plain")
    assert b"".join(ann.download(url)) == b"abc"


def test_a_file_larger_than_expected_is_not_read(ann: Client, folder: str) -> None:
    url = ann.upload(f"{folder}/artifacts/a/big", b"x" * 100, "text/plain")
    with pytest.raises(ProtocolError, match="larger than the 10 bytes"):
        ann.read(url, limit_bytes=10)


def test_a_missing_file_is_not_found(ann: Client, folder: str) -> None:
    url = ann.upload(f"{folder}/artifacts/a/there", b"x", "text/plain")
    with pytest.raises(NotFound):
        ann.read(url.replace("there", "gone"), limit_bytes=10)


@pytest.mark.parametrize("url", ["http://evil.example/x", "http://127.0.0.1:1/files/x"])
def test_credentials_are_not_sent_to_other_hosts(ann: Client, url: str) -> None:
    with pytest.raises(Forbidden, match="not fetched with your credentials"):
        ann.read(url, limit_bytes=10)


def test_another_users_folder_is_closed(bob: Client, folder: str) -> None:
    with pytest.raises(Forbidden):
        bob.upload(f"{folder}/artifacts/a/x", b"x", "text/plain")
