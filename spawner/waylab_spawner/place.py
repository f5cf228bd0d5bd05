"""What the spawner needs of a lab, whatever runs it.

`ProcessLab` and `DockerLab` are such labs. A third kind (a batch system) takes part by
the same methods and a `PlaceKind` of its own.
"""

from __future__ import annotations

from typing import Any, Protocol

from waylab_spawner.order import Look, Order


class Lab(Protocol):
    """One start of one lab; it is asked to start at most once."""

    async def prepare(self, order: Order) -> None:
        """Take the order, and get what may take long (an image).

        Raises:
            PlaceError: it cannot be had; the text is for the lab's user.
        """

    async def start(self) -> tuple[str, int]:
        """Start it and give where it will answer.

        Raises:
            PlaceError: it cannot be; the text is for its user.
        """

    async def look(self) -> Look:
        """Tell whether it runs; only what is certain counts as ended."""

    async def end(self, grace_seconds: float) -> Look:
        """End it: `Ended` with the proof, or why nobody can tell."""

    async def clear_away(self) -> bool:
        """Clear away what is left of an ended lab; False if that has to wait."""

    async def log_tail(self) -> str:
        """Give the end of its log as its user may see it; empty if there is none."""

    async def address(self) -> tuple[str, int] | None:
        """Give where it answers now; None where the hub's own memory is right.

        Raises:
            PlaceError: nobody can tell now.
        """

    async def find(self) -> str | None:
        """Look for what a hub before this one started: its lease, None if nothing.

        Raises:
            PlaceError: nobody can tell now.
        """

    def identity(self) -> tuple[str | None, str | None]:
        """Give the engine's ID and what the lab is found as there, for the board."""

    def get_state(self) -> dict[str, Any]:
        """Give what finds it again after a restart of the hub."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Take what `get_state` gave."""
