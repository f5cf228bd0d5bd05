# ruff: noqa: N818 - conditions are named as the domain names them.
"""What can go wrong with the ledger.

::

    LedgerError
    ├── Refused      the request can never be satisfied: the text says what there is
    ├── LeaseGone    the lease is not there to be taken or used any more
    ├── NotFound     no such lease, ticket or node
    └── Conflict     the change does not fit the present state

`waylab_ledger.client` adds what can go wrong on the way to the board.
"""

from __future__ import annotations


class LedgerError(Exception):
    """Any error of this package."""


class Refused(LedgerError):
    """The request can never be satisfied: the text says what there is."""


class LeaseGone(LedgerError):
    """The lease is not there to be taken or used any more: the text says why."""


class NotFound(LedgerError):
    """There is no such lease, ticket or node."""


class Conflict(LedgerError):
    """The change does not fit the present state: the text says what it is."""
