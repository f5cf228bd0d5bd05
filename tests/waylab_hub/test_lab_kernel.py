"""What a user's cells can do in a lab, with no configuration of theirs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from waylab_hub.errors import StartError
from waylab_hub.places import proxy_command
from waylab_hub.testing import Browser, Waylab, running_waylab

try:
    _named = os.environ.get("WAYLAB_PROXY_COMMAND")
    proxy_command(Path(_named) if _named else None)
    _missing = ""
except StartError as error:
    _missing = str(error)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(_missing), reason=_missing),
]

PASSWORD = "correct horse battery"  # noqa: S105 - made up here.
NOBODY = 65534
CELL = """
import psutil, time
from clearml import Task
task = Task.init(project_name="from a lab", task_name="first steps")
task.get_logger().report_scalar("loss", "train", 0.5, 1)
children = [" ".join(one.cmdline()) for one in psutil.Process().children()]
print("children", [one for one in children if "resource_tracker" not in one])
task.upload_artifact("answer", {"answer": 42})
began = time.monotonic()
task.close()
print("closed in", time.monotonic() - began, "s")
print("task", task.id)
"""


@pytest.fixture(scope="module", params=["isolated", "shared"])
def waylab(request: pytest.FixtureRequest) -> Iterator[Waylab]:
    root = os.geteuid() == 0
    if request.param == "isolated" and not root:
        pytest.skip("only root can isolate users")
    uid = NOBODY if root and request.param == "shared" else None
    with running_waylab({"WAYLAB_ADMIN_PASSWORD": PASSWORD}, uid) as running:
        yield running


@pytest.fixture
def admin(waylab: Waylab) -> Iterator[Browser]:
    with contextlib.closing(Browser(waylab)) as browser:
        browser.sign_in("admin", PASSWORD)
        browser.start_lab("admin")
        yield browser


def _token(admin: Browser) -> str:
    answer = admin.client.post(
        "/hub/api/users/admin/tokens", json={}, headers={"X-XSRFToken": admin.xsrf}
    )
    token: str = answer.raise_for_status().json()["token"]
    return token


def _session(admin: Browser, headers: dict[str, str]) -> str:
    """Open a notebook with a kernel as the lab's pages do, and give the kernel."""
    content = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    admin.client.put(
        "/user/admin/api/contents/steps.ipynb",
        json={"type": "notebook", "content": content},
        headers=headers,
    ).raise_for_status()
    session = admin.client.post(
        "/user/admin/api/sessions",
        json={
            "path": "steps.ipynb",
            "name": "steps.ipynb",
            "type": "notebook",
            "kernel": {"name": "python3"},
        },
        headers=headers,
    )
    kernel: str = session.raise_for_status().json()["kernel"]["id"]
    return kernel


async def _execute(url: str, headers: dict[str, str], code: str) -> str:
    socket = await websocket_connect(
        HTTPRequest(url.replace("http://", "ws://"), headers=headers)
    )
    message: dict[str, Any] = {
        "header": {
            "msg_id": uuid4().hex,
            "msg_type": "execute_request",
            "username": "admin",
            "session": uuid4().hex,
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "content": {"code": code, "silent": False, "store_history": True},
        "channel": "shell",
        "buffers": [],
    }
    await socket.write_message(json.dumps(message))
    printed: list[str] = []
    async with asyncio.timeout(120):
        while True:
            answer = json.loads(await socket.read_message() or "{}")
            content = answer.get("content", {})
            if (
                answer.get("parent_header", {}).get("msg_id")
                != (message["header"]["msg_id"])
            ):
                continue
            printed += [content["text"]] if answer["msg_type"] == "stream" else []
            printed += content["traceback"] if answer["msg_type"] == "error" else []
            if answer["msg_type"] == "execute_reply":
                break
    socket.close()
    return "".join(printed)


async def test_task_init_works_as_the_hubs_user(waylab: Waylab, admin: Browser) -> None:
    headers = {"Authorization": f"token {_token(admin)}"}
    admin.client.cookies.clear()
    kernel = _session(admin, headers)
    url = f"{waylab.url}/user/admin/api/kernels/{kernel}/channels"

    printed = await _execute(url, headers, CELL)

    assert "task " in printed, printed
    assert "children []" in printed, printed
    # With a reporting process of its own, the SDK takes longer than this to end it.
    assert float(printed.partition("closed in ")[2].split()[0]) < 5, printed
    task = printed.rpartition("task ")[2].split()[0]
    runs = waylab.json("runs", "list")
    listed = json.dumps(runs)
    assert task in listed
    assert '"owner": "admin"' in listed or '"user": "admin"' in listed


def test_pages_say_so_where_labs_share_an_account(
    waylab: Waylab, admin: Browser
) -> None:
    shared = waylab.uid is not None or os.geteuid() != 0
    notice = "All labs and jobs here run under one system account"

    pages = [admin.client.get(f"/hub/{page}") for page in ("home", "password", "token")]
    pages += [
        admin.client.get(page)
        for page in ("/services/gpus/", "/services/clearml/", "/user/admin/lab")
    ]

    assert {page.status_code for page in pages} == {200}
    # In a page's text, or in the data that JupyterLab hands its extensions.
    assert [notice in page.text for page in pages] == [shared] * 6


def test_only_the_first_admin_signs_in_where_labs_share_an_account(
    waylab: Waylab,
) -> None:
    shared = waylab.uid is not None or os.geteuid() != 0
    waylab.add_user("ann", PASSWORD)

    with contextlib.closing(Browser(waylab)) as browser:
        page = browser.sign_in("ann", PASSWORD)

    assert page.status_code == (403 if shared else 200)
    assert ("Only admin may sign in" in page.text) == shared
