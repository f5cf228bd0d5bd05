"""What can go wrong between the hub and a lab.

    SpawnerError
    ├── TrackingError      the tracking server refuses, or does not answer in time
    ├── OptionsError       the choice for a lab makes no sense
    ├── PlaceError         the place that should run the lab cannot
    ├── BoardAway          nobody grants GPUs at the moment
    ├── LeaseRefused       the board refuses, now or for ever
    └── NoDeviceFree       there is a ticket instead of a lease

Each message is meant for the user whose lab it is: what happened and what to do.
"""

from __future__ import annotations


class SpawnerError(Exception):
    """Any error of this package."""


class TrackingError(SpawnerError):
    """The tracking server refuses a request, or does not answer in time."""


class OptionsError(SpawnerError):
    """The user's choice for a lab is not one that can be had."""


class PlaceError(SpawnerError):
    """The place that should run the lab cannot; the text says what to do."""


class BoardAway(SpawnerError):  # noqa: N818 - a state, not a mistake.
    """The board does not answer: nobody grants GPUs at the moment."""


class LeaseRefused(SpawnerError):  # noqa: N818 - an answer, not a mistake.
    """The board refuses the lease, now or for ever; the text says why."""


class NoDeviceFree(SpawnerError):  # noqa: N818 - an answer, not a mistake.
    """No device is free; there is a ticket instead."""

    def __init__(self, ticket: str, place: str = "") -> None:
        """`place` describes the place in the line, if it is known."""
        super().__init__(f"No device is free; ticket {ticket}.")
        self.ticket = ticket
        self.place = place
