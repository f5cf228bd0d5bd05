from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from bs4 import BeautifulSoup
from tests.waylab_tracking.door import Door
from tests.waylab_tracking.provider import CLIENT, SECRET, Provider, running_provider

from waylab_site.certificates import trusted
from waylab_tracking import bundle
from waylab_tracking.callers import LOOKING
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
    with httpx.Client(base_url=hub.url, trust_env=False, verify=trusted()) as client:
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


def first_of(answer: httpx.Response) -> dict[str, Any]:
    """Give the answers that a page brings along, by endpoint."""
    page = BeautifulSoup(answer.text, "html.parser")
    [first] = page.select("script#first")
    found = json.loads(first.get_text())["answers"]
    return {one["endpoint"]: one.get("data", one.get("error")) for one in found}


def test_a_page_brings_its_first_data_and_runs_only_our_script(
    server: Server, ann: Door
) -> None:
    task = run_of(ann)

    answer = ann.get(f"/projects/*/experiments/{task}/output/log")

    page = BeautifulSoup(answer.text, "html.parser")
    [ours] = [one for one in page.find_all("script") if one.get("src")]
    policy = answer.headers["content-security-policy"]
    shown = first_of(answer)["tasks.get_by_id_ex"]["task"]
    assert answer.status_code == 200
    assert shown["name"] == f"run {HOSTILE}"
    assert len(page.find_all("script")) == 2
    assert policy.startswith(f"default-src 'none'; script-src 'nonce-{ours['nonce']}';")
    assert "unsafe" not in policy
    other = BeautifulSoup(ann.get("/projects").text, "html.parser").select("[nonce]")
    assert other[0]["nonce"] != ours["nonce"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/projects",
        "/projects/*",
        "/projects/*/experiments",
        "/dashboard",
        "/pipelines",
    ],
)
def test_lists_bring_the_newest_runs(ann: Door, path: str) -> None:
    task = run_of(ann)

    answer = ann.get(path)

    runs = first_of(answer)["tasks.get_all_ex"]["tasks"]
    assert task in [one["id"] for one in runs]


def test_a_projects_page_brings_its_own_runs(ann: Door) -> None:
    run_of(ann)
    project = ann.call("projects.create", name="alone/in here")["id"]
    above = ann.call("projects.get_all", name="^alone$")["projects"][0]["id"]
    task = ann.task("mine", project=project)

    found = first_of(ann.get(f"/projects/{above}/experiments"))["tasks.get_all_ex"]

    assert [one["id"] for one in found["tasks"]] == [task]


@pytest.mark.parametrize(
    "path",
    [
        "/projects/nothing",
        "/tasks/nothing",
        "/projects/*/tasks/nothing/output/log",
        "/pipelines/x/experiments/nothing",
        "/datasets/simple/x/experiments/nothing",
        "/projects/*/models/nothing/general",
    ],
)
def test_what_is_not_there_is_told_kindly(ann: Door, path: str) -> None:
    answer = ann.get(path)

    assert answer.status_code == 404
    assert "nothing" in answer.text


def test_an_address_that_is_none_is_a_page_to_browsers_only(server: Server) -> None:
    wanted = "/workers/<b>"
    page = httpx.get(server.url + wanted, headers={"Accept": "text/html,*/*"})
    other = httpx.get(server.url + wanted)

    assert (page.status_code, other.status_code) == (404, 404)
    assert "There is no page at" in page.text
    assert "<b>" not in page.text
    assert "script" not in page.headers["Content-Security-Policy"]
    assert other.text == "Not Found"


def test_what_pages_are_made_of_is_kept_by_browsers(server: Server, ann: Door) -> None:
    page = BeautifulSoup(ann.get("/projects").text, "html.parser")
    [script] = [str(one["src"]) for one in page.find_all("script") if one.get("src")]
    with httpx.Client(
        base_url=server.url, trust_env=False, verify=trusted()
    ) as stranger:
        packed = stranger.get(script)
        plain = stranger.get(script, headers={"Accept-Encoding": "identity"})
        others = [
            stranger.get(f"/assets/{name}")
            for name in ("manifest.json", "..%2Fpages.py", "nothing.js")
        ]

    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert "immutable" in plain.headers["cache-control"]
    assert "javascript" in plain.headers["content-type"]
    assert [one.status_code for one in others] == [404, 404, 404]


def test_figures_are_drawn_where_nothing_of_ours_is(server: Server) -> None:
    answer = httpx.get(f"{server.url}/plot-frame", trust_env=False, verify=trusted())

    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none';")
    assert "connect-src" not in policy
    assert "img-src data: blob:;" in policy


