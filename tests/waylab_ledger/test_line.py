"""Who is next in the line, and who may pass whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.waylab_ledger.site import NOON, gpu, job, lab

from waylab_ledger.line import AGEING, MOST_OVERTAKINGS, in_order, plan
from waylab_ledger.placement import Capacity
from waylab_ledger.values import Request, Selector, Ticket, TicketState


def ticket(serial: int, request: Request, position: int | None = None) -> Ticket:
    return Ticket(
        id=f"t{serial}",
        request=request,
        created_at=NOON,
        state=TicketState.WAITING,
        queue_position=position,
        serial=serial,
    )


def order(*tickets: Ticket, hours: float = 0) -> list[str]:
    return [one.id for one in in_order(tickets, NOON + timedelta(hours=hours))]


def node(name: str, count: int, free: int) -> Capacity:
    devices = tuple(gpu(name, index) for index in range(count))
    return Capacity(name, devices, frozenset(one.id for one in devices[:free]))


def test_rank_comes_before_arrival() -> None:
    low = ticket(1, lab("a", priority=2))
    high = ticket(2, lab("b", priority=0))
    assert order(low, high) == ["t2", "t1"]


def test_who_waits_long_comes_before_newer_ones_of_a_better_rank() -> None:
    low = ticket(1, lab("a", priority=2))
    late = replace(ticket(2, lab("b", priority=0)), created_at=NOON + 2 * AGEING)
    assert order(low, late, hours=5) == ["t2", "t1"]
    assert order(low, late, hours=12) == ["t1", "t2"]


def test_a_clock_that_went_back_makes_nobody_wait_longer_than_its_rank() -> None:
    assert order(ticket(1, lab("a")), ticket(2, lab("b")), hours=-9) == ["t1", "t2"]


def test_inside_a_queue_the_order_of_the_queue_rules() -> None:
    first, second = ticket(1, job("x"), position=1), ticket(2, job("y"), position=0)
    assert order(first, second) == ["t2", "t1"]


def test_a_task_moved_to_the_front_does_not_pass_those_outside_its_queue() -> None:
    mine = ticket(1, job("x"), position=1)
    other = ticket(2, lab("a"))
    moved = ticket(3, job("y"), position=0)
    assert order(mine, other, moved) == ["t3", "t2", "t1"]


def test_queues_keep_to_themselves() -> None:
    vision = [ticket(s, job(f"v{s}", queue="vision"), p) for s, p in ((1, 1), (4, 0))]
    nlp = [ticket(s, job(f"n{s}", queue="nlp"), p) for s, p in ((2, 0), (3, 1))]
    assert order(*vision, *nlp) == ["t4", "t2", "t3", "t1"]


def test_what_fits_is_granted_in_order() -> None:
    line = [ticket(1, lab("a")), ticket(2, lab("b")), ticket(3, lab("c"))]
    found = plan(line, [node("a", 2, free=2)])
    assert [one.ticket.id for one in found.grants] == ["t1", "t2"]


def test_a_small_request_passes_a_large_one_that_does_not_fit() -> None:
    large = ticket(1, lab("a", Selector(count=4)))
    found = plan([large, ticket(2, lab("b"))], [node("a", 4, free=1)])
    assert [(one.ticket.id, one.overtakes) for one in found.grants] == [("t2", ("t1",))]


def test_passing_who_wants_other_devices_does_not_count() -> None:
    large = ticket(1, lab("a", Selector(count=4, nodes=("a",))))
    found = plan(
        [large, ticket(2, lab("b", Selector(nodes=("b",))))],
        [node("a", 4, free=1), node("b", 1, free=1)],
    )
    assert [one.overtakes for one in found.grants] == [()]


def test_after_enough_overtakings_a_node_is_kept() -> None:
    large = ticket(0, lab("z", Selector(count=8)))
    small = [ticket(n, lab(f"u{n}")) for n in range(1, 8)]
    found = plan([large, *small], [node("a", 8, free=7)])
    assert len(found.grants) == MOST_OVERTAKINGS
    assert found.targets == {"t0": "a"}


def test_what_is_kept_is_kept_from_those_behind_only() -> None:
    kept = replace(
        ticket(5, lab("z", Selector(count=2))),
        overtaken=MOST_OVERTAKINGS,
        target="a",
    )
    before, behind = ticket(1, lab("a")), ticket(9, lab("b"))
    found = plan([before, kept, behind], [node("a", 2, free=1)])
    assert [one.ticket.id for one in found.grants] == ["t1"]
    found = plan([kept, behind], [node("a", 2, free=1)])
    assert found.grants == ()


def test_other_nodes_stay_open_to_those_behind() -> None:
    kept = replace(
        ticket(1, lab("z", Selector(count=2))), overtaken=MOST_OVERTAKINGS, target="a"
    )
    nodes = [node("a", 2, free=1), node("b", 2, free=1)]
    found = plan([kept, ticket(2, lab("b"))], nodes)
    assert [(one.ticket.id, one.placement.node) for one in found.grants] == [
        ("t2", "b")
    ]


def test_a_target_stays_until_its_node_can_no_longer_serve() -> None:
    kept = replace(
        ticket(1, lab("z", Selector(count=2))), overtaken=MOST_OVERTAKINGS, target="a"
    )
    nodes = [node("a", 2, free=0), node("b", 2, free=1)]
    assert plan([kept], nodes).targets == {}
    assert plan([kept], nodes[1:]).targets == {"t1": "b"}
    assert plan([kept], []).targets == {"t1": None}


def test_what_fits_nowhere_keeps_nothing() -> None:
    never = replace(ticket(1, lab("z", Selector(count=9))), overtaken=MOST_OVERTAKINGS)
    found = plan([never, ticket(2, lab("b"))], [node("a", 2, free=1)])
    assert [one.ticket.id for one in found.grants] == ["t2"]
