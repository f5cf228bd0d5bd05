"""On what proof a device is freed: every case of every source."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.waylab_ledger.site import NOON, lab

from waylab_ledger.book import Epoch, NodeRecord
from waylab_ledger.errors import Conflict
from waylab_ledger.freeing import Look, Verdict, check_proof, judge
from waylab_ledger.values import (
    Found,
    Lease,
    LeaseState,
    NodeReport,
    Proof,
    ProofKind,
)

SECOND = timedelta(seconds=1)
HUB = Epoch("h1", "hub", NOON)
DEAD_HUB = replace(HUB, dead_at=NOON, dead_version=10)
NODE = NodeRecord("nlp", engine_id="E")
GRANTED = Lease(
    id="L",
    request=lab("ann"),
    node="nlp",
    devices=("GPU-nlp-0",),
    state=LeaseState.GRANTED,
    since=NOON,
    taker="h1",
)
ACTIVE = replace(
    GRANTED,
    state=LeaseState.ACTIVE,
    started_at=NOON,
    engine_id="E",
    found="c",
    known_version=10,
)
LOST = replace(ACTIVE, state=LeaseState.LOST, before=LeaseState.ACTIVE)
PENDING = replace(GRANTED, state=LeaseState.PENDING, taker=None)


def report(**rest: object) -> NodeReport:
    values: dict[str, object] = {
        "node": "nlp",
        "epoch": "a1",
        "began_at": NOON + SECOND,
        "devices": (),
        "complete": True,
        "engine_id": "E",
        "seen": 10,
    }
    return NodeReport(**{**values, **rest})  # type: ignore[arg-type]


def verdict(
    lease: Lease,
    *states: str,
    taker: Epoch = HUB,
    node: NodeRecord = NODE,
    **rest: object,
) -> Verdict:
    seen = [
        Found(f"c{n}", "L", "lab:ann/", lease.devices, state)
        for n, state in enumerate(states)
    ]
    look = Look(report(found=tuple(seen), **rest), node, taker, NOON + 5 * SECOND)
    return judge(lease, seen, look).verdict


@pytest.mark.parametrize("lease", [ACTIVE, LOST])
@pytest.mark.parametrize("states", [(), ("exited",), ("dead",)])
def test_absence_in_a_complete_look_after_activation_frees(
    lease: Lease, states: tuple[str, ...]
) -> None:
    assert verdict(lease, *states) is Verdict.FREE


@pytest.mark.parametrize(
    "rest",
    [
        {"complete": False},
        {"seen": 9},
        {"seen": None, "began_at": NOON},
        {"seen": None, "began_at": NOON - SECOND},
        {"seen": None, "began_at": NOON + 60 * SECOND},
        {"engine_id": None},
    ],
    ids=["in part", "older", "at once", "before", "in the future", "no engine"],
)
def test_nothing_less_frees(rest: dict[str, Any]) -> None:
    assert verdict(ACTIVE, **rest) is Verdict.NOTHING


def test_without_versions_the_clock_has_to_do() -> None:
    assert verdict(ACTIVE, seen=None) is Verdict.FREE


def test_another_engine_proves_nothing_and_loses() -> None:
    assert verdict(ACTIVE, engine_id="F") is Verdict.LOSE
    assert verdict(LOST, engine_id="F") is Verdict.NOTHING


@pytest.mark.parametrize("state", ["running", "paused", "restarting", "removing"])
def test_whatever_may_still_run_is_alive(state: str) -> None:
    assert verdict(ACTIVE, state) is Verdict.NOTHING
    assert verdict(LOST, state) is Verdict.ALIVE
    assert verdict(ACTIVE, "exited", state) is Verdict.NOTHING


def test_a_living_starter_is_trusted_over_any_absence() -> None:
    assert verdict(GRANTED) is Verdict.NOTHING
    assert verdict(GRANTED, "exited") is Verdict.NOTHING
    assert verdict(GRANTED, "running") is Verdict.NOTHING


def test_after_the_starter_died_a_later_look_frees_or_finds() -> None:
    assert verdict(GRANTED, taker=DEAD_HUB) is Verdict.FREE
    assert verdict(GRANTED, taker=DEAD_HUB, seen=9) is Verdict.NOTHING
    assert verdict(GRANTED, "running", taker=DEAD_HUB) is Verdict.ALIVE
    assert verdict(GRANTED, "created", taker=DEAD_HUB) is Verdict.NOTHING


def test_after_the_starter_gave_up_a_later_look_frees() -> None:
    abandoned = replace(GRANTED, state=LeaseState.LOST, known_version=10)
    assert verdict(abandoned) is Verdict.FREE
    assert verdict(abandoned, seen=9) is Verdict.NOTHING
    assert verdict(abandoned, "created") is Verdict.NOTHING


def test_what_is_only_set_aside_is_not_judged() -> None:
    assert verdict(PENDING, taker=DEAD_HUB) is Verdict.NOTHING


def test_a_process_of_the_hub_is_not_absent_because_an_engine_has_it_not() -> None:
    process = replace(ACTIVE, engine_id=None)
    assert verdict(process) is Verdict.NOTHING
    assert verdict(process, processes=True) is Verdict.FREE
    local = replace(NODE, processes=True)
    assert verdict(GRANTED, taker=DEAD_HUB, node=local) is Verdict.NOTHING


def test_an_agent_knows_its_own_processes() -> None:
    agent = Epoch("a1", "agent:nlp", NOON)
    process = replace(ACTIVE, engine_id=None, taker="a1")
    assert verdict(process, taker=agent, engine_id=None) is Verdict.FREE


def test_a_loss_by_silence_ends_with_it_where_somebody_else_knows() -> None:
    silent = replace(GRANTED, state=LeaseState.LOST, before=LeaseState.GRANTED)
    assert verdict(silent) is Verdict.RESTORE
    process = replace(LOST, engine_id=None)
    assert verdict(process) is Verdict.RESTORE


def proves(
    lease: Lease,
    kind: ProofKind,
    *,
    by: str = "h1",
    engine: str | None = None,
    taker: Epoch = HUB,
) -> bool:
    proof = Proof(kind, by, engine_id=engine)
    try:
        check_proof(lease, proof, NODE, taker)
    except Conflict:
        return False
    return True


def test_what_nobody_took_needs_only_never_started() -> None:
    assert proves(PENDING, ProofKind.NEVER_STARTED, by="anyone")
    assert not proves(PENDING, ProofKind.EXITED, engine="E")


@pytest.mark.parametrize(
    ("by", "taker", "is_proof"),
    [
        ("h1", HUB, True),
        ("hub", HUB, True),
        ("agent:nlp", HUB, False),
        ("h2", DEAD_HUB, False),
        ("hub", DEAD_HUB, False),
        ("agent:nlp", Epoch("h1", "agent:nlp", NOON, NOON, 3), True),
    ],
)
def test_never_started_counts_only_from_who_would_have_started(
    by: str, taker: Epoch, *, is_proof: bool
) -> None:
    assert proves(GRANTED, ProofKind.NEVER_STARTED, by=by, taker=taker) is is_proof


def test_what_ran_was_started() -> None:
    assert not proves(ACTIVE, ProofKind.NEVER_STARTED)
    assert not proves(LOST, ProofKind.NEVER_STARTED)


@pytest.mark.parametrize("kind", [ProofKind.NO_CONTAINER, ProofKind.EXITED])
def test_only_the_right_engine_proves(kind: ProofKind) -> None:
    assert proves(ACTIVE, kind, engine="E")
    assert not proves(ACTIVE, kind, engine="F")
    assert not proves(ACTIVE, kind, engine=None)
    assert proves(GRANTED, kind, engine="E")
    assert not proves(GRANTED, kind, engine="F")


@pytest.mark.parametrize("kind", [ProofKind.NO_CONTAINER, ProofKind.PROCESSES_GONE])
def test_others_prove_nothing_while_a_living_process_starts(kind: ProofKind) -> None:
    assert not proves(GRANTED, kind, by="agent:nlp", engine="E")
    assert proves(GRANTED, kind, by="agent:nlp", engine="E", taker=DEAD_HUB)


def test_processes_prove_nothing_of_a_container() -> None:
    assert not proves(ACTIVE, ProofKind.PROCESSES_GONE)
    assert proves(replace(ACTIVE, engine_id=None), ProofKind.PROCESSES_GONE)
    assert proves(replace(ACTIVE, engine_id=None), ProofKind.SLURM_ENDED)


@pytest.mark.parametrize("lease", [PENDING, GRANTED, ACTIVE, LOST])
def test_a_fence_frees_whatever_it_is(lease: Lease) -> None:
    assert proves(lease, ProofKind.FENCED, by="admin")


WITHOUT_ENGINE: dict[str, Any] = {"engine_id": None, "processes": True}


def test_an_agent_without_an_engine_does_not_free_what_a_dead_hub_was_starting() -> (
    None
):
    never_seen = replace(NODE, engine_id=None)
    assert verdict(GRANTED, taker=DEAD_HUB, **WITHOUT_ENGINE) is Verdict.LOSE
    rest: dict[str, Any] = {"taker": DEAD_HUB, "node": never_seen, **WITHOUT_ENGINE}
    assert verdict(GRANTED, **rest) is Verdict.LOSE
    local = replace(NODE, engine_id=None, processes=True)
    rest = {"taker": DEAD_HUB, "node": local, **WITHOUT_ENGINE}
    assert verdict(GRANTED, **rest) is Verdict.FREE
    once_with_engine = replace(local, engine_id="E")
    rest = {"taker": DEAD_HUB, "node": once_with_engine, **WITHOUT_ENGINE}
    assert verdict(GRANTED, **rest) is Verdict.LOSE


def test_an_agent_without_an_engine_says_so_of_what_runs_in_one() -> None:
    told = judge(ACTIVE, (), Look(report(**WITHOUT_ENGINE), NODE, HUB, NOON))
    assert told.verdict is Verdict.LOSE
    assert "WAYLAB_AGENT_ENGINE" in told.reason
    lost = replace(LOST, reason=told.reason)
    assert verdict(lost, **WITHOUT_ENGINE) is Verdict.NOTHING
    assert verdict(lost, "running") is Verdict.ALIVE
    assert verdict(lost) is Verdict.FREE
