"""The mirror of ClearML's queues, against a real tracking server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.waylab_board.conftest import EPOCH, Ask, hub

from waylab_board.choices import can_ever_fit
from waylab_board.testing import FakeNode, RunningBoard, gpus, running_board, slots
from waylab_board.wants import GIB, Entry, WantsError, request_of
from waylab_clearml.client import Client
from waylab_clearml.credentials import Credentials
from waylab_clearml.errors import GpusError
from waylab_clearml.offer import GpuOffer, NodeOffer
from waylab_clearml.options import GpuWish
from waylab_clearml.queues import Queue, check_gpus, list_queues
from waylab_ledger.client import BoardForbids, Conflict, OwnerToken
from waylab_ledger.ledger import Ledger
from waylab_ledger.values import (
    DeviceKind,
    Found,
    Lease,
    LeaseState,
    NodeReport,
    Proof,
    ProofKind,
    Selector,
)
from waylab_ledger.views import NodePlan
from waylab_ledger.wire import BoardState
from waylab_site.model import Site
from waylab_tracking.testing import Server, running_server


@dataclass
class Jobs:
    """Makes tasks and puts them into queues, as users do."""

    server: Server

    def __post_init__(self) -> None:
        self.server.create_user("ada")
        for name in ("vision", "nlp", "small"):
            self.server.call("queues.create", {"name": name})

    def queue(self, name: str) -> str:
        found = self.server.call("queues.get_all", {"name": f"^{name}$"})["queues"]
        return str(found[0]["id"])

    def make(self, name: str, **parameters: str) -> str:
        items = {
            key: {"section": "Waylab", "name": key, "value": value}
            for key, value in parameters.items()
        }
        body = {"name": name, "type": "training", "hyperparams": {"Waylab": items}}
        return str(self.server.call("tasks.create", body, user="ada")["id"])

    def enqueue(self, queue: str, name: str, **parameters: str) -> str:
        task = self.make(name, **parameters)
        body = {"task": task, "queue": self.queue(queue)}
        self.server.call("tasks.enqueue", body, user="ada")
        return task

    def task(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = self.server.call("tasks.get_by_id", {"task": task})
        return dict(found["task"])


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    with running_server(tmp_path / "tracking") as server:
        yield Jobs(server)


@pytest.fixture
def board(tmp_path: Path, site: Site, jobs: Jobs) -> Iterator[RunningBoard]:
    with running_board(
        tmp_path / "board",
        site,
        tracking_api_url=jobs.server.url,
        tracking_key_file=str(jobs.server.state / "system.json"),
        mirror_seconds="0.4",
    ) as board:
        hub(board, "POST", "/epochs", {"epoch": EPOCH}).raise_for_status()
        yield board


def order(state: BoardState) -> list[str]:
    return [ticket.note for ticket in state.line]


def test_a_queued_task_is_granted_to_its_node(
    board: RunningBoard, jobs: Jobs, vision: FakeNode
) -> None:
    task = jobs.enqueue("vision", "train it", gpus="2")
    board.until(lambda state: bool(state.leases))

    [lease] = vision.report().grants

    assert lease.request.holder.text == f"job:{task}"
    assert (lease.request.user, lease.request.queue) == ("ada", "vision")
    assert lease.devices == ("GPU-vision-0", "GPU-vision-1")
    taken = vision.board.take(lease.id, vision.epoch)
    assert taken.state is LeaseState.GRANTED
    assert vision.report().grants == ()


def test_tasks_wait_in_the_order_of_their_queue(
    board: RunningBoard, jobs: Jobs, vision: FakeNode
) -> None:
    jobs.enqueue("vision", "first", gpus="2")
    board.until(lambda state: bool(state.leases))
    jobs.enqueue("vision", "second")
    third = jobs.enqueue("vision", "third")
    board.until(lambda state: order(state) == ["first", "second", "third"])

    body = {"task": third, "queue": jobs.queue("vision")}
    jobs.server.call("queues.move_task_to_front", body)

    board.until(lambda state: order(state)[-2:] == ["third", "second"])


def test_a_task_that_leaves_its_queue_leaves_the_line(
    board: RunningBoard, jobs: Jobs, vision: FakeNode
) -> None:
    jobs.enqueue("vision", "first", gpus="2")
    task = jobs.enqueue("vision", "second")
    board.until(lambda state: order(state) == ["first", "second"])

    jobs.server.call("tasks.dequeue", {"task": task}, user="ada")

    board.until(lambda state: order(state) == ["first"])


def test_a_job_without_a_gpu_gets_a_slot(board: RunningBoard, jobs: Jobs) -> None:
    cpu = FakeNode(board, "cpu", slots("cpu", 2))
    jobs.enqueue("small", "tidy up")
    board.until(lambda state: bool(state.leases))

    assert [lease.devices for lease in cpu.report().grants] == [("cpu:cpu:0",)]


def test_controllers_get_slots_of_their_own(
    board: RunningBoard, jobs: Jobs, nlp: FakeNode
) -> None:
    jobs.enqueue("services", "a pipeline", gpus="4")
    board.until(lambda state: bool(state.leases))

    [lease] = nlp.report().grants
    assert lease.devices == ("service:nlp:0",)


def test_a_task_with_nonsense_fails_with_a_sentence(
    board: RunningBoard, jobs: Jobs, vision: FakeNode
) -> None:
    task = jobs.enqueue("vision", "wrong", gpus="many")
    good = jobs.enqueue("vision", "right")
    board.until(lambda state: bool(state.leases))

    told = jobs.task(task)

    assert (told["status"], told["status_reason"]) == ("failed", "parameter-invalid")
    assert "Waylab/gpus is 'many'" in told["status_message"]
    verdict = json.loads(told["configuration"]["waylab_verdict"]["value"])
    assert verdict["reason"] == "parameter-invalid"
    assert jobs.task(good)["status"] == "queued"


def test_the_board_waits_for_tracking_and_says_so(
    board: RunningBoard, jobs: Jobs, vision: FakeNode
) -> None:
    jobs.server.kill()
    state = board.until(lambda state: bool(state.troubles), seconds=30)
    assert "The queues cannot be read" in state.troubles[0]

    jobs.server.start()
    jobs.enqueue("vision", "train it")

    state = board.until(lambda state: bool(state.leases), seconds=30)
    assert state.troubles == ()


def test_tickets_of_tasks_survive_a_restart_of_the_board(
    board: RunningBoard, jobs: Jobs, vision: FakeNode
) -> None:
    jobs.enqueue("vision", "first", gpus="2")
    jobs.enqueue("vision", "second")
    before = board.until(lambda state: len(state.line) == 2).line

    board.restart()

    after = board.until(lambda state: len(state.line) == 2).line
    assert [one.id for one in after] == [one.id for one in before]


def test_the_default_is_one_gpu_only_where_there_are_gpus(site: Site) -> None:
    entry = Entry("t", "now", "name", "ada", "p", {})
    gpu_nodes = frozenset({"vision", "nlp"})

    assert request_of(entry, "vision", site, gpu_nodes).selector == Selector(
        nodes=("vision",)
    )
    assert request_of(entry, "default", site, gpu_nodes).selector == Selector()
    assert request_of(entry, "small", site, gpu_nodes).selector == Selector(
        DeviceKind.CPU, nodes=("cpu",)
    )
    assert request_of(entry, "services", site, gpu_nodes).selector == Selector(
        DeviceKind.SERVICE
    )


def test_parameters_say_what_a_task_wants(site: Site) -> None:
    wanted = {
        "gpus": "2",
        "gpu_model": "A100",
        "gpu_min_memory_gib": "40",
        "node": "nlp",
        "time_limit_seconds": "60",
    }
    entry = Entry("t", "now", "name", "ada", "p", wanted)
    request = request_of(entry, "default", site, frozenset())

    assert request.selector == Selector(
        count=2, nodes=("nlp",), model="A100", min_memory_bytes=40 * 1024**3
    )
    assert request.priority == 2
    assert request.limit_seconds is not None
    assert request.limit_seconds > 60


@pytest.mark.parametrize(
    "wrong",
    [
        {"gpus": "-1"},
        {"gpus": "1e9"},
        {"gpus": "²"},
        {"gpus": "65"},
        {"gpus": "1", "gpu_min_memory_gib": "nan"},
        {"node": "mars"},
    ],
)
def test_nonsense_is_named(site: Site, wrong: dict[str, str]) -> None:
    entry = Entry("t", "now", "name", "ada", "p", wrong)

    with pytest.raises(WantsError, match=f"Waylab/{list(wrong)[-1]} is"):
        request_of(entry, "vision", site, frozenset({"vision"}))


def test_a_node_that_joins_gets_keys_of_its_own_until_it_is_revoked(
    board: RunningBoard, jobs: Jobs
) -> None:
    made = board.call("POST", "/join-tokens", {"node": "nlp"}).json()

    joined = board.call("POST", "/join", {}, token=made["token"]).json()

    assert joined["node"] == "nlp"
    assert joined["queues"] == ["nlp", "default"]
    assert Site.model_validate(joined["site"]) == board.site
    keys = joined["tracking"]
    login = f"{keys['api_url']}/auth.login"
    pair = (keys["access_key"], keys["secret_key"])
    assert httpx.post(login, json={}, auth=pair, trust_env=False).is_success
    [token] = board.call("GET", "/join-tokens").json()["tokens"]
    board.call("DELETE", f"/join-tokens/{token['id']}").raise_for_status()
    refused = httpx.post(login, json={}, auth=pair, trust_env=False)
    assert refused.status_code == 401


def test_an_agent_is_told_to_end_a_job_that_an_admin_ends(
    board: RunningBoard, jobs: Jobs, vision: FakeNode
) -> None:
    jobs.enqueue("vision", "train it")
    board.until(lambda state: bool(state.leases))
    [lease] = vision.report().grants
    vision.board.take(lease.id, vision.epoch)
    vision.board.activate(lease.id, engine_id="engine-of-vision", found="c1")
    vision.found = (
        Found("c1", lease.id, lease.request.holder.text, lease.devices, "running"),
    )
    assert vision.report().stop == ()

    board.call("POST", f"/leases/{lease.id}/end", {}).raise_for_status()

    orders = vision.report()
    assert (orders.stop, orders.reasons) == ((lease.id,), {lease.id: "aborted"})
    vision.found = ()
    vision.report()
    # The task waits in its queue still, and may have another lease already.
    assert lease.id not in {one.id for one in board.state().leases}


def test_what_no_node_could_ever_serve_is_known_once_all_have_reported() -> None:
    ledger, now = Ledger.open("memory://"), datetime.now(UTC)
    ledger.declare([NodePlan("vision"), NodePlan("nlp")], now)
    many = Selector(count=3, nodes=("vision",))
    before = can_ever_fit(many, ledger.snapshot(now))
    for node, devices in (("vision", gpus("vision", 2)), ("nlp", gpus("nlp", 4))):
        ledger.epoch(f"agent:{node}", node, now)
        ledger.report(NodeReport(node, node, now, devices, complete=True), now)
    snapshot = ledger.snapshot(now)

    assert before
    assert not can_ever_fit(many, snapshot)
    assert can_ever_fit(Selector(count=4), snapshot)
    assert not can_ever_fit(Selector(count=5), snapshot)
    ledger.close()


def test_queues_tell_what_is_free_for_them_labs_taken_off(
    board: RunningBoard, jobs: Jobs, vision: FakeNode, nlp: FakeNode, ask: Ask
) -> None:
    assert isinstance(ask("grace", Selector(nodes=("nlp",), count=3)), Lease)
    wanted = {"vision": (2, 2), "nlp": (4, 1), "default": (6, 3), "services": (2, 2)}

    with client(jobs.server) as reader:
        found = queues_where(
            reader,
            lambda queues: all(
                (queues[name].slots, queues[name].free_slots) == counts
                for name, counts in wanted.items()
            ),
        )

    assert found["nlp"].gpus == (
        GpuOffer("nlp", "A100", 80 * GIB, 4, 1, simulated=True),
    )
    assert [one.node for one in found["default"].gpus] == ["nlp", "vision"]
    assert found["nlp"].nodes == (NodeOffer("nlp", default_gpus=1),)
    assert found["services"].nodes == ()
    assert (found["nlp"].default_gpus, found["services"].gpus) == (1, ())


def test_what_a_queue_can_never_give_is_refused_before_it_is_submitted(
    board: RunningBoard, jobs: Jobs, vision: FakeNode, nlp: FakeNode
) -> None:
    with client(jobs.server) as reader:
        queues_where(reader, lambda queues: bool(queues["vision"].gpus))

        check_gpus(reader, "vision", GpuWish(2, "rtx", "vision", 24))
        for wish, field in (
            (GpuWish(3), "gpus"),
            (GpuWish(1, "A100"), "gpu_model"),
            (GpuWish(min_memory_gib=40), "gpu_min_memory_gib"),
            (GpuWish(mig_profile="1g.10gb"), "mig_profile"),
        ):
            with pytest.raises(GpusError, match="vision: 2 x RTX 4090") as refusal:
                check_gpus(reader, "vision", wish)
            assert refusal.value.field == field
        with pytest.raises(GpusError, match="name one of vision") as refusal:
            check_gpus(reader, "vision", GpuWish(node="nlp"))
        assert refusal.value.field == "node"


def client(server: Server) -> Client:
    access_key, secret_key = server.create_user("reader")
    return Client(
        Credentials(
            api_url=server.url,
            web_url=server.url,
            files_url=server.files_url,
            access_key=access_key,
            secret_key=secret_key,
        )
    )


def queues_where(
    reader: Client, is_so: Callable[[dict[str, Queue]], bool]
) -> dict[str, Queue]:
    deadline = time.monotonic() + 15
    while True:
        found = {queue.name: queue for queue in list_queues(reader)}
        if is_so(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_a_job_s_token_goes_to_the_node_that_holds_its_lease(
    board: RunningBoard, jobs: Jobs, vision: FakeNode, nlp: FakeNode
) -> None:
    task = jobs.enqueue("vision", "train it")
    board.until(lambda state: bool(state.leases))
    [lease] = vision.report().grants
    with pytest.raises(BoardForbids):
        vision.board.owner_keys(lease.id)
    vision.board.take(lease.id, vision.epoch)
    with pytest.raises(Conflict, match="neither claimed nor running"):
        vision.board.owner_keys(lease.id)
    where = {"task": task, "queue": jobs.queue("vision")}
    jobs.server.call("queues.remove_task", where)

    given = vision.board.owner_keys(lease.id)

    assert isinstance(given, OwnerToken)
    assert given.user == "ada"
    with pytest.raises(BoardForbids):
        nlp.board.owner_keys(lease.id)
    jobs.server.call("tasks.started", {"task": task})
    vision.board.release(lease.id, Proof(ProofKind.NEVER_STARTED, by=vision.epoch))
    assert isinstance(vision.board.owner_keys(lease.id), OwnerToken)
    jobs.server.call("tasks.stopped", {"task": task})
    with pytest.raises(Conflict):
        vision.board.owner_keys(lease.id)
