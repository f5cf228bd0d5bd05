"""A whole running Waylab, seen from its doors."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from waylab_hub.errors import StartError
from waylab_hub.places import proxy_command
from waylab_hub.testing import READY, Browser, Waylab, running_waylab
from waylab_spawner import processes
from waylab_spawner.testing import wait_for

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
isolated_only = pytest.mark.skipif(
    os.geteuid() != 0, reason="without root only the first admin may sign in"
)

PASSWORD = "correct horse battery"  # noqa: S105 - made up here.
# Why, depends on the machine: it may have an engine, but without the site's image.
HOW = re.compile(
    r"Labs and jobs on local: processes, as "
    r"(there is no container engine here \(no /.+\)|"
    r"the container engine has none of the images waylab/lab-small)\."
)
OTHER = "staple, correct horse"
CLOSED = {403, 404}
DOORS = (
    *(("GET", path) for path in ("lab", "tree", "files/a.txt", "api/contents")),
    *(("GET", path) for path in ("api/kernels", "api/sessions", "api/terminals")),
    *(("GET", path) for path in ("waylab/api/queues", "waylab/api/runs")),
    *(("POST", path) for path in ("api/kernels", "api/sessions", "api/terminals")),
    *(("POST", path) for path in ("api/contents", "waylab/api/submit")),
    *((method, "api/contents/a.ipynb") for method in ("PUT", "PATCH", "DELETE")),
)


@pytest.fixture(scope="module")
def waylab() -> Iterator[Waylab]:
    with running_waylab() as running:
        running.run("users", "passwd", "admin", "--password-stdin", stdin=PASSWORD)
        yield running


Open = Callable[[], Browser]


@pytest.fixture
def fresh(waylab: Waylab) -> Iterator[Open]:
    made: list[Browser] = []

    def fresh() -> Browser:
        made.append(Browser(waylab))
        return made[-1]

    yield fresh
    for browser in made:
        browser.close()


@pytest.fixture
def admin(fresh: Open) -> Browser:
    browser = fresh()
    browser.sign_in("admin", PASSWORD)
    assert browser.client.get("/hub/home").url.path == "/hub/home"
    return browser


def _site_id(waylab: Waylab) -> str:
    text = (waylab.root / "places.json").read_text()
    found = re.search(r'"site_id": "([0-9a-f]+)"', text)
    assert found
    return found[1]


def _lab_pids(waylab: Waylab, name: str) -> tuple[int, ...]:
    return processes.marked(f"{_site_id(waylab)}/{name}/")


def test_the_first_start_tells_where_it_is_and_the_admins_password(
    waylab: Waylab,
) -> None:
    lines = waylab.printed().splitlines()

    assert HOW.fullmatch(lines[0])
    assert lines[1] == f"Waylab is ready: {waylab.url}"
    assert re.fullmatch(r"Sign in as admin with the password \w{16}", lines[2])
    assert len(lines) == 3


def test_all_programs_are_ready(waylab: Waylab) -> None:
    programs = waylab.json("status")["programs"]

    assert {
        program["name"]: program["condition"] for program in programs
    } == dict.fromkeys(("tracking", "proxy", "hub", "board", "agent"), "ready")


def test_the_doctor_finds_nothing_bad(waylab: Waylab) -> None:
    checks = {check["name"]: check["verdict"] for check in waylab.json("doctor")}

    assert "bad" not in {v for name, v in checks.items() if name != "lab extension"}
    assert checks["tracking ping"] == checks["board ping"] == "ok"
    assert checks["engine of local"] == "ok"


def test_a_second_start_is_refused_with_one_sentence(waylab: Waylab) -> None:
    with pytest.raises(RuntimeError, match="Waylab runs already") as caught:
        waylab.run("up")
    assert str(caught.value).count("\n") == 1


def test_a_lab_starts_and_answers(waylab: Waylab, admin: Browser) -> None:
    page = admin.start_lab("admin", "standard")

    assert page.url.path == "/user/admin/lab"
    status = admin.client.get("/user/admin/api/status").json()
    assert status["kernels"] == 0


def test_a_lab_knows_its_users_keys_and_no_secret_of_the_hub(
    waylab: Waylab, admin: Browser
) -> None:
    admin.start_lab("admin")
    (pid,) = _lab_pids(waylab, "admin")

    environment = psutil.Process(pid).environ()

    secrets = {
        path.read_text().strip()
        for path in (waylab.root / "secrets").iterdir()
        if path.suffix != ".json"
    }
    assert len(secrets) >= 4
    assert not secrets & set(environment.values())
    allowed = {"WAYLAB_LAB", "WAYLAB_TEMPLATES", "WAYLAB_KEYS_DAYS"}
    assert {name for name in environment if name.startswith("WAYLAB_")} == allowed
    assert environment["CUDA_VISIBLE_DEVICES"] == ""
    keys = (
        environment["CLEARML_API_ACCESS_KEY"],
        environment["CLEARML_API_SECRET_KEY"],
    )
    api = environment["CLEARML_API_HOST"]
    assert httpx.post(f"{api}/auth.login", auth=keys, trust_env=False).is_success

    admin.stop_lab("admin")

    refused = httpx.post(f"{api}/auth.login", auth=keys, trust_env=False)
    assert refused.status_code == 401
    assert not _lab_pids(waylab, "admin")


def test_a_restart_of_the_hub_leaves_labs_and_sessions_alone(
    waylab: Waylab, admin: Browser
) -> None:
    admin.start_lab("admin")
    before = _lab_pids(waylab, "admin")

    waylab.run("restart", "hub")

    assert _lab_pids(waylab, "admin") == before
    assert admin.client.get("/user/admin/api/status").is_success
    assert admin.client.get("/hub/home").url.path == "/hub/home"


def test_a_restart_that_cannot_be_is_refused_and_leaves_all_as_it_is(
    waylab: Waylab,
) -> None:
    site = waylab.root / "waylab.toml"
    good = site.read_text()
    before = waylab.program("hub")["pid"]

    site.write_text(good.replace("cpu_slots", "cpu_slot"))
    try:
        with pytest.raises(RuntimeError, match="Did you mean 'cpu_slots'"):
            waylab.run("restart", "hub")
    finally:
        site.write_text(good)
    with pytest.raises(RuntimeError, match="no program 'boar' here: choose tracking"):
        waylab.run("restart", "boar")

    assert waylab.program("hub")["pid"] == before


def test_what_is_killed_comes_back_and_the_lab_goes_on(
    waylab: Waylab, admin: Browser
) -> None:
    admin.start_lab("admin")
    before = _lab_pids(waylab, "admin")

    for name in ("hub", "proxy", "tracking"):
        old = waylab.program(name)
        os.kill(old["pid"], signal.SIGKILL)

        def again(name: str = name, old: int = old["pid"]) -> bool:
            new = waylab.program(name)
            return bool(new["condition"] == "ready" and new["pid"] != old)

        wait_for(again, 60, waylab.printed)

    def answers() -> bool:
        try:
            return admin.client.get("/user/admin/api/status").is_success
        except httpx.TransportError:
            return False

    wait_for(answers, 60, lambda: waylab.log("proxy"))
    assert _lab_pids(waylab, "admin") == before


def test_the_results_pages_take_the_hubs_sign_in(
    waylab: Waylab, admin: Browser, fresh: Open
) -> None:
    page = admin.client.get("/services/clearml/")

    assert page.status_code == 200
    assert page.url.path.startswith("/services/clearml/")
    stranger = fresh()
    assert stranger.client.get("/services/clearml/").url.path == "/hub/login"


def test_an_option_that_is_none_is_refused_over_rest(
    waylab: Waylab, admin: Browser
) -> None:
    if _lab_pids(waylab, "admin"):
        admin.stop_lab("admin")

    answer = admin.client.post(
        "/hub/api/users/admin/server",
        json={"profile": "enormous"},
        headers={"X-XSRFToken": admin.xsrf},
    )

    assert answer.status_code == 400
    assert "no profile 'enormous': choose one of standard, wide" in answer.text


def test_a_lab_that_fails_shows_the_end_of_its_log(
    waylab: Waylab, admin: Browser
) -> None:
    if _lab_pids(waylab, "admin"):
        admin.stop_lab("admin")
    home = waylab.root / "homes" / "admin"
    broken = home / ".jupyter" / "jupyter_server_config.py"
    broken.parent.mkdir(exist_ok=True)
    broken.write_text("raise SystemExit('this config is broken <b>')\n")
    os.chown(broken.parent, home.stat().st_uid, home.stat().st_gid)
    broken.chmod(0o644)

    page = admin.start_lab("admin")

    broken.unlink()
    assert "Your lab did not start" in page.text
    assert "this config is broken &lt;b&gt;" in page.text


@isolated_only
def test_each_user_has_an_account_and_no_door_into_anothers_lab(
    waylab: Waylab, admin: Browser, fresh: Open
) -> None:
    admin.start_lab("admin")
    waylab.add_user("bob", PASSWORD)
    bob = fresh()
    bob.sign_in("bob", PASSWORD)
    bob.start_lab("bob")

    foreign = bob.client.get("/user/admin/api/contents")

    assert foreign.status_code in {403, 404}
    (admins,) = _lab_pids(waylab, "admin")
    (bobs,) = _lab_pids(waylab, "bob")
    uids = {psutil.Process(pid).uids().real for pid in (admins, bobs)}
    assert len(uids | {0}) == 3
    bob.stop_lab("bob")
    for method, door in DOORS:
        answer = bob.client.request(method, f"/user/admin/{door}", json={})
        assert answer.status_code in CLOSED, (method, door, answer.text[:200])


@isolated_only
def test_the_groups_of_the_site_file_reach_hub_and_tracking(
    waylab: Waylab, fresh: Open
) -> None:
    waylab.add_user("vera", PASSWORD)
    waylab.add_user("otto", PASSWORD)
    site = waylab.root / "waylab.toml"
    plain = site.read_text()
    site.write_text(f'{plain}\n[[groups]]\nname = "vision"\nmembers = ["vera"]\n')
    try:
        for program in ("tracking", "hub"):
            waylab.run("restart", program)
        named, known = {}, []
        for name in ("vera", "otto"):
            browser = fresh()
            browser.sign_in(name, PASSWORD)
            told = browser.client.get("/hub/api/user").raise_for_status().json()
            named[name] = told["groups"]
            known.append(_is_known_to_tracking(waylab, name))
        with _api(waylab, "otto") as owner:
            made = owner.post("projects.create", json={"name": "eyes"})
            project = made.raise_for_status().json()["data"]["id"]
        # As otto's page does it, which is the last browser's.
        browser.client.get("/services/clearml/").raise_for_status()
        shared = browser.client.post(
            "/services/clearml/waylab.share_project",
            json={"project": project, "visibility": "group", "groups": ["vision"]},
            headers={"X-Waylab-Page": "1", "Origin": waylab.url},
        )
        with _api(waylab, "vera") as member:
            seen = member.post("projects.get_by_id", json={"project": project})
    finally:
        site.write_text(plain)
        for program in ("tracking", "hub"):
            waylab.run("restart", program)

    assert named == {"vera": ["vision"], "otto": []}
    assert known == [True, True]
    assert shared.is_success, shared.text
    assert seen.is_success


@isolated_only
def test_nobody_writes_to_anothers_runs_through_the_proxy(waylab: Waylab) -> None:
    waylab.add_user("dora", PASSWORD)
    admins, doras = (_api(waylab, name) for name in ("admin", "dora"))
    with admins, doras:
        made = admins.post("tasks.create", json={"name": "theirs", "type": "training"})
        task = made.raise_for_status().json()["data"]["id"]
        path = f"p/theirs.{task}/artifacts/notebook/a.ipynb"
        upload = {path: ("a.ipynb", b"theirs")}
        admins.post("files/", files=upload).raise_for_status()

        body = {"task": task, "force": True, "name": "taken over"}
        refused = {
            verb: doras.post(f"tasks.{verb}", json=body).status_code
            for verb in ("edit", "enqueue", "started", "stop", "failed", "delete")
        }
        forged = doras.post("files/", files={path: ("a.ipynb", b"forged")})
        removed = doras.delete(f"files/{path}")

        assert set(refused.values()) <= CLOSED, refused
        assert {forged.status_code, removed.status_code} <= CLOSED
        assert admins.get(f"files/{path}").content == b"theirs"
        kept = admins.post("tasks.get_by_id", json={"task": task}).json()["data"]
        assert (kept["task"]["name"], kept["task"]["status"]) == ("theirs", "created")


def _is_known_to_tracking(waylab: Waylab, name: str) -> bool:
    path = waylab.root / "tracking" / "tracking.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        row = db.execute("SELECT 1 FROM users WHERE active AND name = ?", (name,))
        return row.fetchone() is not None


def _api(waylab: Waylab, user: str) -> httpx.Client:
    """Give a client of the tracking server, behind the proxy, with a user's keys."""
    keys = waylab.json("credentials", "--user", user)
    base = f"{waylab.url}/services/clearml/"
    pair = (keys["CLEARML_API_ACCESS_KEY"], keys["CLEARML_API_SECRET_KEY"])
    login = httpx.post(f"{base}auth.login", auth=pair, trust_env=False)
    token = login.raise_for_status().json()["data"]["token"]
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=30)


