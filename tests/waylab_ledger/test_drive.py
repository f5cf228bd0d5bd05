"""Random operations in a world where everything fails: nothing is held twice.

The seed is printed; `LEDGER_SEED=… pytest …` drives the same way again.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.waylab_ledger.machine import run_machine
from tests.waylab_ledger.parts import ViolationError
from tests.waylab_ledger.world import World, drive

from waylab_ledger.book import Book
from waylab_ledger.ledger import Ledger
from waylab_ledger.memory import MemoryStore
from waylab_ledger.values import LeaseState

Open = Callable[[str], Ledger]


def fresh_seed() -> str:
    value = os.environ.get("LEDGER_SEED") or secrets.token_hex(8)
    print(f"LEDGER_SEED={value}")
    return value


def test_50_000_operations_in_memory_break_nothing(open_ledger: Open) -> None:
    counts = drive(open_ledger("memory://"), fresh_seed(), 50_000)
    assert set(counts.operations) == {name for name, _ in World.OPERATIONS}
    assert counts.leases > 500


@pytest.mark.parametrize(("kind", "operations"), [("sqlite", 3000), ("postgres", 1500)])
def test_a_few_thousand_operations_in_a_database_break_nothing(
    request: pytest.FixtureRequest, open_ledger: Open, kind: str, operations: int
) -> None:
    ledger = open_ledger(request.getfixturevalue(f"{kind}_url"))
    drive(ledger, fresh_seed(), operations, settle_every=500)


def test_5_000_steps_of_a_state_machine_break_nothing() -> None:
    run_machine(fresh_seed(), 5_000)


class _ForgetfulStore(MemoryStore):
    """Frees a lost lease's devices by itself: what a careless ledger would do."""

    @contextmanager
    def transaction(self, new_id: Callable[[], str]) -> Iterator[Book]:
        for lease in list(self._state.leases.values()):
            if lease.state is LeaseState.LOST:
                for device in lease.devices:
                    self._state.holds.pop(device, None)
                    self._holds.pop(device, None)
                self._state.leases.pop(lease.id)
        with super().transaction(new_id) as book:
            yield book


def test_the_drive_finds_a_ledger_that_frees_without_proof() -> None:
    with pytest.raises(ViolationError, match=r"is used by 2|runs without a lease"):
        drive(Ledger(_ForgetfulStore()), "1", 20_000)
