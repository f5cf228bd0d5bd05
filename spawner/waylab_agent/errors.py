"""What can go wrong in the agent.

::

    AgentError
    ├── SettingsError       a setting is missing or contradicts another
    ├── JournalError        a journal entry cannot be read or written
    └── StartError          a job's processes cannot be started
"""


class AgentError(Exception):
    """Root of everything that this package raises on purpose."""


class SettingsError(AgentError):
    """A setting is missing or contradicts another; the message names it."""


class JournalError(AgentError):
    """A journal entry cannot be read or written."""


class StartError(AgentError):
    """A job's processes cannot be started; the message is fit for its owner."""
