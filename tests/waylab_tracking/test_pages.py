from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.provider import CLIENT, SECRET, Provider, running_provider

from waylab_tracking.testing import Server, running_server

PREFIX = "/services/clearml"
HOSTILE = '"><script>alert(1)</script>{{7*7}}'


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def hub(
    tmp_path_factory: pytest.TempPathFactory, provider: Provider
) -> Iterator[Server]:
    """Give a server behind a proxy's path whose pages want a sign-in."""
    folder = tmp_path_factory.mktemp("tracking")
    (folder / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    with running_server(
        folder / "state",
        prefix=PREFIX,
        public_url=f"http://127.0.0.1:8000{PREFIX}",
        oauth_client_id=CLIENT,
        oauth_client_secret_file=str(folder / "secret"),
        oauth_authorize_url=f"{provider.url}/authorize",
        oauth_token_url=f"{provider.url}/token",
        oauth_userinfo_url=f"{provider.url}/user",
    ) as server:
        server.create_user("ann")
        yield server


@pytest.fixture
def browser(hub: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=hub.url, trust_env=False) as client:
        yield client


def follow(browser: httpx.Client, hub: Server, answer: httpx.Response) -> Any:
    """Go where a browser would; the provider sends back to our own host."""
    for _ in range(6):
        if not answer.is_redirect:
            return answer
        url = answer.headers["location"]
        answer = browser.get(f"{hub.url}{url}" if url.startswith("/") else url)
    raise AssertionError(answer.headers)


def run_of(door: Door) -> str:
    """Make a run with something of everything."""
    project = door.call("projects.get_all", name="^lab/pages$")["projects"]
    project = (
        project[0]["id"]
        if project
        else door.call("projects.create", name="lab/pages", description=HOSTILE)["id"]
    )
    task = door.task(f"run {HOSTILE}", project=project, tags=[HOSTILE])
    door.call(
        "tasks.edit_hyper_params",
        task=task,
        hyperparams=[{"section": HOSTILE, "name": HOSTILE, "value": HOSTILE}],
    )
    door.call("tasks.started", task=task)
    base = {"task": task, "metric": HOSTILE, "variant": "v"}
    for number in range(30):
        door.call(
            "events.add",
            type="training_stats_scalar",
            **{**base, "metric": "loss"},
            iter=number,
            value=1 / (number + 1),
        )
    table = {
        "data": [
            {
                "type": "table",
                "header": {"values": ["prompt", "answer"]},
                "cells": {"values": [["p1", HOSTILE], ["a1", "a2"]]},
            }
        ]
    }
    door.call("events.add", type="plot", **base, iter=1, plot_str=json.dumps(table))
    door.call("events.add", type="log", task=task, msg=f"\x1b[31mred\x1b[0m {HOSTILE}")
    path = f"lab/run.{task}/image.png"
    door.upload(path, b"png").raise_for_status()
    url = f"{door.url}/files/{path}"
    image = {**base, "metric": "images"}
    door.call("events.add", type="training_debug_image", **image, iter=1, url=url)
    door.call(
        "tasks.add_or_update_artifacts",
        task=task,
        artifacts=[
            {"key": "good", "type": "custom", "uri": url, "content_size": 3},
            {"key": "bad", "type": "custom", "uri": "javascript:alert(1)"},
        ],
    )
    verdict = {"traceback": ["\x1b[31mValueError\x1b[0m", HOSTILE]}
    item = {"name": "waylab_verdict", "value": json.dumps(verdict), "type": "json"}
    door.call("tasks.edit_configuration", task=task, configuration=[item], force=True)
    door.call(
        "tasks.failed", task=task, status_reason="cell-error", status_message=HOSTILE
    )
    return task


def test_a_runs_page_shows_everything_and_runs_nothing(
    server: Server, ann: Door
) -> None:
    task = run_of(ann)
    url = f"/projects/*/experiments/{task}/output/log"

    answer = ann.get(url)

    page = BeautifulSoup(answer.text, "html.parser")
    links = {str(a["href"]) for a in page.find_all("a")}
    text = page.get_text()
    assert answer.status_code == 200
    assert page.find_all("script") == []
    assert "49" not in page.find("h1").get_text()  # type: ignore[union-attr]
    assert not [link for link in links if link.startswith("javascript")]
    assert f"/files/lab/run.{task}/image.png" in links
    assert [img["src"] for img in page.find_all("img")] == [
        f"/files/lab/run.{task}/image.png"
    ]
    assert page.find("polyline") is not None
    assert "cell-error" in text
    assert "\x1b" not in text
    assert {"p1", "a2"} <= {cell.get_text() for cell in page.find_all("td")}
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "script-src" not in policy


def test_a_notebooks_page_tells_its_share_of_cells(ann: Door) -> None:
    task = ann.task()
    ann.call("tasks.started", task=task, force=True)
    ann.call("tasks.edit", task=task, force=True, runtime={"progress": "0"})
    index = {"cells_total": 8, "cells_done": 3}
    item = {"name": "waylab_live", "type": "json", "value": json.dumps(index)}
    ann.call("tasks.edit_configuration", task=task, configuration=[item], force=True)
    answer = ann.get(f"/projects/*/experiments/{task}/output/log")
    (bar,) = BeautifulSoup(answer.text, "html.parser").find_all("progress")
    assert bar["value"] == "37"


def test_a_plot_is_given_as_json(ann: Door) -> None:
    task = run_of(ann)
    page = BeautifulSoup(ann.get(f"/tasks/{task}").text, "html.parser")
    [link] = [a["href"] for a in page.find_all("a") if "plot?" in str(a["href"])]

    answer = ann.get(str(link))

    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["data"][0]["type"] == "table"


@pytest.mark.parametrize(
    "path",
    ["/", "/projects", "/projects/*", "/dashboard", "/?q=run&state=failed&page=0"],
)
def test_lists_lead_to_runs(ann: Door, path: str) -> None:
    task = run_of(ann)

    page = BeautifulSoup(ann.get(path).text, "html.parser")

    links = [str(a["href"]) for a in page.find_all("a")]
    assert any(task in link for link in links)
    assert page.find_all("script") == []


def test_a_search_leaves_what_matches(ann: Door) -> None:
    task = ann.task("needle 100%")
    run_of(ann)

    found = BeautifulSoup(ann.get("/", q="x").text, "html.parser")
    only = ann.http.get("/", params={"q": "NEEDLE 100%"}, headers=ann.headers)
    none = ann.http.get("/", params={"q": "no such run"}, headers=ann.headers)

    rows = BeautifulSoup(only.text, "html.parser").select("a[href*=experiments]")
    assert [task in str(row["href"]) for row in rows] == [True]
    assert "No run is like that" in none.text
    assert found.find("table") is not None


@pytest.mark.parametrize("path", ["/projects/nothing", "/tasks/nothing"])
def test_what_is_not_there_is_told_kindly(ann: Door, path: str) -> None:
    answer = ann.get(path)

    assert answer.status_code == 404
    assert "cannot be shown" in answer.text


def test_without_oauth_pages_take_keys(server: Server) -> None:
    keys = server.create_user("ann")
    with httpx.Client(base_url=server.url, trust_env=False) as browser:
        stranger = browser.get("/")
        known = browser.get("/", auth=keys)
        wrong = browser.get("/", auth=(keys[0], "wrong"))

    assert stranger.status_code == wrong.status_code == 401
    assert stranger.headers["www-authenticate"].startswith("Basic")
    assert known.status_code == 200


@pytest.mark.parametrize("path", ["/", "/projects/*?state=failed"])
def test_a_sign_in_leads_back_to_the_wanted_page(
    hub: Server, browser: httpx.Client, path: str
) -> None:
    answer = follow(browser, hub, browser.get(f"{PREFIX}{path}"))

    assert answer.status_code == 200
    assert str(answer.url) == f"{hub.url}{PREFIX}{path}"
    links = BeautifulSoup(answer.text, "html.parser").select("header a")
    assert links[0]["href"] == f"{PREFIX}/"


def test_a_signed_in_browser_looks_and_does_not_write(
    hub: Server, browser: httpx.Client
) -> None:
    ann = Door(hub, hub.create_user("ann"))
    ann.upload("seen/file.txt", b"seen")
    ann.close()
    follow(browser, hub, browser.get(f"{PREFIX}/"))

    cookies = [cookie for cookie in browser.cookies.jar if cookie.value]
    seen = browser.get(f"{PREFIX}/files/seen/file.txt")
    written = browser.post(f"{PREFIX}/files/", files={"x/y": ("y", b"y")})
    deleted = browser.delete(f"{PREFIX}/files/seen/file.txt")
    called = browser.post(f"{PREFIX}/tasks.create", json={"name": "by a cookie"})

    assert seen.content == b"seen"
    assert [one.status_code for one in (written, deleted, called)] == [401, 401, 401]
    assert [(c.name, c.path) for c in cookies] == [("waylab-tracking", PREFIX)]
    assert cookies[0].has_nonstandard_attr("HttpOnly")


def test_a_sign_in_that_we_did_not_begin_is_refused(
    hub: Server, browser: httpx.Client
) -> None:
    begun = browser.get(f"{PREFIX}/")
    callback = f"{PREFIX}/oauth_callback"

    answers = [
        browser.get(callback),
        browser.get(callback, params={"code": "x", "state": "forged"}),
        browser.get(callback, params={"code": "wrong", "state": _state_of(begun)}),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert "Try again" in answers[0].text


def test_somebody_unknown_is_told_what_to_do(
    hub: Server, browser: httpx.Client, provider: Provider
) -> None:
    provider.name = "stranger"

    answer = follow(browser, hub, browser.get(f"{PREFIX}/"))
    provider.name = "ann"

    assert answer.status_code == 403
    assert "start a lab first" in answer.text


def test_a_removed_user_is_signed_out(
    hub: Server, browser: httpx.Client, provider: Provider
) -> None:
    hub.create_user("eve")
    provider.name = "eve"
    before = follow(browser, hub, browser.get(f"{PREFIX}/"))
    provider.name = "ann"

    hub.call("waylab.remove_user", {"name": "eve"})

    assert before.status_code == 200
    assert browser.get(f"{PREFIX}/").is_redirect


def test_the_api_answers_below_the_prefix_too(hub: Server, tmp_path: Path) -> None:
    keys = hub.create_user("ann")
    with httpx.Client(base_url=f"{hub.url}{PREFIX}", trust_env=False) as client:
        token = client.get("/v2.5/auth.login", auth=keys).json()["data"]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        made = client.post("/tasks.create", json={"name": "a task"}, headers=headers)
        task = made.json()["data"]["id"]
        uri = f"{hub.url}{PREFIX}/files/x/y.bin"
        artifact = {"key": "one", "type": "custom", "uri": uri}
        body = {"task": task, "artifacts": [artifact]}
        client.post("/tasks.add_or_update_artifacts", json=body, headers=headers)

    door = Door(hub, keys)
    doc = door.call("tasks.get_by_id", task=task)["task"]
    door.close()
    [artifact] = doc["execution"]["artifacts"]
    assert artifact["uri"] == f"{hub.url}/files/x/y.bin"


def _state_of(answer: httpx.Response) -> str:
    return httpx.URL(answer.headers["location"]).params["state"]