def test_a_job_outlives_the_lab_that_sent_it(waylab: Waylab, admin: Browser) -> None:
    admin.start_lab("admin")
    answer = admin.client.post(
        "/hub/api/users/admin/tokens", json={}, headers={"X-XSRFToken": admin.xsrf}
    )
    headers = {"Authorization": f"token {answer.raise_for_status().json()['token']}"}
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "one",
        "metadata": {},
        "source": "import time; time.sleep(10); print('after all')",
        "outputs": [],
        "execution_count": None,
    }
    content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    with httpx.Client(
        base_url=f"{waylab.url}/user/admin/",
        headers=headers,
        trust_env=False,
        timeout=60,
    ) as lab:
        body = {"type": "notebook", "content": content}
        lab.put("api/contents/long.ipynb", json=body).raise_for_status()
        wish = {
            "path": "long.ipynb",
            "queue": "default",
            "name": "long",
            "project": "Notebooks",
            "idempotency_key": "0123456789",
        }
        sent = lab.post("waylab/api/submit", json=wish).raise_for_status().json()

    def record() -> dict[str, str]:
        found: dict[str, str] = waylab.json("runs", "show", sent["task_id"])
        return found

    wait_for(lambda: record()["state"] == "running", 60, lambda: waylab.log("board"))
    admin.stop_lab("admin")
    assert record()["state"] == "running"
    wait_for(lambda: record()["state"] != "running", 90, lambda: str(record()))
    assert record()["state"] == "completed"


