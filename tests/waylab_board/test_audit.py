"""Every difference that the audit knows, seeded one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.waylab_ledger.site import Site, job, lab, two_nodes

from waylab_board.audit import (
    ENDS_WITHIN,
    Tasks,
    of_ends,
    of_labs,
    of_nodes,
    of_tasks,
)
from waylab_board.hub import HubLab
from waylab_board.wants import Entry
from waylab_ledger.ledger import Ledger
from waylab_ledger.memory import MemoryStore
from waylab_ledger.values import Found, Lease, LeaseState, NodeReport, Selector, Ticket

WHOLE = Selector(count=4, nodes=("nlp",))


@dataclass
class Ground:
    """A lab on vision, a job on nlp, a job that waits: all as they should be."""

    site: Site
    lab: Lease
    job: Lease
    waiting: Ticket
    reports: dict[str, NodeReport] = field(default_factory=dict)
    labs: dict[tuple[str, str], HubLab] = field(default_factory=dict)
    queued: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)

    def see(self, node: str, *found: Found, **changes: Any) -> None:
        """Let a node's agent have seen this."""
        whole = NodeReport(
            node=node,
            epoch="agent",
            began_at=self.site.now,
            devices=self.site.devices[node],
            found=found,
            complete=True,
        )
        self.reports[node] = replace(whole, **changes)

    def told(self) -> list[str]:
        """Give every difference."""
        shot = self.site.ledger.snapshot(self.site.now)
        return [
            *of_nodes(shot, self.reports),
            *of_ends(shot, self.site.now),
            *of_labs(shot, self.labs),
            *of_tasks(shot, Tasks(self.queued, self.running, self.statuses)),
        ]


def _box(of: Lease, /, **changes: Any) -> Found:
    holder = str(of.request.holder)
    found = Found(f"box-{of.id}", of.id, holder, of.devices, "running")
    return replace(found, **changes)


def _entry(task: str) -> Entry:
    return Entry(task, "", "a task", "ann", "", {})


@pytest.fixture
def ground() -> Ground:
    site = two_nodes(Ledger(MemoryStore()))
    held = site.run(lab("ann", Selector(nodes=("vision",))))
    runs = site.run(job("t1", WHOLE))
    waits = site.wait(job("t2", WHOLE))
    site.pass_(1)
    ground = Ground(site, held, runs, waits)
    ground.see("vision", _box(held))
    ground.see("nlp", _box(runs))
    ground.labs = {("ann", ""): HubLab(ready=True, pending="", started_at=None)}
    ground.queued = {"default": (_entry("t2"),)}
    ground.running = {"t1": "nlp:0"}
    ground.statuses = {"t1": "in_progress"}
    return ground


def _an_unknown_lease(ground: Ground) -> None:
    stranger = _box(ground.lab, id="box-x", lease="gone", holder="lab:eve/")
    ground.see("vision", _box(ground.lab), stranger)


def _other_devices(ground: Ground) -> None:
    ground.see("vision", _box(ground.lab, devices=("GPU-else",)))


def _nothing_seen(ground: Ground) -> None:
    ground.see("vision")


def _only_an_ended_one_seen(ground: Ground) -> None:
    ground.see("vision", _box(ground.lab, state="exited"))


def _not_all_seen(ground: Ground) -> None:
    ground.see("vision", complete=False, trouble="The engine is slow.")


def _silent(ground: Ground) -> None:
    ground.site.pass_(60)
    ground.site.ledger.sweep(ground.site.now)


def _no_lab(ground: Ground) -> None:
    ground.labs = {}


def _a_task_without_a_lease(ground: Ground) -> None:
    ground.running["t9"] = "vision:1"


def _a_task_that_ended(ground: Ground) -> None:
    ground.statuses["t1"] = "failed"


def _a_task_that_is_gone(ground: Ground) -> None:
    ground.statuses = {}


def _queued_without_a_ticket(ground: Ground) -> None:
    ground.queued["default"] += (_entry("t3"),)


def _a_ticket_without_a_task(ground: Ground) -> None:
    ground.queued = {}


SEEDED: list[tuple[Callable[[Ground], None], str]] = [
    (_an_unknown_lease, "vision: box-x (lab:eve/) is running with lease gone, which"),
    (_other_devices, "has the devices GPU-else, its lease GPU-vision-"),
    (_nothing_seen, "but its agent sees nothing of it."),
    (_only_an_ended_one_seen, "but its agent sees nothing of it."),
    (_not_all_seen, "vision: its agent does not see all. The engine is slow."),
    (_silent, "vision: its agent is silent; what it holds is not seen."),
    (_no_lab, "hub: lab:ann/ has lease"),
    (_a_task_without_a_lease, "ClearML: vision:1 runs task t9, which holds no lease."),
    (_a_task_that_ended, "ClearML: task t1 is failed, but holds lease"),
    (_a_task_that_is_gone, "ClearML: task t1 is gone, but holds lease"),
    (_queued_without_a_ticket, "ClearML: task t3 waits in default without a ticket."),
    (_a_ticket_without_a_task, "stands for task t2, which is not in the queue"),
]


def test_where_all_agree_there_is_nothing_to_tell(ground: Ground) -> None:
    assert ground.told() == []


@pytest.mark.parametrize(
    ("seed", "words"), SEEDED, ids=[seed.__name__.strip("_") for seed, _ in SEEDED]
)
def test_a_difference_is_told(
    ground: Ground, seed: Callable[[Ground], None], words: str
) -> None:
    seed(ground)

    told = ground.told()

    assert any(words in sentence for sentence in told), told


def test_a_look_that_began_before_a_lease_accuses_nobody(ground: Ground) -> None:
    version = ground.lab.known_version
    ground.see("vision", seen=version - 1)
    assert ground.told() == []
    ground.see("vision", began_at=ground.lab.since)
    assert ground.told() == []
    ground.see("vision", seen=version)
    [told] = ground.told()
    assert "its agent sees nothing of it" in told


def test_a_lab_without_a_gpu_needs_no_lease(ground: Ground) -> None:
    small = Found("box-y", "", "lab:eve/", (), "running")
    ground.see("vision", _box(ground.lab), small)

    assert ground.told() == []


def test_a_lab_that_is_ending_may_be_gone_from_the_hub(ground: Ground) -> None:
    ending = ground.site.ledger.releasing(ground.lab.id, "stopped", ground.site.now)
    ground.labs = {}

    assert ending.state is LeaseState.RELEASING
    assert ground.told() == []


def test_a_task_of_a_foreign_worker_is_nobodys_business(ground: Ground) -> None:
    ground.running["t9"] = "elsewhere:0"

    assert ground.told() == []


def test_an_end_that_is_not_proven_is_told_after_a_while(ground: Ground) -> None:
    site = ground.site
    site.ledger.releasing(ground.lab.id, "stopped", site.now)
    before = site.now
    ends = of_ends(site.ledger.snapshot(before), before + ENDS_WITHIN)
    assert list(ends) == []
    late = before + 2 * ENDS_WITHIN
    [told] = of_ends(site.ledger.snapshot(before), late)
    assert "(stopped) and is not proven" in told
    assert str(ground.lab.request.holder) in told


def test_a_lost_lease_on_a_node_that_answers_is_told(ground: Ground) -> None:
    site = ground.site
    site.ledger.lose(ground.lab.id, "its engine hangs", site.now)
    [told] = of_ends(site.ledger.snapshot(site.now), site.now)
    assert "lost though the node answers: its engine hangs" in told
    site.pass_(100)
    site.ledger.sweep(site.now)
    assert list(of_ends(site.ledger.snapshot(site.now), site.now)) == []
