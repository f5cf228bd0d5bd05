"""What the ledger promises, on each kind of store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.waylab_ledger.site import NOON, Site, box, gpu, job, lab, two_nodes

from waylab_ledger.errors import Conflict, LeaseGone, NotFound, Refused
from waylab_ledger.granting import TAKE_WITHIN
from waylab_ledger.ledger import Ledger
from waylab_ledger.line import MOST_OVERTAKINGS
from waylab_ledger.values import (
    Found,
    Lease,
    LeaseState,
    NodeState,
    Proof,
    ProofKind,
    Request,
    Selector,
    TicketState,
)
from waylab_ledger.views import NodePlan

ALL = Selector(nodes=("vision",), count=2)


@pytest.fixture
def site(ledger: Ledger) -> Site:
    return two_nodes(ledger)


def holders(leases: tuple[Lease, ...]) -> list[str]:
    return [str(one.request.holder) for one in leases]


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


def queue(site: Site, *requests: Request) -> None:
    site.ledger.mirror("default", requests, site.now)


def test_a_queue_is_mirrored_with_its_order(site: Site) -> None:
    site.run(lab("x", ALL))
    site.run(lab("y", Selector(nodes=("nlp",), count=4)))
    a, b, c = (job(name) for name in ("a", "b", "c"))
    queue(site, a, b)
    queue(site, c, b, a)
    tickets = {one.id: one for one in site.ledger.snapshot(site.now).tickets}
    line = [str(tickets[p.ticket].request.holder) for p in site.ledger.line(site.now)]
    assert line == ["job:c", "job:b", "job:a"]
    version = site.ledger.snapshot(site.now).version
    queue(site, c, b, a)
    assert site.ledger.snapshot(site.now).version == version


def test_what_left_the_queue_has_no_ticket(site: Site) -> None:
    queue(site, job("a"), job("b"))
    (first, second) = site.ledger.decide(site.now)
    queue(site, job("b"))
    assert site.state(first) is LeaseState.RELEASED
    assert site.ledger.ticket(first.ticket or "").reason == "left the queue"
    assert site.state(second) is LeaseState.PENDING


def test_a_task_that_is_being_claimed_gets_no_second_ticket(site: Site) -> None:
    queue(site, job("a"))
    (lease,) = site.ledger.decide(site.now)
    site.ledger.take(lease.id, site.agents[lease.node], site.now)
    queue(site, job("a"))
    assert site.ledger.snapshot(site.now).tickets == ()


def test_a_claim_that_was_undone_has_its_old_place(site: Site) -> None:
    queue(site, job("a"))
    (lease,) = site.ledger.decide(site.now)
    first = site.ledger.ticket(lease.ticket or "")
    agent = site.agents[lease.node]
    site.ledger.take(lease.id, agent, site.now)
    queue(site)
    site.ledger.release(lease.id, Proof(ProofKind.NEVER_STARTED, agent), site.now)
    site.pass_(3)
    queue(site, job("a"))
    (again,) = site.ledger.snapshot(site.now).tickets
    assert (again.serial, again.created_at) == (first.serial, first.created_at)
    assert again.id != first.id


def test_a_task_that_ran_and_is_queued_again_has_a_new_place(site: Site) -> None:
    queue(site, job("a"))
    (lease,) = site.ledger.decide(site.now)
    site.ledger.take(lease.id, site.agents[lease.node], site.now)
    queue(site)
    site.ledger.activate(lease.id, site.now, site.engines[lease.node], "c")
    site.ledger.release(lease.id, site.gone(lease, ProofKind.EXITED), site.now)
    queue(site, job("a"))
    (again,) = site.ledger.snapshot(site.now).tickets
    assert again.serial > 1
    assert again.created_at == site.now


def test_a_task_may_move_to_another_queue(site: Site) -> None:
    site.run(lab("x", ALL))
    site.run(lab("y", Selector(nodes=("nlp",), count=4)))
    queue(site, job("a"))
    site.ledger.mirror("vision", [job("a")], site.now)
    queue(site)
    (ticket,) = site.ledger.snapshot(site.now).tickets
    assert (ticket.request.queue, ticket.queue_position) == ("vision", 0)


def test_a_task_that_is_edited_asks_for_what_it_says_now(site: Site) -> None:
    site.run(lab("x", ALL))
    site.run(lab("y", Selector(nodes=("nlp",), count=3)))
    queue(site, job("a", Selector(count=2)))
    assert site.ledger.decide(site.now) == ()
    queue(site, job("a", Selector(count=1)))
    assert holders(site.ledger.decide(site.now)) == ["job:a"]


def test_a_node_takes_no_leases_before_it_reported_everything(ledger: Ledger) -> None:
    site = Site(ledger)
    ledger.declare([NodePlan("a")], site.now)
    ledger.epoch("hub", site.hub, site.now)
    ticket = site.wait(lab("ann"))
    site.devices["a"], site.engines["a"] = (gpu("a", 0),), "E"
    site.agents["a"] = "a1"
    site.report("a", complete=False)
    assert ledger.decide(site.now) == ()
    site.report("a")
    assert [one.ticket for one in ledger.decide(site.now)] == [ticket.id]


def test_silence_makes_a_node_down_and_its_leases_lost(site: Site) -> None:
    active, granted = site.run(lab("ann")), site.ask(lab("bob"))
    pending = site.ledger.submit(lab("eve", Selector(nodes=("nlp",))), site.now)
    assert isinstance(pending, Lease)
    site.pass_(46)
    site.ledger.sweep(site.now)
    states = [one.state for one in site.ledger.snapshot(site.now).nodes]
    assert states == [NodeState.DOWN, NodeState.DOWN]
    assert site.state(active) is LeaseState.LOST
    assert site.ledger.lease(active.id).reason == "vision is silent."
    assert site.state(granted) is LeaseState.LOST
    assert site.state(pending) is LeaseState.RELEASED
    assert site.ledger.ticket(pending.ticket or "").state is TicketState.WAITING
    assert set(site.held()) == {*active.devices, *granted.devices}
    assert site.ledger.check() == ()


def test_a_silent_node_takes_no_lease_even_before_the_sweep(site: Site) -> None:
    site.pass_(46)
    site.wait(lab("ann"))


def test_what_was_lost_is_found_again(site: Site) -> None:
    active, granted = site.run(lab("ann")), site.ask(lab("bob"))
    site.pass_(60)
    site.ledger.sweep(site.now)
    site.report("vision", box(active))
    assert site.state(active) is LeaseState.ACTIVE
    assert site.state(granted) is LeaseState.GRANTED
    assert site.ledger.lease(active.id).started_at == NOON


def test_what_was_ending_when_it_was_lost_is_ending_when_found(site: Site) -> None:
    lease = site.run(lab("ann"))
    site.ledger.releasing(lease.id, "stopped", site.now)
    site.ledger.lose(lease.id, "the engine hangs", site.now)
    site.report("vision", box(lease))
    assert site.state(lease) is LeaseState.RELEASING


def test_a_report_that_does_not_show_an_active_lease_frees_it(site: Site) -> None:
    lease = site.run(lab("ann"))
    site.report("vision")  # Its look began before the activation was known.
    assert site.state(lease) is LeaseState.ACTIVE
    site.report("vision")
    over = site.ledger.lease(lease.id)
    assert over.state is LeaseState.RELEASED
    assert over.proof is not None
    assert (over.proof.kind, over.proof.by) == (
        ProofKind.NO_CONTAINER,
        "agent:vision",
    )


def test_a_hub_that_died_between_grant_and_start_leaves_no_lease(site: Site) -> None:
    lease = site.ask(lab("ann"))
    for _ in range(3):
        site.report("vision")
    assert site.state(lease) is LeaseState.GRANTED
    site.ledger.epoch("hub", "hub-2", site.now)
    site.report("vision")
    assert site.state(lease) is LeaseState.GRANTED
    site.report("vision")
    assert site.state(lease) is LeaseState.RELEASED


def test_a_hub_that_died_after_the_start_is_found_by_its_container(site: Site) -> None:
    lease = site.ask(lab("ann", limit_seconds=60))
    site.ledger.epoch("hub", "hub-2", site.now)
    site.report("vision", box(lease))
    found = site.ledger.lease(lease.id)
    assert found.state is LeaseState.ACTIVE
    assert (found.engine_id, found.found) == ("engine-vision", f"box-{lease.id}")
    assert found.until is not None


def test_a_created_container_of_a_dead_hub_is_removed_before_it_is_absent(
    site: Site,
) -> None:
    lease = site.ask(lab("ann"))
    created = box(lease, "created")
    site.ledger.epoch("hub", "hub-2", site.now)
    assert site.report("vision", created).orphans == (created,)
    assert site.report("vision", created).orphans == (created,)
    assert site.state(lease) is LeaseState.GRANTED
    site.report("vision")
    assert site.state(lease) is LeaseState.RELEASED


def test_a_start_that_was_given_up_is_freed_by_the_next_look(site: Site) -> None:
    lease = site.ask(lab("ann"))
    site.ledger.lose(lease.id, "the engine did not answer", site.now)
    site.report("vision")
    assert site.state(lease) is LeaseState.LOST
    site.report("vision")
    assert site.state(lease) is LeaseState.RELEASED


def test_a_container_without_a_lease_is_an_orphan_and_keeps_its_devices(
    site: Site,
) -> None:
    stray = Found("stray", "old", "lab:x/", ("GPU-vision-0",), "running")
    assert site.report("vision", stray).orphans == (stray,)
    lease = site.ask(lab("ann", Selector(nodes=("vision",))))
    assert lease.devices == ("GPU-vision-1",)
    site.wait(lab("bob", Selector(nodes=("vision",))))
    site.report("vision", box(lease))
    assert len(site.ledger.decide(site.now)) == 1


def test_a_lease_that_is_set_aside_gives_way_to_an_orphan(site: Site) -> None:
    lease = site.ledger.submit(lab("ann", ALL), site.now)
    assert isinstance(lease, Lease)
    stray = Found("stray", "old", "lab:x/", ("GPU-vision-0",), "running")
    site.report("vision", stray)
    assert site.ledger.ticket(lease.ticket or "").state is TicketState.WAITING


def test_an_exited_container_is_left_to_its_starter_for_a_while(site: Site) -> None:
    lease = site.run(lab("ann"))
    site.ledger.release(lease.id, site.gone(lease, ProofKind.EXITED), site.now)
    exited = box(lease, "exited")
    assert site.report("vision", exited).orphans == ()
    site.pass_(61)
    assert site.report("vision", exited).orphans == (exited,)


def test_another_engine_on_the_node_loses_its_leases(site: Site) -> None:
    lease = site.run(lab("ann"))
    site.engines["vision"] = "another"
    for _ in range(2):
        site.report("vision")
    lost = site.ledger.lease(lease.id)
    assert lost.state is LeaseState.LOST
    assert "another engine" in lost.reason
    site.ledger.fence("vision", "admin", site.now)
    assert site.state(lease) is LeaseState.RELEASED


def test_a_report_of_a_dead_agent_is_not_used(site: Site) -> None:
    site.ledger.epoch("agent:vision", "agent-vision-2", site.now)
    with pytest.raises(Conflict, match="is over"):
        site.report("vision")


def test_a_report_that_was_overtaken_is_not_used(site: Site) -> None:
    lease = site.run(lab("ann"))
    site.pass_(10)
    site.report("vision", box(lease))
    stray = Found("stray", "old", "lab:x/", ("GPU-vision-1",), "running")
    outcome = site.report("vision", stray, began_at=site.now - timedelta(seconds=5))
    assert outcome.orphans == ()
    assert site.state(lease) is LeaseState.ACTIVE


def test_a_report_of_an_unknown_node_or_of_anothers_device_is_refused(
    site: Site,
) -> None:
    site.agents["x"], site.devices["x"], site.engines["x"] = "x1", (), "x"
    with pytest.raises(NotFound, match="no node 'x'"):
        site.report("x")
    site.devices["vision"] = (gpu("nlp", 0),)
    with pytest.raises(Conflict, match="GPU-nlp-0"):
        site.report("vision")
    site.devices["vision"] = (gpu("vision", 0), gpu("vision", 0))
    with pytest.raises(Conflict, match="twice"):
        site.report("vision")


def test_a_device_that_vanished_stays_held(site: Site) -> None:
    lease = site.run(lab("ann", ALL))
    site.devices["vision"] = site.devices["vision"][:1]
    site.report("vision", box(lease))
    shown = site.ledger.snapshot(site.now).devices
    assert [
        (one.present, one.lease) for one in shown if one.device.node == "vision"
    ] == [
        (True, lease.id),
        (False, lease.id),
    ]
    site.ledger.release(lease.id, site.gone(lease), site.now)
    site.report("vision")
    assert [
        d.device.id
        for d in site.ledger.snapshot(site.now).devices
        if d.device.node == "vision"
    ] == ["GPU-vision-0"]


def test_a_drained_node_keeps_what_runs_and_takes_nothing_new(site: Site) -> None:
    lease = site.run(lab("ann", Selector(nodes=("vision",))))
    set_aside = site.ledger.submit(lab("bob", Selector(nodes=("vision",))), site.now)
    assert isinstance(set_aside, Lease)
    site.ledger.drain("vision", True, "admin", site.now)
    assert site.state(lease) is LeaseState.ACTIVE
    assert site.ledger.ticket(set_aside.ticket or "").state is TicketState.WAITING
    assert site.ledger.decide(site.now) == ()
    site.ledger.drain("vision", False, "admin", site.now)
    assert len(site.ledger.decide(site.now)) == 1


def test_a_fence_frees_everything_once(site: Site) -> None:
    lease = site.run(lab("ann", ALL))
    ticket = site.wait(lab("bob", ALL))
    site.ledger.fence("vision", "admin", site.now, key="f1")
    assert site.state(lease) is LeaseState.RELEASED
    assert site.ledger.decide(site.now) == ()
    site.report("vision", seen=0)  # Began before the fence.
    assert site.ledger.decide(site.now) == ()
    site.report("vision")
    (granted,) = site.ledger.decide(site.now)
    assert granted.ticket == ticket.id
    site.ledger.fence("vision", "admin", site.now, key="f1")
    assert site.state(granted) is LeaseState.PENDING
    with pytest.raises(NotFound):
        site.ledger.fence("nowhere", "admin", site.now)


def test_a_fence_waits_for_a_start_that_is_under_way(site: Site) -> None:
    lease = site.ask(lab("ann", ALL))
    site.ledger.fence("vision", "admin", site.now)
    assert site.state(lease) is LeaseState.RELEASING
    site.ledger.lose(lease.id, "the engine does not answer", site.now)
    assert site.state(lease) is LeaseState.LOST
    site.ledger.fence("vision", "admin", site.now)
    over = site.ledger.lease(lease.id)
    assert over.state is LeaseState.RELEASED
    assert over.proof is not None
    assert over.proof.kind is ProofKind.FENCED


def test_a_node_that_left_the_site_stays_while_it_holds_something(site: Site) -> None:
    lease = site.run(lab("ann", ALL))
    site.ledger.declare([NodePlan("nlp")], site.now)
    names = [(n.name, n.declared) for n in site.ledger.snapshot(site.now).nodes]
    assert names == [("nlp", True), ("vision", False)]
    site.ledger.release(lease.id, site.gone(lease), site.now)
    site.ledger.sweep(site.now)
    assert [n.name for n in site.ledger.snapshot(site.now).nodes] == ["nlp"]


def test_the_sweep_tells_whose_time_is_over(site: Site) -> None:
    lease = site.run(lab("ann", limit_seconds=30))
    assert site.ledger.sweep(site.now) == ()
    site.pass_(30)
    assert [one.id for one in site.ledger.sweep(site.now)] == [lease.id]
    site.ledger.releasing(lease.id, "timeout", site.now)
    assert site.ledger.sweep(site.now) == ()


def test_a_clock_that_jumps_back_shortens_and_loses_nothing(site: Site) -> None:
    active = site.run(lab("ann", limit_seconds=3600))
    pending = site.ledger.submit(lab("bob"), site.now)
    assert isinstance(pending, Lease)
    site.pass_(-24 * 3600)
    assert site.ledger.sweep(site.now) == ()
    assert site.state(active) is LeaseState.ACTIVE
    assert site.ledger.lease(active.id).until == active.until
    site.pass_(599)
    site.report("vision", box(active))
    site.ledger.sweep(site.now)
    assert site.state(pending) is LeaseState.PENDING
    site.pass_(2)
    site.ledger.sweep(site.now)
    assert site.state(pending) is LeaseState.RELEASED


def test_silence_is_noticed_after_a_clock_jumped_back(site: Site) -> None:
    lease = site.run(lab("ann"))
    site.pass_(-24 * 3600)
    site.ledger.sweep(site.now)
    site.pass_(46)
    site.ledger.sweep(site.now)
    assert site.state(lease) is LeaseState.LOST


def test_absence_is_proven_after_a_clock_jumped_back(site: Site) -> None:
    lease = site.run(lab("ann"))
    site.pass_(-24 * 3600)
    for _ in range(2):
        site.report("vision")
    assert site.state(lease) is LeaseState.RELEASED


def test_every_change_leaves_an_event(site: Site) -> None:
    first = site.ledger.events(0, 1000)[-1].number
    lease = site.run(lab("ann", groups=("cv",), project="p"))
    site.ledger.releasing(lease.id, "stopped", site.now)
    site.ledger.lose(lease.id, "hangs", site.now)
    site.ledger.release(lease.id, site.gone(lease), site.now)
    events = site.ledger.events(first, 1000)
    assert [one.kind.value for one in events] == [
        "ticket-opened",
        "lease-pending",
        "lease-granted",
        "ticket-closed",
        "lease-active",
        "lease-releasing",
        "lease-lost",
        "lease-released",
    ]
    granted = events[2]
    assert (granted.user, granted.groups, granted.project) == ("ann", ("cv",), "p")
    assert (granted.node, granted.devices, granted.gpus) == (
        "vision",
        lease.devices,
        1.0,
    )
    assert [one.number for one in events] == list(range(first + 1, first + 9))
    assert site.ledger.events(first + 2, 2) == events[2:4]


def test_usage_is_gpu_seconds_from_taking_to_release(site: Site) -> None:
    both = site.run(lab("ann", ALL, groups=("cv", "all"), project="p"))
    site.pass_(100)
    site.report("nlp")
    one = site.run(lab("bob", groups=("all",)))
    site.ledger.submit(lab("eve"), site.now)  # Only set aside: uses nothing.
    site.pass_(100)
    site.ledger.release(both.id, site.gone(both), site.now)
    site.pass_(50)
    ledger, end = site.ledger, site.now
    assert ledger.usage(NOON, end, "user") == {"ann": 400.0, "bob": 150.0}
    assert ledger.usage(NOON, end, "group") == {"cv": 400.0, "all": 550.0}
    assert ledger.usage(NOON, end, "project") == {"p": 400.0, "": 150.0}
    assert ledger.usage(NOON, end, "node") == {"vision": 400.0, one.node: 150.0}
    later = NOON + timedelta(seconds=150)
    assert ledger.usage(later, end, "user") == {"ann": 100.0, "bob": 100.0}
    assert ledger.usage(end, end + timedelta(seconds=5), "user") == {"bob": 5.0}


def test_the_line_says_who_is_before_and_when_to_expect(site: Site) -> None:
    site.run(lab("ann", ALL, limit_seconds=600))
    first = site.wait(lab("bob", ALL, limit_seconds=300))
    second = site.wait(lab("eve", replace(ALL, count=1)))
    third = site.wait(lab("zoe", replace(ALL, count=1)))
    line = site.ledger.line(site.now)
    assert [(one.ticket, one.position, one.ahead) for one in line] == [
        (first.id, 1, ()),
        (second.id, 2, (first.id,)),
        (third.id, 3, (first.id, second.id)),
    ]
    assert [one.expected_to for one in line] == [
        NOON + timedelta(seconds=600),
        NOON + timedelta(seconds=900),
        NOON + timedelta(seconds=900),
    ]
    assert all(one.expected_from is not None for one in line)


def test_where_a_holder_has_no_limit_nobody_knows_the_late_end(site: Site) -> None:
    site.run(lab("ann", ALL))
    site.wait(lab("bob", ALL))
    (place,) = site.ledger.line(site.now)
    assert place.expected_from == NOON
    assert place.expected_to is None


def test_the_early_end_learns_from_past_leases(site: Site) -> None:
    for number in range(8):
        lease = site.run(lab(f"u{number}", ALL))
        site.pass_(1000)
        for node in ("vision", "nlp"):
            site.report(node, *([box(lease)] if node == lease.node else []))
        site.ledger.release(lease.id, site.gone(lease), site.now)
    running = site.run(lab("ann", ALL))
    site.wait(lab("bob", ALL))
    (place,) = site.ledger.line(site.now)
    assert place.expected_from == running.since + timedelta(seconds=1000)


def test_waiting_for_other_devices_is_not_being_ahead(site: Site) -> None:
    site.run(lab("ann", ALL))
    site.run(lab("bob", Selector(nodes=("nlp",), count=4)))
    site.wait(lab("eve", ALL))
    site.wait(lab("zoe", Selector(nodes=("nlp",))))
    assert [one.position for one in site.ledger.line(site.now)] == [1, 1]
