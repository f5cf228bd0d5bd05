"""The name of the spawner as it was when labs were processes only."""

from __future__ import annotations

from waylab_spawner.spawner import WaylabSpawner


class WaylabProcessSpawner(WaylabSpawner):
    """`WaylabSpawner`, whose places are processes unless it is told otherwise."""
