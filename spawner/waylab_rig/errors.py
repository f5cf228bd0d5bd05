"""What can go wrong with the rig: `RigError`, in one sentence with the remedy."""

from __future__ import annotations


class RigError(Exception):
    """A simulated node cannot be had; the text says why and what to do."""
