"""What passes between the spawner and the place that runs a lab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from waylab_ledger.values import Holder, Proof
from waylab_spawner.offers import NodePlace
from waylab_spawner.options import Choice


@dataclass(frozen=True)
class Order:
    """A lab to be started: what, where, on which devices; empty for no lease."""

    choice: Choice
    place: NodePlace
    holder: Holder
    lease: str = ""
    devices: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of this lab; keys for tracking are among them."""


@dataclass(frozen=True)
class Running:
    """The lab runs."""


@dataclass(frozen=True)
class Ended:
    """The lab is gone, and why that is certain."""

    proof: Proof
    exit_status: int = 0
    words: str = ""


@dataclass(frozen=True)
class Unknown:
    """Nobody can tell; `reason` is a sentence for the board.

    `answered` says that whoever runs the lab was asked, and answered something.
    """

    reason: str
    answered: bool = False


Look = Running | Ended | Unknown
