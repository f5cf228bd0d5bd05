"""What can go wrong while copying."""

from __future__ import annotations


class MigrationError(Exception):
    """The copying cannot go on; the text says why, for the operator."""
