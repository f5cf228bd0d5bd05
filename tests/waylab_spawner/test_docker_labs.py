"""Labs in containers of two real engines, with leases of a real board."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.waylab_engine.registry import running_registry
from tests.waylab_spawner.docker_site import DockerSite, running_site

from waylab_hub.testing import open_folder
from waylab_rig.requirements import requirements
from waylab_spawner.testing import (
    NotHere,
    asks_for_news,
    proxy_program,
    steps_of,
    wait_for,
)

PULLING = re.compile(r"Pulling the image: (\d+) %")
_missing = requirements()
try:
    proxy_program()
except NotHere as error:
    _missing = _missing or str(error)

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(_missing is not None, reason=str(_missing)),
    pytest.mark.timeout(600),
    # docker's SDK leaves closing its sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("tidy"),
]


@pytest.fixture(scope="module")
def site() -> Iterator[DockerSite]:
    with open_folder() as root, running_registry() as registry:
        far = f"{registry}/tiny:1"
        images = [{"name": "far", "title": "Of a registry", "reference": far}]
        with running_site(root, images) as running:
            yield running


@pytest.fixture(autouse=True)
def _alone(site: DockerSite) -> Iterator[None]:
    """Let no test inherit the labs of one that failed, nor leave a difference."""
    yield
    site.clear()
    site.agree()


def _ends(site: DockerSite, user: str, server: str = "") -> None:
    if site.hub.server(user, server):
        site.hub.stop_lab(user, server)
    site.hub.wait_gone(user, server)


def test_a_lab_sees_exactly_the_devices_of_its_lease(site: DockerSite) -> None:
    user = site.user("ann")

    site.hub.spawn(user, {"profile": "one"}).raise_for_status()
    site.hub.wait_ready(user)

    (lease,) = site.board.until(
        lambda state: [str(one.state) for one in state.leases] == ["active"]
    ).leases
    assert lease.holder == "lab:ann/"
    described = site.container("vision", user)
    assert described["Config"]["Labels"]["org.waylab.lease"] == lease.id
    seen = site.run_in("vision", user, "nvidia-smi", "-L")
    assert [uuid for uuid in site.engines["vision"].uuids if uuid in seen] == list(
        lease.devices
    )
    browser = site.hub.browser(user)
    assert browser.get("/user/ann/api/status").status_code == 200
    assert not asks_for_news(browser, user)

    _ends(site, user)
    assert site.held() == {}
    assert site.containers("vision") == []


def test_a_lab_without_a_gpu_holds_no_lease_and_sees_none(site: DockerSite) -> None:
    user = site.user("ann")

    site.hub.spawn(user, {"profile": "cpu"}).raise_for_status()
    site.hub.wait_ready(user)

    assert site.held() == {}
    environment = site.container("vision", user)["Config"]["Env"]
    assert "NVIDIA_VISIBLE_DEVICES=void" in environment
    host = site.container("vision", user)["HostConfig"]
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert host["ShmSize"] == 512 * 1024**2
    _ends(site, user)
    assert site.containers("vision") == []


def test_what_a_lab_writes_at_home_is_there_next_time(site: DockerSite) -> None:
    user = site.user("ann")
    for command in ("echo kept > ~/note", "cat ~/note"):
        site.hub.spawn(user, {"profile": "cpu"}).raise_for_status()
        site.hub.wait_ready(user)
        said = site.run_in("vision", user, "sh", "-c", command)
        _ends(site, user)
    assert said == "kept\n"


def _on_each_node(site: DockerSite, user: str, lines: dict[str, str]) -> dict[str, str]:
    """Run one lab after the other, and give what its line of shell prints."""
    said = {}
    for profile, line in lines.items():
        node = "nlp" if profile.endswith("nlp") else "vision"
        site.hub.spawn(user, {"profile": profile}).raise_for_status()
        site.hub.wait_ready(user)
        said[node] = site.shell(node, user, line)
        _ends(site, user)
    return said


def test_a_home_that_is_a_folder_follows_its_user_to_every_node(
    site: DockerSite,
) -> None:
    with (
        open_folder() as root,
        site.changed(
            container_homes={"kind": "folder", "path": f"{root}/homes/{{user}}"}
        ),
    ):
        said = _on_each_node(
            site,
            site.user("ann"),
            {"cpu": "echo from vision > ~/note", "cpu-nlp": "cat ~/note; id -u"},
        )
        home = root / "homes" / "ann"
        owner = home.stat().st_uid

        assert said == {"vision": "", "nlp": f"from vision\n{owner}\n"}
        assert owner != 0
        assert (home / "note").read_text() == "from vision\n"


def test_labs_see_the_shares_of_the_site_as_their_groups_may(site: DockerSite) -> None:
    ann, bob = site.user("ann"), site.user("bob")
    site.hub.ask("POST", "/groups/team").raise_for_status()
    site.hub.ask("POST", "/groups/team/users", {"users": [ann]}).raise_for_status()
    with open_folder() as root:
        (root / "data").mkdir()
        (root / "data" / "set").write_text("the data\n")
        shares = [
            {"name": "data", "mount": "/data", "path": f"{root}/data"},
            {
                "name": "scratch",
                "mount": "/scratch/{user}",
                "path": f"{root}/scratch/{{user}}",
                "mode": "rw",
            },
            {
                "name": "team",
                "mount": "/team",
                "volume": "team",
                "mode": "rw",
                "groups": ["team"],
            },
        ]
        with site.changed(shares=shares):
            of_ann = _on_each_node(
                site,
                ann,
                {
                    "cpu": "cat /data/set; echo mine > /scratch/ann/x; touch /team/y;"
                    "touch /data/z 2>&1",
                    "cpu-nlp": "cat /scratch/ann/x; ls /team",
                },
            )
            of_bob = _on_each_node(
                site, bob, {"cpu": "ls /scratch; ls -d /team 2>&1; cat /data/set"}
            )

    assert of_ann["vision"].startswith("the data\n")
    assert "Read-only file system" in of_ann["vision"]
    # A volume is each engine's own; a folder is the same on both.
    assert of_ann["nlp"] == "mine\n"
    assert of_bob["vision"].startswith("bob\n")
    assert "/team': No such file" in of_bob["vision"]
    assert of_bob["vision"].endswith("the data\n")


def test_no_free_device_gives_a_ticket_and_the_turn_starts_the_lab(
    site: DockerSite,
) -> None:
    first, second = site.user("ann"), site.user("bob")
    site.hub.spawn(first, {"profile": "two"}).raise_for_status()
    site.hub.wait_ready(first)

    pages = site.hub.browser(second)
    refused = site.hub.spawn(second, {"profile": "one"})

    assert refused.status_code == 503
    (ticket,) = site.board.state().line
    assert f"/services/gpus/wait/{ticket.id}" in refused.json()["message"]
    wait_for(lambda: site.hub.server(second) is None, 10, lambda: site.hub.log[-2000:])
    again = site.hub.spawn(second, {"profile": "one"})
    assert f"/services/gpus/wait/{ticket.id}" in again.json()["message"]
    page = pages.get(f"/hub/spawn-pending/{second}").text
    assert f'class="waylab-wait" href="/services/gpus/wait/{ticket.id}"' in page
    changed = site.hub.spawn(second, {"profile": "two"})
    (other,) = site.board.state().line
    assert other.id != ticket.id
    assert other.id in changed.json()["message"]

    _ends(site, first)
    site.hub.wait_ready(second)
    assert site.held() == {"lab:bob/": "active"}
    # JupyterHub repeats a user's options: a lease is for one start only.
    assert (site.hub.server(second) or {})["user_options"] == {"profile": "two"}
    _ends(site, second)
    assert site.held() == {}


def test_a_lease_of_another_lab_is_not_taken(site: DockerSite) -> None:
    ann, bob = site.user("ann"), site.user("bob")
    site.hub.spawn(ann, {"profile": "one"}).raise_for_status()
    site.hub.wait_ready(ann)
    (lease,) = site.board.state().leases

    refused = site.hub.spawn(bob, {"profile": "one", "lease": lease.id})
    unknown = site.hub.spawn(bob, {"profile": "one", "lease": "nothing"})

    assert (refused.status_code, unknown.status_code) == (409, 409)
    assert "for another lab" in refused.json()["message"]
    assert "does not exist" in unknown.json()["message"]
    assert site.held() == {"lab:ann/": "active"}
    _ends(site, ann)


def test_a_hub_that_was_killed_finds_its_labs_again(site: DockerSite) -> None:
    user = site.user("ann")
    site.hub.spawn(user, {"profile": "one"}).raise_for_status()
    site.hub.wait_ready(user)
    before = site.container("vision", user)["Id"]

    site.hub.kill()
    site.hub.start()
    site.hub.wait_ready(user)

    assert site.container("vision", user)["Id"] == before
    assert site.held() == {"lab:ann/": "active"}
    assert site.hub.browser(user).get("/user/ann/api/status").status_code == 200
    _ends(site, user)
    assert site.held() == {}


def test_a_lab_that_no_state_tells_of_is_found_by_its_label(site: DockerSite) -> None:
    user = site.user("ann")
    site.hub.spawn(user, {"profile": "one"})
    wait_for(lambda: site.containers("vision") == ["running"], 60, lambda: site.hub.log)
    # The state is written only once the lab is ready.
    site.hub.kill()
    site.hub.start()
    site.hub.wait_ready(user)

    assert site.containers("vision") == ["running"]
    assert site.board.until(
        lambda state: [str(one.state) for one in state.leases] == ["active"]
    )
    assert site.hub.browser(user).get("/user/ann/api/status").status_code == 200
    _ends(site, user)
    assert site.held() == {}
    assert site.containers("vision") == []


def test_a_missing_image_is_told_with_a_remedy(site: DockerSite) -> None:
    user = site.user("ann")
    pages = site.hub.browser(user)

    site.hub.spawn(user, {"profile": "one", "image": "gone"})
    site.hub.wait_gone(user)
    page = pages.get(f"/hub/spawn-pending/{user}").text

    assert "is not on vision, and cannot be brought there" in page
    assert "Choose another image" in page
    site.board.until(lambda state: not state.leases)


def test_a_pull_is_followed_by_percent_and_what_is_no_lab_is_said(
    site: DockerSite,
) -> None:
    user = site.user("ann")
    pages = site.hub.browser(user)

    site.hub.spawn(user, {"profile": "cpu", "image": "far"})
    events = pages.get(f"/hub/api/users/{user}/server/progress").text
    told = [str(step["message"]) for step in steps_of(events)]
    pulled = [int(found[1]) for one in told if (found := PULLING.match(one))]

    assert len(pulled) > 2, told
    assert pulled == sorted(set(pulled))
    assert pulled[-1] == 100
    site.hub.wait_gone(user)
    page = pages.get(f"/hub/spawn-pending/{user}").text
    assert "jupyterhub-singleuser" in page, page[-3000:]
    assert site.containers("vision") == []


def test_the_steps_of_a_start_are_told(site: DockerSite) -> None:
    user = site.user("ann")
    pages = site.hub.browser(user)

    site.hub.spawn(user, {"profile": "one"})
    events = pages.get(f"/hub/api/users/{user}/server/progress").text

    told = [str(step["message"]) for step in steps_of(events)]
    for words in ("1 GPU on vision", "Creating the container", "Starting", "Waiting"):
        assert any(words in message for message in told), told
    percents = [int(step["progress"]) for step in steps_of(events)]
    assert percents == sorted(percents)
    assert steps_of(events)[-1]["ready"] is True
    _ends(site, user)


def test_a_lab_that_ends_at_once_shows_its_log_and_frees_its_gpu(
    site: DockerSite,
) -> None:
    user = site.user("eve")
    site.hub.spawn(user, {"profile": "cpu"}).raise_for_status()
    site.hub.wait_ready(user)
    broken = "mkdir -p ~/.jupyter; echo 'print(\"it is broken\", flush=True); raise \
SystemExit(3)' > ~/.jupyter/jupyter_server_config.py"
    site.run_in("vision", user, "sh", "-c", broken)
    _ends(site, user)
    pages = site.hub.browser(user)

    site.hub.spawn(user, {"profile": "one"})
    site.hub.wait_gone(user)
    page = pages.get(f"/hub/spawn-pending/{user}").text

    assert "ended while it started" in page
    assert "it is broken" in page
    assert site.held() == {}
    assert site.containers("vision") == []


def test_a_start_that_is_cancelled_leaves_nothing(site: DockerSite) -> None:
    user = site.user("ann")
    site.hub.spawn(user, {"profile": "one"})
    wait_for(lambda: site.containers("vision"), 60, lambda: site.hub.log)

    site.hub.stop_lab(user)
    site.hub.wait_gone(user)

    site.board.until(lambda state: not state.leases)
    assert site.containers("vision") == []


def test_without_the_board_labs_without_a_gpu_start(site: DockerSite) -> None:
    ann, bob = site.user("ann"), site.user("bob")
    site.hub.spawn(ann, {"profile": "one"}).raise_for_status()
    site.hub.wait_ready(ann)
    pages = site.hub.browser(bob)
    site.board.kill()
    try:
        site.hub.spawn(bob, {"profile": "cpu"}).raise_for_status()
        site.hub.wait_ready(bob)
        _ends(site, bob)
        site.hub.spawn(bob, {"profile": "one"})
        site.hub.wait_gone(bob)
        page = pages.get(f"/hub/spawn-pending/{bob}").text
        assert "The board, which grants the GPUs, does not answer now" in page
        # What runs goes on, and a lab that ends meanwhile frees its GPU later.
        assert site.hub.browser(ann).get("/user/ann/api/status").status_code == 200
        _ends(site, ann)
    finally:
        site.board.start()
    site.board.until(lambda state: not state.leases, 30)


def test_named_labs_of_a_user_are_labs_of_their_own(site: DockerSite) -> None:
    user = site.user("ann")
    for server, profile in (("", "one"), ("second", "a100")):
        site.hub.spawn(user, {"profile": profile}, server).raise_for_status()
    for server in ("", "second"):
        site.hub.wait_ready(user, server)

    assert site.held() == {"lab:ann/": "active", "lab:ann/second": "active"}
    _ends(site, user, "second")
    assert site.held() == {"lab:ann/": "active"}
    _ends(site, user)


def _spawn_seconds(site: DockerSite, user: str) -> float:
    began = time.monotonic()
    site.hub.spawn(user, {"profile": "cpu-nlp"}).raise_for_status()
    site.hub.wait_ready(user)
    seconds = time.monotonic() - began
    _ends(site, user)
    return seconds


def test_a_hung_engine_holds_its_lease_and_delays_no_other_node(
    site: DockerSite, capsys: pytest.CaptureFixture[str]
) -> None:
    ann, bob = site.user("ann"), site.user("bob")
    waiting = [site.user(name) for name in ("carl", "dora", "eve")]
    site.hub.spawn(ann, {"profile": "one"}).raise_for_status()
    site.hub.wait_ready(ann)
    alone = min(_spawn_seconds(site, bob) for _ in range(3))
    site.engines["vision"].freeze()
    try:
        for user in waiting:
            site.hub.spawn(user, {"profile": "cpu"})
        site.hub.stop_lab(ann)
        beside = min(_spawn_seconds(site, bob) for _ in range(3))
        site.hub.wait_gone(ann, seconds=60)
        state = site.board.until(
            lambda state: [str(one.state) for one in state.leases] == ["lost"], 30
        )
        assert "gave no answer" in state.leases[0].reason
    finally:
        site.engines["vision"].thaw()
    with capsys.disabled():
        print(
            f"\na lab on nlp: {alone:.2f} s alone, {beside:.2f} s while vision's "
            f"engine hangs: {(beside - alone) * 1000:+.0f} ms"
        )
    # The figures are for people to judge. That bob's labs came while the engine hung is
    # what counts: `wait_gone` and `until` above ended before it was let go on.
    site.board.until(lambda state: not state.leases, 60)
    site.clear()
    wait_for(lambda: site.containers("vision") == [], 30, lambda: site.hub.log[-2000:])


def test_twenty_labs_that_do_not_want_to_end_take_no_longer_than_one(
    site: DockerSite, capsys: pytest.CaptureFixture[str]
) -> None:
    site.make_stubborn_image()
    users = [site.user(f"stubborn-{number}") for number in range(21)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda u: site.hub.spawn(u, {"profile": "stubborn"}), users))
    for user in users:
        site.hub.wait_ready(user)

    began = time.monotonic()
    _ends(site, users[0])
    one = time.monotonic() - began
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(site.hub.stop_lab, users[1:]))
    for user in users[1:]:
        site.hub.wait_gone(user)
    twenty = time.monotonic() - began

    with capsys.disabled():
        print(f"\nending labs that ignore SIGTERM: 1 in {one:.1f} s, 20 in ", end="")
        print(f"{twenty:.1f} s")
    assert one > 9
    # One after the other they would take twenty times as long.
    assert twenty < one + 10, (one, twenty)
    assert site.containers("vision") == []


def test_a_container_knows_its_users_keys_and_no_secret_of_the_hub(
    site: DockerSite,
) -> None:
    user = site.user("ann")
    site.hub.spawn(user, {"profile": "cpu"}).raise_for_status()
    site.hub.wait_ready(user)
    environment = site.container("vision", user)["Config"]["Env"]

    names = {line.partition("=")[0] for line in environment}
    assert "CLEARML_API_SECRET_KEY" in names
    assert "CLEARML_CONFIG_PATH" not in names
    assert site.board.hub_token not in json.dumps(site.container("vision", user))
    _ends(site, user)
