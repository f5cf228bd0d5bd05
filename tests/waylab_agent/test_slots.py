from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from waylab_agent.gate import Candidate, Grant
from waylab_agent.slots import Slot, SlotGate
from waylab_ledger.values import Proof, ProofKind

GONE = Proof(ProofKind.PROCESSES_GONE, by="test")
CPU = Slot("cpu0", ("vision", "default"))
SERVICES = Slot("services0", ("services",))
GPUS = (Slot("gpu0", ("vision",), ("GPU-a",)), Slot("gpu1", ("vision",), ("GPU-b",)))


def test_the_first_candidate_that_fits_is_granted() -> None:
    gate = SlotGate([CPU, SERVICES])
    grant = gate.grant([Candidate("1", "elsewhere"), Candidate("2", "default")])
    assert grant is not None
    assert (grant.task_id, grant.queue, grant.slot) == ("2", "default", "cpu0")


def test_a_full_node_offers_nothing_but_its_free_kinds() -> None:
    gate = SlotGate([CPU, SERVICES])
    assert gate.offer() == ("vision", "default", "services")
    gate.grant([Candidate("1", "vision")])
    assert gate.offer() == ("services",)
    assert gate.grant([Candidate("2", "default")]) is None


def test_controllers_never_take_a_device() -> None:
    gate = SlotGate([*GPUS, SERVICES])
    grant = gate.grant([Candidate("c", "services")])
    assert grant is not None
    assert grant.devices == ()


def test_release_is_idempotent_and_frees_only_its_own() -> None:
    gate = SlotGate([CPU])
    first = gate.grant([Candidate("1", "vision")])
    assert first is not None
    gate.release(first, GONE)
    second = gate.grant([Candidate("2", "vision")])
    assert second is not None
    gate.release(first, GONE)
    assert gate.offer() == ()
    assert gate.renew(second)
    assert not gate.renew(first)


def test_after_a_restart_a_grant_is_taken_again() -> None:
    before = SlotGate(GPUS)
    grant = before.grant([Candidate("1", "vision")])
    assert grant is not None
    after = SlotGate(GPUS)
    assert after.renew(grant)
    other = after.grant([Candidate("2", "vision")])
    assert other is not None
    assert other.devices == ("GPU-b",)


def test_a_slot_that_is_gone_from_the_settings_is_held_all_the_same() -> None:
    grant = Grant("g", "1", "vision", "gpu7", ("GPU-a",))
    gate = SlotGate(GPUS)
    assert gate.renew(grant)
    other = gate.grant([Candidate("2", "vision")])
    assert other is not None
    assert other.devices == ("GPU-b",)
    gate.release(grant, GONE)
    assert gate.offer() == ("vision",)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=40))
def test_no_slot_and_no_device_has_two_holders(steps: list[tuple[bool, int]]) -> None:
    gate = SlotGate([*GPUS, SERVICES])
    held: list[Grant] = []
    for takes, number in steps:
        if takes:
            queue = "services" if number == 0 else "vision"
            grant = gate.grant([Candidate(str(number), queue)])
            if grant is not None:
                held.append(grant)
        elif held:
            gate.release(held.pop(number % len(held)), GONE)
        slots = Counter(grant.slot for grant in held)
        devices = Counter(d for grant in held for d in grant.devices)
        tasks = Counter(grant.task_id for grant in held)
        assert max([*slots.values(), *devices.values(), *tasks.values(), 1]) == 1
        assert all(gate.renew(grant) for grant in held)
