"""From a request to a released lease, on each kind of store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.waylab_ledger.site import NOON, Site, gpu, lab

from waylab_ledger.errors import Conflict, LeaseGone, NotFound, Refused
from waylab_ledger.granting import TAKE_WITHIN
from waylab_ledger.line import MOST_OVERTAKINGS
from waylab_ledger.values import (
    Lease,
    LeaseState,
    Proof,
    ProofKind,
    Selector,
    TicketState,
)
from waylab_ledger.views import NodePlan

ALL = Selector(nodes=("vision",), count=2)


def test_what_fits_is_granted_at_once(site: Site) -> None:
    lease = site.ask(lab("ann", limit_seconds=60))
    assert (lease.node, lease.devices) == ("vision", ("GPU-vision-0",))
    assert lease.taker == site.hub
    assert site.held() == {"GPU-vision-0": lease.id}
    assert site.ledger.check() == ()


def test_without_a_taker_it_is_set_aside_for_ten_minutes(site: Site) -> None:
    lease = site.ledger.submit(lab("ann"), site.now)
    assert isinstance(lease, Lease)
    assert (lease.state, lease.take_by) == (LeaseState.PENDING, NOON + TAKE_WITHIN)
    taken = site.ledger.take(lease.id, site.hub, site.now)
    assert taken.state is LeaseState.GRANTED
    assert site.ledger.take(lease.id, site.hub, site.now) == taken


def test_the_same_key_gives_the_same_answer(site: Site) -> None:
    request = lab("ann", ALL)
    lease = site.ask(request)
    assert site.ledger.submit(request, site.now, site.hub) == lease
    waiting = lab("bob", ALL)
    ticket = site.wait(waiting)
    assert site.ledger.submit(waiting, site.now, site.hub) == ticket
    over = site.ledger.release(lease.id, site.never(), site.now)
    assert site.ledger.submit(request, site.now, site.hub) == over


def test_a_wish_that_nothing_could_ever_fulfil_is_refused(site: Site) -> None:
    with pytest.raises(Refused, match=r"vision: 2 x RTX 4090 \(24 GiB"):
        site.ledger.submit(lab("ann", Selector(count=5)), site.now)
    with pytest.raises(Refused, match="ask for 1 or more"):
        site.ledger.submit(lab("ann", Selector(count=0)), site.now)
    assert site.ledger.snapshot(site.now).tickets == ()


def test_a_wish_for_a_node_that_was_never_seen_waits(site: Site) -> None:
    plans = [NodePlan("vision"), NodePlan("nlp"), NodePlan("new")]
    site.ledger.declare(plans, site.now)
    ticket = site.wait(lab("ann", Selector(count=8, nodes=("new",))))
    site.add("new", *(gpu("new", index) for index in range(8)))
    assert [one.ticket for one in site.ledger.decide(site.now)] == [ticket.id]


def test_a_holder_has_one_lease(site: Site) -> None:
    site.ask(lab("ann"))
    with pytest.raises(Conflict, match="lab:ann/ still has lease"):
        site.ledger.submit(lab("ann"), site.now)


def test_a_holder_has_one_ticket_and_the_same_wish_keeps_its_place(site: Site) -> None:
    site.ask(lab("bob", ALL))
    first, other = site.wait(lab("ann", ALL)), site.wait(lab("eve", ALL))
    assert site.wait(lab("ann", ALL)).id == first.id
    changed = site.wait(lab("ann", replace(ALL, count=1)))
    assert changed.id != first.id
    assert site.ledger.ticket(first.id).reason == "replaced by another request"
    order = [one.ticket for one in site.ledger.line(site.now)]
    assert order == [other.id, changed.id]


def test_a_process_has_to_register_before_it_takes(site: Site) -> None:
    with pytest.raises(Conflict, match="not registered"):
        site.ledger.submit(lab("ann"), site.now, "stranger")
    site.ledger.epoch("hub", "hub-2", site.now)
    with pytest.raises(Conflict, match="counts as dead"):
        site.ledger.submit(lab("ann"), site.now, site.hub)
    with pytest.raises(Conflict, match="is over"):
        site.ledger.epoch("hub", site.hub, site.now)
    site.ledger.epoch("hub", "hub-2", site.now)


def test_another_process_cannot_take_what_is_taken(site: Site) -> None:
    lease = site.ask(lab("ann"))
    with pytest.raises(LeaseGone, match="taken by another process"):
        site.ledger.take(lease.id, site.agents["vision"], site.now)
    with pytest.raises(NotFound):
        site.ledger.take("nothing", site.hub, site.now)


def test_a_successor_takes_over(site: Site) -> None:
    lease = site.ask(lab("ann"))
    site.ledger.epoch("hub", "hub-2", site.now)
    assert site.ledger.take(lease.id, "hub-2", site.now).taker == "hub-2"
    last = site.ledger.events(0, 1000)[-1]
    assert (last.kind.value, last.lease) == ("lease-taken-over", lease.id)
    assert "takes over from hub-1" in last.text
    site.ledger.take(lease.id, "hub-2", site.now)
    assert site.ledger.events(0, 1000)[-1] == last


def test_a_lease_takes_its_way(site: Site) -> None:
    lease = site.ask(lab("ann", limit_seconds=60))
    site.pass_(5)
    active = site.ledger.activate(lease.id, site.now, "engine-vision", "box")
    assert active.state is LeaseState.ACTIVE
    assert active.until == NOON + timedelta(seconds=65)
    site.pass_(5)
    same = site.ledger.activate(lease.id, site.now, "engine-vision", "box")
    assert same == active
    ending = site.ledger.releasing(lease.id, "stopped", site.now)
    assert (ending.state, ending.reason) == (LeaseState.RELEASING, "stopped")
    assert site.held() == {"GPU-vision-0": lease.id}
    over = site.ledger.release(lease.id, site.gone(lease), site.now)
    assert (over.state, over.released_at) == (LeaseState.RELEASED, site.now)
    assert site.held() == {}
    assert site.ledger.release(lease.id, site.gone(lease), site.now) == over
    with pytest.raises(LeaseGone, match="stop what was started"):
        site.ledger.activate(lease.id, site.now, "engine-vision", "box")
    with pytest.raises(LeaseGone):
        site.ledger.take(lease.id, site.hub, site.now)


def test_a_proof_that_proves_nothing_changes_nothing(site: Site) -> None:
    lease = site.run(lab("ann"))
    wrong = Proof(ProofKind.NO_CONTAINER, site.hub, engine_id="another")
    with pytest.raises(Conflict, match="proves nothing"):
        site.ledger.release(lease.id, wrong, site.now)
    assert site.ledger.lease(lease.id) == lease


def test_an_activation_after_the_end_was_asked_for_does_not_undo_it(site: Site) -> None:
    lease = site.ask(lab("ann"))
    site.ledger.releasing(lease.id, "cancelled", site.now)
    late = site.ledger.activate(lease.id, site.now, "engine-vision", "box")
    assert (late.state, late.engine_id) == (LeaseState.RELEASING, "engine-vision")


def test_a_ticket_is_granted_when_its_turn_comes(site: Site) -> None:
    lease = site.run(lab("ann", ALL))
    ticket = site.wait(lab("bob", ALL))
    assert site.ledger.decide(site.now) == ()
    site.ledger.release(lease.id, site.gone(lease), site.now)
    (granted,) = site.ledger.decide(site.now)
    assert granted.ticket == ticket.id
    assert site.ledger.ticket(ticket.id).state is TicketState.GRANTED
    site.ledger.take(granted.id, site.hub, site.now)
    closed = site.ledger.ticket(ticket.id)
    assert (closed.state, closed.reason) == (TicketState.CLOSED, "taken")
    assert closed.lease == granted.id


def test_what_is_not_claimed_in_time_goes_to_the_next(site: Site) -> None:
    site.run(lab("ann", Selector(nodes=("vision",))))
    first = site.ledger.submit(lab("bob", Selector(nodes=("vision",))), site.now)
    assert isinstance(first, Lease)
    next_ = site.wait(lab("eve", Selector(nodes=("vision",))))
    site.pass_(601)
    site.report("vision")
    (granted,) = site.ledger.decide(site.now)[:1]
    assert granted.ticket == next_.id
    assert site.ledger.ticket(first.ticket or "").reason == "not claimed"
    with pytest.raises(LeaseGone, match="not claimed"):
        site.ledger.take(first.id, site.hub, site.now)


def test_giving_up_a_ticket_gives_its_lease_back(site: Site) -> None:
    lease = site.ledger.submit(lab("ann"), site.now)
    assert isinstance(lease, Lease)
    ticket = site.ledger.give_up(lease.ticket or "", site.now)
    assert (ticket.state, ticket.reason) == (TicketState.CLOSED, "given up")
    assert site.held() == {}
    assert site.ledger.give_up(ticket.id, site.now) == ticket
    with pytest.raises(NotFound):
        site.ledger.give_up("nothing", site.now)


def test_giving_up_after_the_taking_leaves_the_lease(site: Site) -> None:
    lease = site.ask(lab("ann"))
    site.ledger.give_up(lease.ticket or "", site.now)
    assert site.state(lease) is LeaseState.GRANTED


def test_a_large_request_is_passed_only_so_often(site: Site) -> None:
    whole = Selector(nodes=("nlp",), count=4)
    one = Selector(nodes=("nlp",))
    running = site.run(lab("first", one))
    large = site.wait(lab("large", whole))
    passed = 0
    for number in range(20):
        answer = site.ledger.submit(lab(f"u{number}", one), site.now, site.hub)
        if not isinstance(answer, Lease):
            break
        passed += 1
        site.ledger.release(answer.id, site.never(), site.now)
    assert passed == MOST_OVERTAKINGS
    site.ledger.decide(site.now)
    assert site.ledger.ticket(large.id).target == "nlp"
    site.ledger.release(running.id, site.gone(running), site.now)
    (granted,) = site.ledger.decide(site.now)
    assert granted.ticket == large.id
