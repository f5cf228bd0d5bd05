"""Against a real container engine."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.waylab_engine.tiny import IMAGE, REFERENCE

from waylab_engine import arguments, found, plans
from waylab_engine.absence import judge
from waylab_engine.engine import Engine
from waylab_engine.errors import (
    ContainerConflict,
    ContainerMissing,
    EngineTimeout,
    ImageMissing,
    StartRefused,
)
from waylab_engine.plan import ContainerPlan
from waylab_engine.plans import Ground, Limits, Occupant, Program, Wish
from waylab_ledger.values import Holder, ProofKind
from waylab_rig.rig import RunningEngine
from waylab_site.model import Homes, HomesKind, Image, Share

pytestmark = pytest.mark.docker

MIB = 1024**2


class Maker:
    """Makes containers that a test leaves behind for its fixture to remove."""

    def __init__(self, engine: Engine, node: RunningEngine) -> None:
        self.engine = engine
        self.info = engine.info()
        self.node = node
        self.made: list[str] = []

    def plan(self, *command: str, name: str = "t1", **fields: Any) -> ContainerPlan:
        values: dict[str, Any] = {
            "site_id": "site",
            "node": "n1",
            "engine": self.info,
            "images": (IMAGE,),
            "host": self.node.address.host,
        }
        devices = fields.pop("devices", ())
        options = arguments.parse(fields.pop("options", ""))
        ports = fields.pop("ports", ())
        return plans.job(
            Ground(**{**values, **fields}),
            Occupant(Holder.job(name), "ann", lease="L1", devices=devices),
            Limits(cpus=1, memory_bytes=64 * MIB, pids=64),
            Program(("/do", *command), {"A": "1"}, working_dir="/", ports=ports),
            Wish(options=options),
        )

    def create(self, *command: str, name: str = "t1", **fields: Any) -> str:
        container = self.engine.create(self.plan(*command, name=name, **fields))
        self.made.append(container)
        return container

    def run(self, *command: str, name: str = "t1", **fields: Any) -> str:
        """Run to its end; give what it wrote."""
        container = self.create(*command, name=name, **fields)
        self.engine.start(container)
        self.until(container, "exited")
        return self.engine.logs(container)

    def until(self, container: str, status: str) -> None:
        deadline = time.monotonic() + 20
        while self.engine.inspect(container).status != status:
            assert time.monotonic() < deadline, self.engine.inspect(container)
            time.sleep(0.02)


@pytest.fixture
def maker(engine: Engine, node: RunningEngine) -> Iterator[Maker]:
    maker = Maker(engine, node)
    yield maker
    for container in maker.made:
        engine.remove(container, force=True)


def test_a_containers_life(maker: Maker) -> None:
    engine = maker.engine
    container = maker.create("say", "hello", "wait")
    engine.start(container)
    engine.start(container)
    running = engine.inspect(container)
    engine.stop(container, grace_seconds=5)
    ended = engine.inspect(container)

    assert (running.status, running.is_running) == ("running", True)
    assert running.labels["org.waylab.lease"] == "L1"
    assert (ended.status, ended.exit_code) == ("exited", 143)
    assert engine.logs(container) == "hello\nhere\n"
    assert engine.logs(container, tail=1) == "here\n"
    engine.stop(container)
    engine.remove(container)
    engine.remove(container)
    engine.stop(container)
    with pytest.raises(ContainerMissing):
        engine.inspect(container)


def test_two_containers_of_one_holder_cannot_be(maker: Maker) -> None:
    maker.create("wait")

    with pytest.raises(ContainerConflict, match="already in use"):
        maker.create("wait")


def test_an_image_that_is_not_there_is_named(maker: Maker) -> None:
    gone = Image(name="gone", title="Gone", reference="waylab-test/gone:1")

    assert not maker.engine.has_image(gone.reference)
    with pytest.raises(ImageMissing, match="waylab-test/gone:1"):
        maker.create("wait", images=(gone,))


def test_a_program_that_is_not_there_is_told_in_the_log(maker: Maker) -> None:
    plan = dataclasses.replace(maker.plan(), command=("/nowhere",))
    container = maker.engine.create(plan)
    maker.made.append(container)

    maker.engine.start(container)
    maker.until(container, "exited")

    assert maker.engine.inspect(container).exit_code == 127
    assert "/nowhere" in maker.engine.logs(container)


def test_a_container_runs_without_any_privilege(maker: Maker) -> None:
    said = maker.run("show", "/proc/self/status")

    fields = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["1000"] * 4
    capabilities = {v for name, v in fields.items() if name.startswith("Cap")}
    assert capabilities == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"


def test_limits_reach_the_kernel(maker: Maker) -> None:
    said = maker.run(
        *("show", "/proc/mounts", "env", "NVIDIA_VISIBLE_DEVICES", "env", "A"),
        options="--shm-size 16m -m 32m",
    )

    assert "shm /dev/shm tmpfs" in said
    assert "size=16384k" in said
    assert "NVIDIA_VISIBLE_DEVICES=void\nA=1\n" in said


def test_memory_beyond_its_limit_is_known_as_such(maker: Maker) -> None:
    container = maker.create("wait")
    limits = maker.engine.connection.get_ok(f"/containers/{container}/json")

    assert limits["HostConfig"]["Memory"] == 64 * MIB
    assert limits["HostConfig"]["PidsLimit"] == 64
    assert limits["HostConfig"]["NanoCpus"] == 1_000_000_000


def test_homes_and_shares_are_writable_for_the_user_and_stay(
    maker: Maker, node: RunningEngine
) -> None:
    folder = node.places.folder / "shares"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    shares = (
        Share(name="data", mount="/data", path=str(folder / "data")),
        Share(name="own", mount="/own", path=f"{folder}/{{user}}", mode="rw"),
        Share(name="volume", mount="/volume", volume="waylab-test-v", mode="rw"),
    )
    places = ("/home/lab", "/own", "/volume", "/data")

    first = maker.run(
        *(word for place in places for word in ("touch", f"{place}/x")),
        *(word for place in places for word in ("stat", place)),
        shares=shares,
    )
    maker.engine.remove(maker.made[-1])
    again = maker.run("stat", "/home/lab/x", "stat", "/volume/x", shares=shares)

    assert first.splitlines() == [
        "touch /home/lab/x: done",
        "touch /own/x: done",
        "touch /volume/x: done",
        "touch /data/x: refused",
        "/home/lab 1000 700",
        "/own 1000 700",
        "/volume 1000 700",
        "/data 0 755",
    ]
    assert again.splitlines() == ["/home/lab/x 1000 600", "/volume/x 1000 600"]
    assert (folder / "ann" / "x").stat().st_uid == 1000


def test_a_folder_of_somebody_else_is_left_alone(
    maker: Maker, node: RunningEngine
) -> None:
    base = node.places.folder / "homes"
    own = base / "ann"
    own.mkdir(parents=True)
    own.chmod(0o750)
    os.chown(own, 4711, 4711)
    homes = Homes(kind=HomesKind.FOLDER, path=f"{base}/{{user}}")

    said = maker.run("touch", "/home/lab/x", homes=homes)

    assert said == "touch /home/lab/x: refused\n"
    assert (own.stat().st_uid, own.stat().st_mode & 0o777) == (4711, 0o750)


def test_a_share_that_is_missing_is_named_and_not_made(
    maker: Maker, node: RunningEngine
) -> None:
    missing = node.places.folder / "missing"
    share = Share(name="data", mount="/data", path=str(missing))

    with pytest.raises(Exception, match=str(missing)):
        maker.create("wait", shares=(share,))

    assert not missing.exists()


def test_leased_devices_are_seen_and_no_others(
    maker: Maker, node: RunningEngine
) -> None:
    one, other = node.uuids

    said = maker.run(
        *("show", "/run/waylab-gpus/00/device", "show", "/run/waylab-gpus/01/device"),
        *("env", "NVIDIA_VISIBLE_DEVICES"),
        devices=(other,),
    )

    assert f"uuid {other}\n" in said
    assert one not in said
    assert said.endswith(f"NVIDIA_VISIBLE_DEVICES={other}\n")


def test_a_device_that_is_not_there_is_the_engines_own_error(maker: Maker) -> None:
    container = maker.create("wait", devices=("GPU-nope",))

    with pytest.raises(StartRefused, match="GPU-nope: unknown device"):
        maker.engine.start(container)


def test_a_published_port_is_on_the_nodes_own_address(
    maker: Maker, node: RunningEngine
) -> None:
    container = maker.create("wait", ports=(8888,))
    maker.engine.start(container)

    host, port = maker.engine.inspect(container).ports[8888]

    assert host == node.address.host
    assert port > 0


def test_files_are_put_into_a_container_for_its_user(maker: Maker) -> None:
    container = maker.create("stat", "/files/a", "show", "/files/a")
    maker.engine.put(container, "/files", {"a": b"secret\n"}, uid=1000)

    maker.engine.start(container)
    maker.until(container, "exited")

    assert maker.engine.logs(container) == "/files/a 1000 600\nsecret\n"


def test_a_look_shows_this_sites_containers_in_every_state(
    maker: Maker, node: RunningEngine
) -> None:
    engine = maker.engine
    ids = [maker.create("wait", name=name) for name in ("a", "b", "c")]
    foreign = maker.create("wait", name="d", site_id="other")
    engine.start(ids[1])
    engine.start(ids[2])
    engine.kill(ids[2])
    maker.until(ids[2], "exited")

    seen = found.look(engine, "site")

    assert seen.complete
    assert seen.engine_id == node.engine_id
    assert {(one.id, one.holder, one.state) for one in seen.found} == {
        (ids[0], "job:a", "created"),
        (ids[1], "job:b", "running"),
        (ids[2], "job:c", "exited"),
    }
    assert foreign not in {one.id for one in seen.found}


def test_the_engine_itself_proves_that_a_container_is_gone(
    maker: Maker, node: RunningEngine
) -> None:
    engine = maker.engine
    container = maker.create("wait")

    def proof() -> ProofKind | None:
        given = judge(
            engine.ask(container),
            container=container,
            engine_id=node.engine_id,
            by="test",
        )
        return given.kind if given else None

    created = proof()
    engine.start(container)
    running = proof()
    engine.kill(container)
    maker.until(container, "exited")
    exited = proof()
    engine.remove(container)
    gone = proof()

    assert (created, running, exited, gone) == (
        None,
        None,
        ProofKind.EXITED,
        ProofKind.NO_CONTAINER,
    )


def test_stopping_many_stubborn_containers_takes_as_long_as_one(maker: Maker) -> None:
    engine = maker.engine
    many = [maker.create("stubborn", "wait", name=f"s{n}") for n in range(8)]
    for container in many:
        engine.start(container)
    deadline = time.monotonic() + 20
    while not all("here" in engine.logs(one) for one in many):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    threads = [threading.Thread(target=engine.stop, args=(one, 2)) for one in many]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began

    assert took < 8  # One after the other: 16 s and more.
    assert {engine.inspect(one).exit_code for one in many} == {137}


def test_a_frozen_engine_is_given_up_in_time_and_comes_back(
    maker: Maker, node: RunningEngine
) -> None:
    container = maker.create("wait")
    maker.engine.start(container)
    node.freeze()
    try:
        with node.engine(timeout_seconds=0.5) as impatient:
            began = time.monotonic()
            with pytest.raises(EngineTimeout):
                impatient.info()
            took = time.monotonic() - began
            answer = impatient.ask(container)
            seen = found.look(impatient, "site")
    finally:
        node.thaw()

    assert took < 2
    assert judge(answer, container=container, engine_id=node.engine_id, by="t") is None
    assert not seen.complete
    assert maker.engine.inspect(container).is_running


def test_the_engine_tells_its_means(maker: Maker, node: RunningEngine) -> None:
    assert maker.info.id == node.engine_id
    assert maker.info.cpus >= 1
    assert maker.engine.gateway().count(".") == 3
    assert maker.engine.has_image(REFERENCE)
