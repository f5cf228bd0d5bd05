"""What can go wrong between the hub and a lab.

    SpawnerError
    ├── TrackingError      the tracking server refuses, or does not answer in time
    └── OptionsError       the choice of a profile makes no sense

Each message is meant for the user whose lab it is: what happened and what to do.
"""

from __future__ import annotations


class SpawnerError(Exception):
    """Any error of this package."""


class TrackingError(SpawnerError):
    """The tracking server refuses a request, or does not answer in time."""


class OptionsError(SpawnerError):
    """The user's choice for a lab is not one that can be had."""
