# ruff: noqa: N818 - conditions are named as the domain names them.
"""What can go wrong in the ledger.

LedgerError
├── Refused           no node of the site could ever satisfy the request
├── NotFound          there is no such lease, ticket or node
├── LeaseGone         the lease is over, or somebody else's
├── Conflict          the change contradicts what the ledger knows
└── StoreUnavailable  the database did not answer, or not in time
"""


class LedgerError(Exception):
    """The root of the ledger's errors; its text is for people."""


class Refused(LedgerError):
    """Nothing on the site could ever satisfy the request: the text says what is."""


class NotFound(LedgerError):
    """There is no such thing."""


class LeaseGone(LedgerError):
    """The lease cannot be used any more; `reason` says why."""

    def __init__(self, reason: str) -> None:
        """Take the reason, a sentence."""
        super().__init__(reason)
        self.reason = reason


class Conflict(LedgerError):
    """The change contradicts what the ledger knows; nothing was changed."""


class StoreUnavailable(LedgerError):
    """The database did not do what it was asked for; whether it did is unknown."""
