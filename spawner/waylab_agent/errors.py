"""What can go wrong in the agent.

::

    AgentError
    ├── SettingsError       a setting is missing or contradicts another
    ├── JournalError        a journal entry cannot be read or written
    ├── StartError          a job's processes cannot be started
    │   └── ImageError      its image is missing or unfit for jobs
    ├── GrantGone           a grant was taken back
    ├── GateAway            nobody can tell now whether a grant still holds
    ├── RuntimeAway         what runs jobs (the engine) does not answer now
    └── JoinError           this machine cannot join the site
"""

from __future__ import annotations

from waylab_clearml.verdict import Reason


class AgentError(Exception):
    """Root of everything that this package raises on purpose."""


class SettingsError(AgentError):
    """A setting is missing or contradicts another; the message names it."""


class JournalError(AgentError):
    """A journal entry cannot be read or written."""


class StartError(AgentError):
    """A job's processes cannot be started; the message is fit for its owner."""


class ImageError(StartError):
    """A job's image is missing or unfit; `reason` is the code of the verdict."""

    def __init__(self, message: str, reason: Reason) -> None:
        """Keep the reason beside the message."""
        super().__init__(message)
        self.reason = reason


class GrantGone(AgentError):  # noqa: N818 - a condition, not a fault.
    """A grant was taken back, and is not to be had again."""


class GateAway(AgentError):  # noqa: N818 - a condition that passes.
    """Nobody can tell now whether a grant still holds: nothing may be started."""


class RuntimeAway(AgentError):  # noqa: N818 - a condition that passes.
    """What runs jobs does not answer now; nothing is known about them."""


class JoinError(AgentError):
    """This machine cannot join the site; the message says why and what to do."""