@isolated_only
def test_a_removed_user_is_out_at_once(waylab: Waylab, fresh: Open) -> None:
    waylab.add_user("carl", PASSWORD)
    carl = fresh()
    carl.sign_in("carl", PASSWORD)
    carl.start_lab("carl")
    assert _lab_pids(waylab, "carl")

    answer = waylab.json("users", "remove", "carl")

    assert answer == {"name": "carl", "removed": True, "followed": True}
    assert carl.client.get("/hub/home").url.path == "/hub/login"
    assert not _lab_pids(waylab, "carl")
    assert carl.sign_in("carl", PASSWORD).status_code == 403


@isolated_only
def test_a_changed_password_ends_the_other_sessions(
    waylab: Waylab, fresh: Open
) -> None:
    waylab.add_user("flora", PASSWORD)
    here, there = fresh(), fresh()
    here.sign_in("flora", PASSWORD)
    there.sign_in("flora", PASSWORD)
    page = here.client.get("/hub/password")
    assert "Change your password" in page.text

    def change(old: str, new: str, again: str) -> httpx.Response:
        form = {"old": old, "new": new, "again": again, "_xsrf": here.xsrf}
        return here.client.post("/hub/password", data=form)

    assert "present password is not right" in change(OTHER, OTHER, OTHER).text
    assert "differ" in change(PASSWORD, OTHER, PASSWORD).text
    assert "or more" in change(PASSWORD, "short", "short").text
    assert "The password is changed" in change(PASSWORD, OTHER, OTHER).text

    assert here.client.get("/hub/home").url.path == "/hub/home"
    assert there.client.get("/hub/home").url.path == "/hub/login"
    assert there.sign_in("flora", PASSWORD).status_code == 403
    assert there.sign_in("flora", OTHER).url.path == "/hub/spawn"

    waylab.run("users", "passwd", "flora", "--password-stdin", stdin=PASSWORD)

    wait_for(
        lambda: here.client.get("/hub/home").url.path == "/hub/login",
        30,
        lambda: "The session goes on under an older password.",
    )
    assert here.sign_in("flora", PASSWORD).url.path == "/hub/spawn"
    assert here.client.get("/hub/home").url.path == "/hub/home"


