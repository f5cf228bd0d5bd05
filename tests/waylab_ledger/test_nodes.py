"""Nodes, their reports and clocks, on each kind of store."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.waylab_ledger.site import NOON, Site, box, gpu, lab

from waylab_ledger.errors import Conflict, NotFound
from waylab_ledger.ledger import Ledger
from waylab_ledger.values import (
    Found,
    Lease,
    LeaseState,
    NodeState,
    ProofKind,
    Selector,
    TicketState,
)
from waylab_ledger.views import NodePlan

ALL = Selector(nodes=("vision",), count=2)


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


def test_whoever_waited_keeps_the_turn_when_the_hub_dies_before_the_start(
    site: Site,
) -> None:
    before = site.run(lab("ann", ALL))
    mine = site.wait(lab("bob", ALL, options='{"profile": "one"}'))
    behind = site.wait(lab("eve", ALL))
    site.ledger.release(before.id, site.gone(before), site.now)
    (lease,) = site.ledger.decide(site.now)
    site.ledger.take(lease.id, site.hub, site.now)
    site.ledger.epoch("hub", "hub-2", site.now)

    site.report("vision")
    site.report("vision")

    assert site.state(lease) is LeaseState.RELEASED
    assert [one.ticket for one in site.ledger.line(site.now)] == [mine.id, behind.id]
    (again,) = site.ledger.decide(site.now)
    assert (again.ticket, again.state) == (mine.id, LeaseState.PENDING)


def test_whoever_gave_up_a_start_waits_no_more_when_the_hub_dies(site: Site) -> None:
    before = site.run(lab("ann", ALL))
    site.wait(lab("bob", ALL, options='{"profile": "one"}'))
    site.ledger.release(before.id, site.gone(before), site.now)
    (lease,) = site.ledger.decide(site.now)
    site.ledger.take(lease.id, site.hub, site.now)
    site.ledger.releasing(lease.id, "given up", site.now)
    site.ledger.epoch("hub", "hub-2", site.now)

    site.report("vision")
    site.report("vision")

    assert site.state(lease) is LeaseState.RELEASED
    assert site.ledger.line(site.now) == ()


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


@pytest.mark.parametrize("state", ["created", "running", "exited"])
def test_a_lab_without_a_gpu_is_nobodys_orphan(site: Site, state: str) -> None:
    small = Found("small", "", "lab:x/", (), state)

    assert site.report("vision", small).orphans == ()


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


def test_a_start_that_was_cut_off_may_be_on_any_engine_that_answered(
    site: Site,
) -> None:
    # While nothing runs there, another engine is taken for the node's own.
    site.engines["vision"] = "another"
    site.report("vision")
    site.report("vision")
    cut_off, abandoned = site.ask(lab("ann")), site.ask(lab("bob"))
    site.ledger.lose(abandoned.id, "the engine did not answer", site.now)
    site.hub = "hub-2"
    site.ledger.epoch("hub", site.hub, site.now)

    for _ in range(2):
        site.report("vision")

    for lease in (cut_off, abandoned):
        lost = site.ledger.lease(lease.id)
        assert lost.state is LeaseState.LOST
        assert "several engines (another, engine-vision)" in lost.reason
    events = len(site.ledger.events(0, 1000))
    site.report("vision")
    assert len(site.ledger.events(0, 1000)) == events
    site.report("vision", box(cut_off))
    assert site.state(cut_off) is LeaseState.ACTIVE
    site.ledger.fence("vision", "admin", site.now)
    assert site.state(cut_off) is site.state(abandoned) is LeaseState.RELEASED
    for _ in range(2):
        site.report("vision")
    again = site.ask(lab("eve", Selector(nodes=("vision",))))
    site.ledger.epoch("hub", "hub-3", site.now)
    for _ in range(2):
        site.report("vision")
    assert site.state(again) is LeaseState.RELEASED


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


def test_a_new_hub_that_finds_nothing_of_a_start_gives_the_turn_back(
    site: Site,
) -> None:
    before = site.run(lab("ann", ALL))
    mine = site.wait(lab("bob", ALL, options='{"profile": "one"}'))
    site.ledger.release(before.id, site.gone(before), site.now)
    (lease,) = site.ledger.decide(site.now)
    site.ledger.take(lease.id, site.hub, site.now)
    site.ledger.epoch("hub", "hub-2", site.now)

    site.ledger.release(lease.id, site.gone(lease), site.now)

    assert [one.ticket for one in site.ledger.line(site.now)] == [mine.id]


def test_a_start_that_its_own_hub_gives_back_is_over(site: Site) -> None:
    before = site.run(lab("ann", ALL))
    site.wait(lab("bob", ALL, options='{"profile": "one"}'))
    site.ledger.release(before.id, site.gone(before), site.now)
    (lease,) = site.ledger.decide(site.now)
    site.ledger.take(lease.id, site.hub, site.now)

    site.ledger.release(lease.id, site.never(), site.now)

    assert site.ledger.line(site.now) == ()
