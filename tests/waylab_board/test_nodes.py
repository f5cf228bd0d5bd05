"""What agents say and hear, what admins do to nodes, and how nodes join."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.waylab_board.conftest import Ask, hub

from waylab_board.board import node_plans
from waylab_board.node_keys import INVITATION_HOURS, NodeKeys
from waylab_board.testing import FakeNode, RunningBoard, gpus
from waylab_ledger.client import BoardForbids, NodeBoard
from waylab_ledger.values import (
    Found,
    Lease,
    LeaseState,
    NodeReport,
    NodeState,
    Selector,
)
from waylab_site.model import Node, Profile, Queue, Site


def test_a_report_shows_devices_and_how_much_they_do(
    board: RunningBoard, vision: FakeNode
) -> None:
    vision.utilisation = {
        "GPU-vision-1": {"gpu_percent": 40.0, "memory_used_bytes": 5.0}
    }
    vision.report()

    node = board.state().nodes[0]
    assert (node.name, node.state, node.description) == (
        "vision",
        NodeState.UP,
        "Two cards",
    )
    assert [one.gpu_percent for one in node.devices] == [None, 40.0]
    assert all(one.free and one.device.simulated for one in node.devices)


def test_an_orphan_is_named_and_its_device_not_granted(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    orphan = Found("c9", "nobody", "lab:eve/", ("GPU-vision-0",), "running")
    vision.found = (orphan,)

    assert vision.report().orphans == (orphan,)
    lease = ask("ada")
    assert isinstance(lease, Lease)
    assert lease.devices == ("GPU-vision-1",)


def test_a_lease_is_freed_only_by_a_look_that_began_after_it_ran(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    lease = ask("ada")
    early = NodeReport(
        "vision",
        vision.epoch,
        datetime.now(UTC),
        vision.devices,
        complete=True,
        engine_id="engine-of-vision",
    )
    running = {"engine_id": "engine-of-vision", "found": "c1"}
    hub(board, "POST", f"/leases/{lease.id}/active", running).raise_for_status()

    vision.board.report(early)
    assert board.state().leases[0].state is LeaseState.ACTIVE

    vision.report()  # It hears the version of now,
    vision.report()  # and only this look began after that.
    assert board.state().leases == ()


def test_a_look_from_before_the_board_was_heard_proves_nothing(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    lease = ask("ada")
    running = {"engine_id": "engine-of-vision", "found": "c1"}
    hub(board, "POST", f"/leases/{lease.id}/active", running).raise_for_status()
    with board.node("vision") as fresh:
        for _ in range(2):
            fresh.report(
                NodeReport(
                    "vision",
                    vision.epoch,
                    datetime.now(UTC) - timedelta(hours=1),
                    vision.devices,
                    complete=True,
                    engine_id="engine-of-vision",
                )
            )

    assert len(board.state().leases) == 1


def test_a_nodes_token_is_bound_to_its_node(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    lease = ask("ada", take=False)
    with board.node("nlp") as nlp:
        nlp.epoch("agent-nlp")
        with pytest.raises(BoardForbids, match="Only the agent of vision"):
            nlp.report(NodeReport("vision", "e", datetime.now(UTC), ()))
        with pytest.raises(BoardForbids, match="not one that nlp starts"):
            nlp.take(lease.id, "agent-nlp")


def test_a_drained_node_takes_nothing_and_an_undrained_does(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    board.call("POST", "/nodes/vision/drain").raise_for_status()
    ticket = ask("ada", take=False)
    assert board.state().nodes[0].state is NodeState.DRAINED
    assert not any(one.free for one in board.state().nodes[0].devices)
    assert not isinstance(ticket, Lease)

    board.call("POST", "/nodes/vision/undrain").raise_for_status()
    board.until(lambda state: bool(state.leases))


def test_fencing_needs_the_nodes_name_and_frees_what_it_held(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    lease = ask("ada")
    running = {"engine_id": "engine-of-vision", "found": "c1"}
    hub(board, "POST", f"/leases/{lease.id}/active", running).raise_for_status()
    refused = board.call("POST", "/nodes/vision/fence", {"confirm": "yes"})
    assert refused.status_code == 400
    assert len(board.state().leases) == 1

    board.call("POST", "/nodes/vision/fence", {"confirm": "vision"}).raise_for_status()

    assert board.state().leases == ()
    unknown = board.call("POST", "/nodes/mars/fence", {"confirm": "mars"})
    assert unknown.status_code == 404


def test_a_fence_that_is_sent_again_ends_nothing_that_came_after_it(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    fence = {"confirm": "vision", "key": "k1"}
    ask("ada")
    board.call("POST", "/nodes/vision/fence", fence).raise_for_status()
    vision.report()
    ask("bob")
    (later,) = board.until(lambda state: bool(state.leases)).leases

    board.call("POST", "/nodes/vision/fence", fence).raise_for_status()

    assert [one.id for one in board.state().leases] == [later.id]


def test_a_node_joins_once_with_an_invitation(board: RunningBoard) -> None:
    made = board.call("POST", "/join-tokens", {"node": "vision"}).json()

    token = NodeBoard.join(board.url, made["token"])

    assert made["command"].endswith(made["token"])
    with NodeBoard(board.url, token) as node:
        node.epoch("agent-1")
        node.report(NodeReport("vision", "agent-1", datetime.now(UTC), ()))
    with pytest.raises(BoardForbids, match="spent"):
        NodeBoard.join(board.url, made["token"])


def test_a_revoked_token_is_refused_at_once(
    board: RunningBoard, vision: FakeNode
) -> None:
    [key] = board.call("GET", "/join-tokens").json()["tokens"]
    assert "sha256" not in key

    board.call("DELETE", f"/join-tokens/{key['id']}").raise_for_status()

    with pytest.raises(BoardForbids):
        vision.report()
    assert board.call("DELETE", f"/join-tokens/{key['id']}").status_code == 404


def test_joining_again_ends_the_earlier_token(board: RunningBoard) -> None:
    first = board.node_token("vision")
    board.node_token("vision")

    assert board.call("GET", "/state", token=first).status_code == 401


def test_an_invitation_ends_after_a_day(board: RunningBoard) -> None:
    keys = NodeKeys(board.state_folder / "node-keys")
    now = datetime.now(UTC)
    _, token = keys.invite("vision", "root", now)

    assert keys.join(token, now + timedelta(hours=INVITATION_HOURS + 1)) is None
    assert keys.join(token, now) is not None


def test_of_invitations_with_the_same_key_the_last_one_is_good(
    board: RunningBoard,
) -> None:
    wanted = {"node": "vision", "key": "retry"}
    made = [board.call("POST", "/join-tokens", wanted).json() for _ in range(2)]
    assert made[0]["id"] == made[1]["id"]
    listed = board.call("GET", "/join-tokens").json()["invitations"]
    assert [one["id"] for one in listed].count(made[0]["id"]) == 1
    with pytest.raises(BoardForbids, match="spent"):
        NodeBoard.join(board.url, made[0]["token"])
    assert NodeBoard.join(board.url, made[1]["token"]).startswith("node-")


def test_only_a_node_of_the_site_is_invited(board: RunningBoard) -> None:
    refused = board.call("POST", "/join-tokens", {"node": "mars"})

    assert refused.status_code == 404
    assert "vision, nlp, cpu" in refused.json()["message"]


def test_the_hubs_machine_may_report_slots_though_it_is_no_node(
    board: RunningBoard,
) -> None:
    hub_node = FakeNode(board, "hub", ())

    assert hub_node.report().stop == ()


def test_a_gpu_that_vanishes_is_not_free(
    board: RunningBoard, vision: FakeNode, ask: Ask
) -> None:
    ask("ada", Selector(count=2))
    vision.devices = gpus("vision", 1, "RTX 4090", 24)
    vision.report()

    troubles = [one.trouble for one in board.state().nodes[0].devices]
    assert troubles == ["", "The node does not report it any more."]


def test_a_new_agent_of_a_node_makes_the_old_one_step_back(
    board: RunningBoard, vision: FakeNode
) -> None:
    old = replace(NodeReport("vision", vision.epoch, datetime.now(UTC), ()))
    vision.board.epoch("the-next")

    answer = board.call(
        "POST",
        "/nodes/vision/report",
        {
            "node": "vision",
            "epoch": old.epoch,
            "began_at": old.began_at.isoformat(),
            "devices": [],
        },
        token=board.node_token("vision"),
    )

    assert answer.status_code == 409


def test_a_node_that_the_site_calls_large_is_spared_by_the_ledger() -> None:
    nodes = (Node(name="vision"), Node(name="nlp", address="nlp", large=True))
    site = Site(
        nodes=nodes,
        queues=(Queue(name="default"),),
        profiles=(Profile(name="cpu", title="No GPU"),),
    )

    plans = {plan.name: plan.large for plan in node_plans(site)}

    assert plans == {"vision": False, "nlp": True}
