"""The same world, driven by hypothesis: it looks for the shortest way to break it."""

from __future__ import annotations

import random
from typing import ClassVar

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)
from tests.waylab_ledger.world import World

from waylab_ledger.ledger import Ledger

STEPS = 50
"""So many operations before everything comes to rest and starts anew."""
DICE = st.randoms(use_true_random=False)


class LedgerMachine(RuleBasedStateMachine):
    """Each rule is one operation of the world, which judges after it."""

    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger.open("memory://")
        self.world = World(self.ledger, random.Random(0))  # noqa: S311

    @rule(
        dice=DICE,
        name=st.sampled_from([name for name, _ in World.OPERATIONS]),
    )
    def operate(self, dice: random.Random, name: str) -> None:
        LedgerMachine.steps += 1
        self.world.dice = dice
        self.world.do(name)

    @rule(dice=DICE)
    def run_a_lab(self, dice: random.Random) -> None:
        """Come further than single operations mostly do."""
        self.world.dice = dice
        LedgerMachine.steps += 1
        for name in ("submit", "go_on_starting", "go_on_starting", "go_on_starting"):
            self.world.do(name)

    @rule(dice=DICE)
    def report_in_order(self, dice: random.Random) -> None:
        LedgerMachine.steps += 1
        self.world.dice = dice
        for name in ("look", "deliver", "look", "deliver"):
            self.world.do(name)

    def teardown(self) -> None:
        self.world.dice = random.Random(0)  # noqa: S311
        self.world.settle()
        self.ledger.close()


def run_machine(text: str, steps: int) -> None:
    """Do so many steps; `text` is the seed, in hexadecimal digits."""
    LedgerMachine.steps = rounds = 0
    while LedgerMachine.steps < steps:
        rounds += 1
        run_state_machine_as_test(
            seed(int(text, 16) + rounds)(LedgerMachine),
            settings=settings(
                max_examples=max(1, (steps - LedgerMachine.steps) // STEPS),
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
