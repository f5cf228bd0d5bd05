"""ClearML queues in the line, on each kind of store."""

from __future__ import annotations

from tests.waylab_ledger.site import Site, job, lab

from waylab_ledger.values import (
    Lease,
    LeaseState,
    Proof,
    ProofKind,
    Request,
    Selector,
)

ALL = Selector(nodes=("vision",), count=2)


def holders(leases: tuple[Lease, ...]) -> list[str]:
    return [str(one.request.holder) for one in leases]


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
