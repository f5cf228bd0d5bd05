"""How a job ends otherwise than by running through.

::

    JobEnd              carries the verdict
    PageError           the output notebook's page could not be made
"""

from __future__ import annotations

from waylab_clearml.verdict import Outcome, Reason, Verdict


class JobEnd(Exception):  # noqa: N818 - an end, not always an error.
    """The job is over; `verdict` says how."""

    def __init__(self, verdict: Verdict) -> None:
        """Carry a verdict."""
        super().__init__(verdict.message)
        self.verdict = verdict


class PageError(Exception):
    """The output notebook's page could not be made."""


def failed(reason: Reason, message: str) -> JobEnd:
    """Give the end of a job that failed before or outside of a cell."""
    return JobEnd(Verdict(Outcome.FAILED, reason, message))