def test_guessing_is_slowed_down_and_the_known_browser_is_not(
    waylab: Waylab, admin: Browser, fresh: Open
) -> None:
    guesser = fresh()
    answers = [guesser.sign_in("admin", f"guess number {n}") for n in range(8)]

    slowed = answers[-1]
    assert slowed.status_code == 429
    assert int(slowed.headers["Retry-After"]) >= 1
    assert "Too many failed sign-ins. Try again in" in slowed.text
    assert guesser.sign_in("admin", PASSWORD).status_code == 429
    admin.client.get("/hub/logout")
    assert admin.sign_in("admin", PASSWORD).status_code == 200


def test_ctrl_c_ends_all_of_it_and_the_next_start_tells_no_password() -> None:
    preset = {"WAYLAB_ADMIN_PASSWORD": PASSWORD}
    with running_waylab(preset) as waylab:
        how, ready = waylab.printed().splitlines()
        assert HOW.fullmatch(how)
        assert ready == f"Waylab is ready: {waylab.url}"
        with contextlib.closing(Browser(waylab)) as browser:
            browser.sign_in("admin", PASSWORD)
            browser.start_lab("admin")
        pids = [program["pid"] for program in waylab.json("status")["programs"]]
        pids += _lab_pids(waylab, "admin")

        os.kill(waylab.pid, signal.SIGKILL)
        waylab.signal(signal.SIGKILL)
        printed = waylab.start()

        assert READY.fullmatch(printed.rstrip("\n").splitlines()[-1])
        assert psutil.pid_exists(pids[-1])
        pids += [program["pid"] for program in waylab.json("status")["programs"]]

        assert waylab.signal(signal.SIGINT) == 0

        alive = [pid for pid in pids if processes.started_at(pid) is not None]
        assert not alive
        assert waylab.printed().endswith("Waylab is stopping.\n")