def test_pages_ask_the_api_only_to_look(server: Server) -> None:
    keys = server.create_user("ann")
    mark = {"X-Waylab-Page": "1"}
    with httpx.Client(
        base_url=server.url, trust_env=False, verify=trusted(), auth=keys
    ) as browser:

        def ask(endpoint: str, **headers: str) -> int:
            return browser.post(f"/{endpoint}", json={}, headers=headers).status_code

        looked = ask("tasks.get_all_ex", **mark)
        changed = ask("tasks.create", **mark)
        elsewhere = ask("tasks.get_all_ex", **mark, **{"Sec-Fetch-Site": "cross-site"})
        unmarked = ask("tasks.get_all_ex")

    assert (looked, changed, elsewhere, unmarked) == (200, 403, 403, 401)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "{own}"}, 200),
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "{own}", "Sec-Fetch-Site": "same-site"}, 403),
    ],
    ids=["our page", "no browser", "sandboxed file", "other port", "other site"],
)
def test_only_our_own_page_sets_who_sees_a_project(
    hub: Server, browser: httpx.Client, headers: dict[str, str], status: int
) -> None:
    ann = Door(hub, hub.create_user("ann"))
    name = f"shared by {headers}"
    made = ann.call("projects.create", name=name, description="")["id"]
    follow(browser, hub, browser.get(f"{PREFIX}/"))

    answer = browser.post(
        f"{PREFIX}/waylab.share_project",
        json={"project": made, "visibility": "private"},
        headers={
            "X-Waylab-Page": "1",
            **{name: text.format(own=hub.url) for name, text in headers.items()},
        },
    )

    told = ann.call("waylab.get_sharing", projects=[made])["projects"][0]
    ann.close()
    assert answer.status_code == status
    assert told["own"] == ("private" if status == 200 else "inherit")


@pytest.mark.parametrize("endpoint", sorted(LOOKING))
def test_what_pages_may_ask_changes_nothing(endpoint: str) -> None:
    assert endpoint.split(".")[1].startswith(("get_", "scalar_", "debug_images"))


def test_without_a_bundle_a_page_says_what_to_do(tmp_path: Path) -> None:
    assert bundle.read(tmp_path) is None
    (tmp_path / "manifest.json").write_text('{"script": "gone.js"}', "utf-8")
    assert bundle.read(tmp_path) is None


def test_a_provider_elsewhere_sends_back_to_our_own_address(
    tmp_path: Path, provider: Provider
) -> None:
    with running_server(
        tmp_path / "state",
        oauth_client_id=CLIENT,
        oauth_client_secret=SECRET,
        oauth_authorize_url=f"{provider.url}/authorize",
        oauth_token_url=f"{provider.url}/token",
        oauth_userinfo_url=f"{provider.url}/user",
        oauth_scope="openid profile",
    ) as alone:
        alone.create_user("ann")
        with httpx.Client(trust_env=False, verify=trusted()) as browser:
            begun = browser.get(f"{alone.url}/projects")
            shown = browser.get(f"{alone.url}/projects", follow_redirects=True)

    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    assert asked["redirect_uri"] == [f"{alone.url}/oauth_callback"]
    assert asked["scope"] == ["openid profile"]
    assert shown.status_code == 200
    assert shown.url == f"{alone.url}/projects"


def test_without_oauth_pages_take_keys(server: Server) -> None:
    keys = server.create_user("ann")
    with httpx.Client(
        base_url=server.url, trust_env=False, verify=trusted()
    ) as browser:
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
    [first] = BeautifulSoup(answer.text, "html.parser").select("script#first")
    assert json.loads(first.get_text())["base"] == PREFIX


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
    with httpx.Client(
        base_url=f"{hub.url}{PREFIX}", trust_env=False, verify=trusted()
    ) as client:
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


def test_a_provider_at_our_own_address_sends_back_without_a_host(
    tmp_path: Path,
) -> None:
    with (
        running_server(
            tmp_path / "state",
            prefix=PREFIX,
            public_url=f"http://127.0.0.1:8000{PREFIX}",
            oauth_client_id=CLIENT,
            oauth_authorize_url="/hub/api/oauth2/authorize",
        ) as behind,
        httpx.Client(trust_env=False, verify=trusted()) as browser,
    ):
        begun = browser.get(f"{behind.url}{PREFIX}/")

    where = urlsplit(begun.headers["location"])
    assert (where.netloc, where.path) == ("", "/hub/api/oauth2/authorize")
    assert parse_qs(where.query)["redirect_uri"] == [f"{PREFIX}/oauth_callback"]


def _state_of(answer: httpx.Response) -> str:
    return httpx.URL(answer.headers["location"]).params["state"]
