"""Rounds of random operations on the ledger, for `make soak SUITE=ledger-…`.

The full size is ten rounds of each suite: 1,000,000 operations in memory, 100,000 on
SQLite, on PostgreSQL and of the state machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.faults import Findings
from tests.waylab_ledger.machine import run_machine
from tests.waylab_ledger.parts import Counts, ViolationError
from tests.waylab_ledger.postgres import running_postgres
from tests.waylab_ledger.world import drive

from waylab_ledger.ledger import Ledger

IN_MEMORY = 100_000
IN_A_DATABASE = 10_000
OF_THE_MACHINE = 10_000


def run_memory(folder: Path, dice: random.Random) -> Findings:
    """Drive the rules alone."""
    del folder
    return _drive("memory://", dice, IN_MEMORY)


def run_sqlite(folder: Path, dice: random.Random) -> Findings:
    """Drive a ledger in a file."""
    return _drive(f"sqlite:///{folder}/ledger.db", dice, IN_A_DATABASE)


def run_postgres(folder: Path, dice: random.Random) -> Findings:
    """Drive a ledger on a server that this round starts."""
    del folder
    with running_postgres() as server:
        return _drive(server.create_database("ledger"), dice, IN_A_DATABASE)


def run_the_machine(folder: Path, dice: random.Random) -> Findings:
    """Let hypothesis look for the shortest way to break the rules."""
    del folder
    seed = f"{dice.getrandbits(64):x}"

    def steps() -> str:
        run_machine(seed, OF_THE_MACHINE)
        return f"{OF_THE_MACHINE:,} steps of the state machine"

    return _judged(steps)


def _drive(url: str, dice: random.Random, operations: int) -> Findings:
    seed = f"{dice.getrandbits(64):x}"

    def work() -> str:
        ledger = Ledger.open(url)
        try:
            counts: Counts = drive(ledger, seed, operations)
        finally:
            ledger.close()
        return (
            f"{operations:,} operations, {counts.leases:,} leases: no device held "
            f"twice, no lease leaked, no ticket lost"
        )

    return _judged(work)


def _judged(work: Callable[[], str]) -> Findings:
    try:
        return Findings(work())
    except ViolationError as error:
        return Findings("the first violation", [str(error)], cut_short=True)
