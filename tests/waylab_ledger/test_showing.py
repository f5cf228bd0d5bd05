"""What the ledger tells: events, usage and the line, on each kind of store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.waylab_ledger.site import NOON, Site, box, lab

from waylab_ledger.values import (
    Selector,
)

ALL = Selector(nodes=("vision",), count=2)


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


def test_places_stay_as_they_are_while_every_node_is_silent(site: Site) -> None:
    site.run(lab("ann", ALL))
    first = site.wait(lab("bob", ALL))
    second = site.wait(lab("eve", ALL))
    site.pass_(60)
    site.ledger.sweep(site.now)

    line = site.ledger.line(site.now)

    assert [one.ahead for one in line] == [(), (first.id,)]
    assert (line[1].ticket, line[1].expected_to) == (second.id, None)


def test_what_is_kept_for_one_who_was_overtaken_is_not_shown_as_free(
    site: Site,
) -> None:
    held = site.run(lab("ann", Selector(nodes=("vision",))))
    site.wait(lab("zoe", ALL))
    for user in ("u1", "u2", "u3", "u4"):
        passing = site.ask(lab(user, Selector(nodes=("vision",))))
        site.ledger.release(passing.id, site.never(), site.now)
    site.ledger.decide(site.now)

    shown = {one.device.id: one for one in site.ledger.snapshot(site.now).devices}
    [kept] = [
        one
        for one in shown.values()
        if one.device.node == "vision" and one.device.id not in held.devices
    ]
    assert kept.lease is None
    assert not kept.is_open_to(0)
    site.wait(lab("new", Selector(nodes=("vision",))))
    elsewhere = [one for one in shown.values() if one.device.node == "nlp"]
    assert all(one.is_open_to(0) for one in elsewhere)


def test_who_is_less_urgent_keeps_nothing_from_those_before(site: Site) -> None:
    site.run(lab("ann", Selector(nodes=("vision",))))
    site.wait(lab("zoe", ALL, priority=1))
    for user in ("u1", "u2", "u3", "u4"):
        wanted = Selector(nodes=("vision",))
        passing = site.ask(lab(user, wanted, priority=1))
        site.ledger.release(passing.id, site.never(), site.now)
    site.ledger.decide(site.now)
    shown = site.ledger.snapshot(site.now).devices
    [free] = [one for one in shown if one.device.node == "vision" and not one.lease]
    assert free.kept_from == 1
    assert free.is_open_to(0)
    assert not free.is_open_to(1)
    site.ask(lab("new", Selector(nodes=("vision",))))
